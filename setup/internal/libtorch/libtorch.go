// Package libtorch inspects a libtorch without running it. Its input is a folder. Its output is the
// paths of the libraries and headers, the version, the C++ string ABI of the build, and the missing
// dependencies. Only [Libtorch.Try] loads it, in a separate process.
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

// Libtorch is the description of a libtorch.
type Libtorch struct {
	// Root contains Lib and Include; it is an unzipped libtorch or a Python package torch.
	Root, Lib, Include string
	// Version is the version, such as "2.11.0".
	Version string
	// ABI is the value of _GLIBCXX_USE_CXX11_ABI: 0 or 1.
	ABI int
	// Beside are further folders with its dependencies.
	Beside []string
}

// CPU is the library for CPUs, and CUDA the one for NVIDIA's GPUs.
const (
	CPU  = "libtorch_cpu.so"
	CUDA = "libtorch_cuda.so"
	core = "libc10.so"
)

// ErrUnusable marks a folder without a libtorch that this machine can use.
var ErrUnusable = errors.New("unusable libtorch")

// Open inspects a folder: a libtorch, a Python package torch, or a folder that contains one of
// them.
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
	return Libtorch{}, fmt.Errorf("%w: %q contains neither lib/%s nor torch/lib/%s", ErrUnusable, abs, CPU, CPU)
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

// API returns the folder of the headers of torch's C++ API.
func (l Libtorch) API() string { return filepath.Join(l.Include, "torch", "csrc", "api", "include") }

// Folders returns all folders with libraries that the program must find at run time.
func (l Libtorch) Folders() []string { return append([]string{l.Lib}, l.Beside...) }

// versionFiles returns the headers that may define the version: in newer versions, the first only
// includes the second.
func (l Libtorch) versionFiles() []string {
	return []string{
		filepath.Join(l.API(), "torch", "version.h"),
		filepath.Join(l.Include, "torch", "headeronly", "version.h"),
	}
}

var versionPart = regexp.MustCompile(`(?m)^#define TORCH_VERSION_(?:MAJOR|MINOR|PATCH) +(\d+)`)

// version returns the version of the first file that has all three parts, in order.
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
	return "", fmt.Errorf("read the version: none of %q has it", files)
}

// abi returns the string ABI of the names that libc10.so exports. The constructors of c10::Error
// take strings. GCC 5's new strings are in the namespace __cxx11; the old ones have the short name
// Ss.
func abi(file string) (int, error) {
	f, err := elf.Open(file)
	if err != nil {
		return 0, fmt.Errorf("read the string ABI: %w", err)
	}
	defer f.Close()
	symbols, err := f.DynamicSymbols()
	if err != nil {
		return 0, fmt.Errorf("read the string ABI: %q: %w", file, err)
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
	return 0, fmt.Errorf("read the string ABI: %q exports no constructor of c10::Error that takes a string", file)
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

// Python returns the folder of the package torch of the Python on the PATH, or "" if it has none.
func Python(ctx context.Context) string {
	const program = `import importlib.util as u
s = u.find_spec("torch")
print(next(iter(s.submodule_search_locations), "") if s else "")`
	for _, python := range []string{"python3", "python"} {
		out, err := exec.CommandContext(ctx, python, "-c", program).Output()
		if err == nil {
			return strings.TrimSpace(string(out))
		}
	}
	return ""
}

// Try links an empty program with the libtorch in the folder scratch and runs it, so that the
// loader must find and accept every library.
func (l Libtorch) Try(ctx context.Context, compiler []string, scratch string) error {
	source := filepath.Join(scratch, "try.cpp")
	if err := os.WriteFile(source, []byte("int main() { return 0; }\n"), 0o600); err != nil {
		return fmt.Errorf("try libtorch: %w", err)
	}
	program := filepath.Join(scratch, "try")
	args := append(append([]string{}, compiler[1:]...),
		source, "-o", program, "-Wl,--no-as-needed", "-Wl,--disable-new-dtags")
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

const libtorchHint = "set LIBTORCH to another libtorch (2.1.0 to 2.11.0 are tested), or unset it to fetch 2.11.0"

func run(ctx context.Context, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return errors.Join(ctx.Err(), fmt.Errorf("%w: %s", err, strings.TrimSpace(out.String())))
	}
	return nil
}
