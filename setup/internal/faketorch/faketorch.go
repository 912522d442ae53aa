// Package faketorch builds small fakes of libtorch for tests of set-up. Its input is a version and
// an ABI. Its output is a folder with libraries and headers of the same names and with the symbols
// that set-up reads, built with the machine's C++ compiler in a second. Only tests import it.
package faketorch

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Options configure a fake.
type Options struct {
	Version string // "2.11.0"; its parts go into version.h
	ABI     int    // 0 for the old strings, 1 for the new
	// Needs is a missing library that libtorch_cpu.so requires, such as "libcupti.so.13"; "" means
	// none.
	Needs string
	// Split puts the version into the header that libtorch 2.11 uses.
	Split bool
}

// constructors are the names of c10::Error(SourceLocation, std::string) in libraries of both ABIs.
var constructors = [...]string{
	0: "_ZN3c105ErrorC2ENS_14SourceLocationESs",
	1: "_ZN3c105ErrorC2ENS_14SourceLocationENSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE",
}

// Make builds a fake in a temporary folder and returns the folder, which contains lib and include.
// Without a C++ compiler it skips the test.
func Make(tb testing.TB, o Options) string {
	tb.Helper()
	root := filepath.Join(tb.TempDir(), "torch")
	core := fmt.Sprintf("void make() __asm__(%q); void make() {}", constructors[o.ABI])
	write(tb, filepath.Join(root, "core.cpp"), core)
	write(tb, filepath.Join(root, "cpu.cpp"), "extern int need(); int torch_cpu() { return NEED; }")
	write(tb, filepath.Join(root, "need.cpp"), "int need() { return 1; }")
	var major, minor, patch int
	if _, err := fmt.Sscanf(o.Version, "%d.%d.%d", &major, &minor, &patch); err != nil {
		tb.Fatal(err)
	}
	header := fmt.Sprintf("#define TORCH_VERSION_MAJOR %d\n#define TORCH_VERSION_MINOR %d\n"+
		"#define TORCH_VERSION_PATCH %d\n", major, minor, patch)
	api := filepath.Join(root, "include", "torch", "csrc", "api", "include", "torch", "version.h")
	if o.Split {
		write(tb, api, "#include <torch/headeronly/version.h>\n")
		api = filepath.Join(root, "include", "torch", "headeronly", "version.h")
	}
	write(tb, api, header)
	write(tb, filepath.Join(root, "include", "ATen", "Functions.h"), "namespace torch { int add(int a, int b); }\n")
	lib := filepath.Join(root, "lib")
	compile(tb, root, "core.cpp", "-o", filepath.Join(lib, "libc10.so"))
	if o.Needs == "" {
		compile(tb, root, "-DNEED=1", "cpu.cpp", "-o", filepath.Join(lib, "libtorch_cpu.so"))
		return root
	}
	needed := filepath.Join(root, "elsewhere", o.Needs)
	write(tb, needed, "")
	compile(tb, root, "need.cpp", "-Wl,-soname,"+o.Needs, "-o", needed)
	compile(tb, root, "-DNEED=need()", "cpu.cpp", needed, "-Wl,--disable-new-dtags", "-Wl,-rpath,$ORIGIN",
		"-o", filepath.Join(lib, "libtorch_cpu.so"))
	return root
}

func write(tb testing.TB, file, content string) {
	tb.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		tb.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		tb.Fatal(err)
	}
}

func compile(tb testing.TB, dir string, args ...string) {
	tb.Helper()
	if _, err := exec.LookPath("c++"); err != nil {
		tb.Skip("no c++ to build a fake libtorch with")
	}
	if err := os.MkdirAll(filepath.Join(dir, "lib"), 0o755); err != nil {
		tb.Fatal(err)
	}
	cmd := exec.CommandContext(tb.Context(), "c++", append([]string{"-shared", "-fPIC", "-w"}, args...)...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		tb.Fatalf("build a fake libtorch: %v: %s", err, out)
	}
}
