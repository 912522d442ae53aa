package gotch

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"rdrec/setup/internal/hint"
	"rdrec/setup/internal/libtorch"
)

// maxCompilations bounds how often the shim is compiled: blanking a function can only uncover
// another's fault where the compiler gave up early.
const maxCompilations = 4

// ErrIncompatible says that the compiler's complaints are not about generated functions, so that
// nothing can be left out to help.
var ErrIncompatible = errors.New("gotch does not fit this libtorch")

// MissingFunctions finds the generated functions that the libtorch does not have, or has with other
// arguments: the shim in dir, a copy of the module, is compiled (syntax only), the functions that
// the compiler complains about are blanked, and again until it is content.
func MissingFunctions(ctx context.Context, b Build, dir string) ([]string, error) {
	file := filepath.Join(dir, "libtch", generated)
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("try gotch: %w", err)
	}
	missing := []string{}
	for range maxCompilations {
		complaints, err := compile(ctx, b, filepath.Join(dir, "libtch"))
		if err != nil {
			return nil, err
		}
		if complaints == "" {
			slices.Sort(missing)
			return missing, nil
		}
		found, err := FailingFunctions(complaints, content)
		if err != nil {
			return nil, hint.Wrap(fmt.Errorf("try gotch with libtorch %s in %q: %w", b.Libtorch.Version, b.Libtorch.Root, err),
				"point LIBTORCH to another libtorch (2.1.0 to 2.11.0 were tried), or unset it to have 2.11.0 fetched")
		}
		missing = append(missing, found...)
		if content, err = blank(content, found, b.Libtorch.Version); err != nil {
			return nil, err
		}
		if err := os.WriteFile(file, content, 0o644); err != nil {
			return nil, fmt.Errorf("try gotch: %w", err)
		}
	}
	return nil, hint.Wrap(fmt.Errorf("%w: after blanking %d functions it still does not compile", ErrIncompatible, len(missing)),
		"point LIBTORCH to another libtorch (2.1.0 to 2.11.0 were tried)")
}

// compile is what the compiler complains about, "" when it is content.
func compile(ctx context.Context, b Build, dir string) (string, error) {
	args := append(slices.Clone(b.Compiler[1:]), "-fsyntax-only", "-I.")
	for _, arg := range headers(b.Libtorch) {
		args = append(args, strings.Trim(arg, `"`))
	}
	if strings.Contains(filepath.Base(b.Compiler[0]), "clang") {
		args = append(args, "-ferror-limit=0")
	} else {
		args = append(args, "-fmax-errors=0")
	}
	cmd := exec.CommandContext(ctx, b.Compiler[0], append(args, shim)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if err == nil {
		return "", nil
	}
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) || !strings.Contains(out.String(), "error:") {
		return "", fmt.Errorf("try gotch: %s: %w: %s", b.Compiler[0], err, strings.TrimSpace(out.String()))
	}
	return out.String(), nil
}

// complaintLine matches a complaint about a line of the generated file, or about a template that
// such a line asked for.
var complaintLine = regexp.MustCompile(`(?m)^(?:In file included from )?(?:\S*/)?` + regexp.QuoteMeta(generated) + `:(\d+):(?:\d+:)?\s+(?:fatal )?(?:error:|.*required from|.*requested here)`)

var firstError = regexp.MustCompile(`(?m)^.*error:.*$`)

// FailingFunctions names the generated functions that a compiler's complaints are about, in the
// order of the file. It fails with [ErrIncompatible] when they are about none.
func FailingFunctions(complaints string, source []byte) ([]string, error) {
	at := map[int]bool{}
	for _, found := range complaintLine.FindAllStringSubmatch(complaints, -1) {
		line, err := strconv.Atoi(found[1])
		if err != nil {
			return nil, fmt.Errorf("read the compiler's output: %w", err)
		}
		at[line] = true
	}
	var names []string
	current, number := "", 0
	for line := range bytes.Lines(source) {
		number++
		if found := functionStart.FindSubmatch(bytes.TrimRight(line, "\r\n")); found != nil {
			current = string(found[1])
		}
		if at[number] && current != "" && !slices.Contains(names, current) {
			names = append(names, current)
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("%w: %s", ErrIncompatible, firstError.FindString(complaints))
	}
	return names, nil
}

// CachedMissingFunctions is [MissingFunctions] with a memory: the answer for a module and a
// libtorch is kept in a file of the folder memory, since finding it takes half a minute. The second
// result says whether it had to be found.
func CachedMissingFunctions(ctx context.Context, b Build, cacheDir, scratch string) (missing []string, compiled bool, err error) {
	key, err := b.key()
	if err != nil {
		return nil, false, err
	}
	file := filepath.Join(cacheDir, "gotch-"+Version+"-libtorch-"+b.Libtorch.Version+"-"+key[:16]+".json")
	if content, err := os.ReadFile(file); err == nil && json.Unmarshal(content, &missing) == nil {
		return missing, false, nil
	}
	if err := copyModule(ctx, b.Module.Dir, scratch); err != nil {
		return nil, true, fmt.Errorf("copy gotch: %w", err)
	}
	if missing, err = MissingFunctions(ctx, b, scratch); err != nil {
		return nil, true, err
	}
	content, err := json.Marshal(missing)
	if err != nil {
		return nil, true, err
	}
	return missing, true, writeFile(file, append(content, '\n'))
}

// key is a digest of what decides which functions compile: the module, and the list of functions
// that the libtorch has.
func (b Build) key() (string, error) {
	functions, err := os.ReadFile(filepath.Join(b.Libtorch.Include, "ATen", "Functions.h"))
	if err != nil {
		return "", hint.Wrap(fmt.Errorf("%w: %w", libtorch.ErrUnusable, err), "point LIBTORCH to a libtorch with all its headers, or unset it")
	}
	sum := sha256.New()
	for _, part := range [][]byte{[]byte(b.Module.Sum), []byte(b.Libtorch.Version), functions} {
		fmt.Fprintf(sum, "%d\n%s\n", len(part), part)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// writeFile writes a file whole or not at all.
func writeFile(file string, content []byte) error {
	temporary, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+"-*")
	if err != nil {
		return err
	}
	defer os.Remove(temporary.Name())
	_, err = temporary.Write(content)
	if err := errors.Join(err, temporary.Chmod(0o644), temporary.Sync(), temporary.Close()); err != nil {
		return fmt.Errorf("write %q: %w", file, err)
	}
	return os.Rename(temporary.Name(), file)
}
