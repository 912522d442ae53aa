// Package libtorch looks at a libtorch without running it. In: a folder; out: where its libraries
// and headers lie, its version, the C++ string ABI it was built with, and which libraries it needs
// that are nowhere. Only [Libtorch.Try] loads it, in a process of its own.
package libtorch

import (
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"

	"rdrec/setup/internal/hint"
)

// Libtorch is a usable-looking libtorch.
type Libtorch struct {
	// Root holds Lib and Include; it is an unzipped libtorch or a Python package torch.
	Root, Lib, Include string
	// Version is its own, as in "2.11.0".
	Version string
	// ABI is what _GLIBCXX_USE_CXX11_ABI must be: 0 or 1.
	ABI int
	// Beside are further folders with libraries that it needs.
	Beside []string
}

// CPU is the file that everything of torch's on the processor is in, and CUDA the one for NVIDIA's
// GPUs.
const (
	CPU  = "libtorch_cpu.so"
	CUDA = "libtorch_cuda.so"
	core = "libc10.so"
)

// ErrUnusable says that a folder holds no libtorch that this machine can use.
var ErrUnusable = errors.New("unusable libtorch")

// Open reads what a folder says about itself. The folder is a libtorch, a Python package torch, or
// a folder that holds either.
func Open(dir string) (Libtorch, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return Libtorch{}, fmt.Errorf("%w: %q: %w", ErrUnusable, dir, err)
	}
	for _, root := range []string{abs, filepath.Join(abs, "torch"), filepath.Join(abs, "libtorch")} {
		if _, err := os.Stat(filepath.Join(root, "lib", CPU)); err == nil {
			return open(root)
		}
	}
	return Libtorch{}, fmt.Errorf("%w: %q holds neither lib/%s nor torch/lib/%s", ErrUnusable, abs, CPU, CPU)
}

func open(root string) (Libtorch, error) {
	l := Libtorch{Root: root, Lib: filepath.Join(root, "lib"), Include: filepath.Join(root, "include")}
	var err error
	if l.Version, err = version(l.versionFiles()); err != nil {
		return Libtorch{}, fmt.Errorf("%w: %q: %w", ErrUnusable, root, err)
	}
	if l.ABI, err = abi(filepath.Join(l.Lib, core)); err != nil {
		return Libtorch{}, fmt.Errorf("%w: %q: %w", ErrUnusable, root, err)
	}
	if err := sameMachine(filepath.Join(l.Lib, CPU)); err != nil {
		return Libtorch{}, fmt.Errorf("%w: %q: %w", ErrUnusable, root, err)
	}
	return l, nil
}

// API is the folder of the headers of torch's C++ interface.
func (l Libtorch) API() string { return filepath.Join(l.Include, "torch", "csrc", "api", "include") }

// Folders are all folders with libraries that the program must find at run time.
func (l Libtorch) Folders() []string { return append([]string{l.Lib}, l.Beside...) }

// versionFiles say the version: in newer libtorches the first only includes the second.
func (l Libtorch) versionFiles() []string {
	return []string{filepath.Join(l.API(), "torch", "version.h"), filepath.Join(l.Include, "torch", "headeronly", "version.h")}
}

var versionPart = regexp.MustCompile(`(?m)^#define TORCH_VERSION_(?:MAJOR|MINOR|PATCH) +(\d+)`)

// version reads the version from the first file that has all three parts of it, in their order.
func version(files []string) (string, error) {
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			continue // the error below names all files
		}
		found := versionPart.FindAllSubmatch(content, -1)
		parts := make([]string, 0, len(found))
		for _, part := range found {
			parts = append(parts, string(part[1]))
		}
		if len(parts) == 3 {
			return strings.Join(parts, "."), nil
		}
	}
	return "", fmt.Errorf("read its version: none of %q has it", files)
}

// abi looks at the names that libc10.so exports: the constructors of c10::Error take strings, and
// the new strings of GCC 5 live in the namespace __cxx11, while the old ones have the short name
// Ss.
func abi(file string) (int, error) {
	f, err := elf.Open(file)
	if err != nil {
		return 0, fmt.Errorf("read its string ABI: %w", err)
	}
	defer f.Close()
	symbols, err := f.DynamicSymbols()
	if err != nil {
		return 0, fmt.Errorf("read its string ABI: %q: %w", file, err)
	}
	for _, symbol := range symbols {
		name, ok := strings.CutPrefix(symbol.Name, "_ZN3c105ErrorC")
		switch {
		case !ok:
		case strings.Contains(name, "7__cxx11"):
			return 1, nil
		case strings.Contains(name, "Ss"):
			return 0, nil
		}
	}
	return 0, fmt.Errorf("read its string ABI: %q exports no c10::Error made from a string", file)
}

var machines = map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}

func sameMachine(file string) error {
	f, err := elf.Open(file)
	if err != nil {
		return fmt.Errorf("%q: %w", file, err)
	}
	defer f.Close()
	if want, ok := machines[runtime.GOARCH]; !ok || f.Machine != want {
		return fmt.Errorf("%q is for %s, this machine is %s", file, f.Machine, runtime.GOARCH)
	}
	return nil
}

// Python is the folder of the package torch of the Python on the PATH, or "" when it has none.
func Python(ctx context.Context) string {
	const ask = `import importlib.util as u
s = u.find_spec("torch")
print(next(iter(s.submodule_search_locations), "") if s else "")`
	for _, python := range []string{"python3", "python"} {
		out, err := exec.CommandContext(ctx, python, "-c", ask).Output()
		if err == nil {
			return strings.TrimSpace(string(out))
		}
	}
	return ""
}

// Try links a program that does nothing with the libtorch and runs it: the loader then has to find
// and accept every library. The scratch folder gets the program.
func (l Libtorch) Try(ctx context.Context, compiler []string, scratch string) error {
	source := filepath.Join(scratch, "try.cpp")
	if err := os.WriteFile(source, []byte("int main() { return 0; }\n"), 0o600); err != nil {
		return fmt.Errorf("try libtorch: %w", err)
	}
	program := filepath.Join(scratch, "try")
	args := append(append([]string{}, compiler[1:]...), source, "-o", program, "-Wl,--no-as-needed", "-Wl,--disable-new-dtags")
	for _, dir := range l.Folders() {
		args = append(args, "-L"+dir, "-Wl,-rpath,"+dir)
	}
	args = append(args, "-ltorch_cpu", "-lc10")
	if err := run(ctx, compiler[0], args...); err != nil {
		return hint.Wrap(fmt.Errorf("%w: %q does not link: %w", ErrUnusable, l.Root, err), libtorchHint)
	}
	if err := run(ctx, program); err != nil {
		return hint.Wrap(fmt.Errorf("%w: %q does not load: %w", ErrUnusable, l.Root, err), libtorchHint)
	}
	return nil
}

const libtorchHint = "point LIBTORCH to another libtorch (2.1.0 to 2.11.0 were tried), or unset it to have 2.11.0 fetched"

func run(ctx context.Context, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return errors.Join(ctx.Err(), fmt.Errorf("%w: %s", err, strings.TrimSpace(out.String())))
	}
	return nil
}
