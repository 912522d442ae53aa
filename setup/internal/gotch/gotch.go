// Package gotch adapts the Go binding of libtorch to the libtorch at hand. In: the module as the Go
// proxy serves it, and a libtorch; out: the folder .gotch with a patched copy, and a go.work that
// makes the Go command use it. Steps: copy what is needed of the module, find out by compiling
// which generated functions this libtorch lacks, patch, and put the finished folder in place in one
// move. This package never imports gotch: it must work before gotch does.
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

// Path and Version name the module; go.mod requires the same.
const (
	Path    = "github.com/sugarme/gotch"
	Version = "v0.9.1"
)

// Folder is the patched copy, in the root of the repository.
const Folder = ".gotch"

// Module is gotch as the Go proxy serves it.
type Module struct {
	// Dir is its read-only folder, Sum its checksum as in go.sum.
	Dir, Sum string
}

// Build is everything that the patched copy depends on.
type Build struct {
	Module   Module
	Libtorch libtorch.Libtorch
	// Compiler is the C++ compiler that the Go command will use, with its arguments.
	Compiler []string
}

// Download has the Go command fetch the module into its module cache and check it against go.sum.
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
		return Module{}, hint.Wrap(errors.Join(ctx.Err(), fmt.Errorf("fetch the module %s@%s: %w: %s", Path, Version, err, text)),
			"connect to the network, or set GOPROXY to a module proxy that you can reach")
	}
	if sum, err := goSumEntry(repo); err != nil || sum != found.Sum {
		return Module{}, errors.Join(err, fmt.Errorf("fetch the module %s@%s: its checksum is %s, go.sum says %s", Path, Version, found.Sum, sum))
	}
	return Module{Dir: found.Dir, Sum: found.Sum}, nil
}

// excludedFolders are the module's folders that no program needs: 90 of its 94 MB.
var excludedFolders = []string{"example", "gen"}

// copyModule copies the module, which is read-only, into a folder that can be patched.
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
