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

// maxCompilations limits the compilations of the shim. Blanking a function uncovers another error
// only if the compiler stopped early.
const maxCompilations = 4

// ErrIncompatible is returned if the compiler's errors are not in generated functions, so that
// blanking does not help.
var ErrIncompatible = errors.New("gotch does not fit this libtorch")

// MissingFunctions returns the generated functions that libtorch lacks or has with other arguments.
// It compiles the shim in dir, a copy of the module (syntax only), blanks the functions with
// errors, and repeats until there are none.
func MissingFunctions(ctx context.Context, b Build, dir string) ([]string, error) {
	file := filepath.Join(dir, "libtch", generated)
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("compile gotch: %w", err)
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
			err = fmt.Errorf("compile gotch with libtorch %s in %q: %w", b.Libtorch.Version, b.Libtorch.Root, err)
			return nil, hint.Wrap(err,
				"set LIBTORCH to another libtorch (2.1.0 to 2.11.0 are tested), or unset it to fetch 2.11.0")
		}
		missing = append(missing, found...)
		if content, err = blank(content, found, b.Libtorch.Version); err != nil {
			return nil, err
		}
		if err := os.WriteFile(file, content, 0o644); err != nil {
			return nil, fmt.Errorf("compile gotch: %w", err)
		}
	}
	err = fmt.Errorf("%w: it does not compile even with %d functions blanked", ErrIncompatible, len(missing))
	return nil, hint.Wrap(err,
		"set LIBTORCH to another libtorch (2.1.0 to 2.11.0 are tested)")
}

// compile returns the compiler's errors, or "" if there are none.
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
		return "", fmt.Errorf("compile gotch: %s: %w: %s", b.Compiler[0], err, strings.TrimSpace(out.String()))
	}
	return out.String(), nil
}

// complaintLine matches an error in a line of the generated file, or in a template that such a line
// instantiates.
var complaintLine = regexp.MustCompile(`(?m)^(?:In file included from )?(?:\S*/)?` + regexp.QuoteMeta(generated) +
	`:(\d+):(?:\d+:)?\s+(?:fatal )?(?:error:|.*required from|.*requested here)`)

var firstError = regexp.MustCompile(`(?m)^.*error:.*$`)

// FailingFunctions returns the generated functions that a compiler's errors are in, in the order of
// the file. It returns [ErrIncompatible] if there are none.
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

// CachedMissingFunctions is [MissingFunctions] with a cache: the result for a module and a libtorch
// is stored in a file in cacheDir, since computing it takes half a minute. compiled reports whether
// it was computed.
func CachedMissingFunctions(
	ctx context.Context, b Build, cacheDir, scratch string,
) (missing []string, compiled bool, err error) {
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

// key returns a digest of the inputs that determine which functions compile: the module, and the
// list of libtorch's functions.
func (b Build) key() (string, error) {
	functions, err := os.ReadFile(filepath.Join(b.Libtorch.Include, "ATen", "Functions.h"))
	if err != nil {
		return "", hint.Wrap(fmt.Errorf("%w: %w", libtorch.ErrUnusable, err),
			"set LIBTORCH to a libtorch with all its headers, or unset it")
	}
	sum := sha256.New()
	for _, part := range [][]byte{[]byte(b.Module.Sum), []byte(b.Libtorch.Version), functions} {
		fmt.Fprintf(sum, "%d\n%s\n", len(part), part)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// writeFile writes a file atomically.
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
