// Package gotch adapts gotch, the Go binding of libtorch, to an installed libtorch. Its input is
// the module from the Go proxy and a libtorch. Its output is the folder .gotch with a patched copy,
// and a go.work that makes the Go command use it. The steps: copy the necessary part of the module,
// determine by compiling which generated functions this libtorch lacks, patch, and move the
// finished folder into place. The package does not import gotch, because it must work before gotch
// does.
package gotch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"rdrec/setup/internal/hint"
	"rdrec/setup/internal/libtorch"
)

// Path and Version identify the module; go.mod requires the same version.
const (
	Path    = "github.com/sugarme/gotch"
	Version = "v0.9.1"
)

// Folder is the folder of the patched copy in the root of the repository.
const Folder = ".gotch"

// Module is the module gotch in Go's module cache.
type Module struct {
	// Dir is its read-only folder, Sum its checksum in go.sum.
	Dir, Sum string
}

// Build is the inputs of the patched copy.
type Build struct {
	Module   Module
	Libtorch libtorch.Libtorch
	// Compiler is the C++ compiler of the Go command, with its arguments.
	Compiler []string
}

// Download makes the Go command fetch the module into its module cache, and checks it against
// go.sum.
func Download(ctx context.Context, repo string) (Module, error) {
	cmd := exec.CommandContext(ctx, "go", "mod", "download", "-json", Path+"@"+Version)
	cmd.Dir = repo
	cmd.Env = append(os.Environ(), "GOWORK=off")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	var found struct{ Dir, Sum, Error string }
	if decoded := json.Unmarshal(out, &found); err == nil {
		err = decoded
	}
	if err != nil || found.Error != "" {
		text := strings.TrimSpace(found.Error + stderr.String())
		err = fmt.Errorf("fetch the module %s@%s: %w: %s", Path, Version, err, text)
		return Module{}, hint.Wrap(errors.Join(ctx.Err(), err),
			"connect to the network, or set GOPROXY to a module proxy that you can reach")
	}
	if sum, err := goSumEntry(repo); err != nil || sum != found.Sum {
		return Module{}, errors.Join(err, fmt.Errorf("fetch the module %s@%s: checksum %s, want %s of go.sum",
			Path, Version, found.Sum, sum))
	}
	return Module{Dir: found.Dir, Sum: found.Sum}, nil
}

// excludedFolders are the module's folders that a build does not need: 90 of 94 MB.
var excludedFolders = []string{"example", "gen"}

// copyModule copies the read-only module into a folder that can be patched.
func copyModule(ctx context.Context, from, to string) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err := errors.Join(err, ctx.Err()); err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		switch {
		case entry.IsDir() && slices.Contains(excludedFolders, name):
			return filepath.SkipDir
		case entry.IsDir():
			return os.MkdirAll(filepath.Join(to, name), 0o755)
		case !entry.Type().IsRegular() || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, name), content, 0o644)
	})
}
