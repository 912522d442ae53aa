package gotch

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"rdrec/setup/internal/libtorch"
)

const (
	generated = "torch_api_generated.cpp.h"
	shim      = "torch_api.cpp"
)

// patch changes three parts of a copy of gotch: the build flags, the functions that this libtorch
// lacks, and the filler.
func patch(dir string, l libtorch.Libtorch, missing []string) error {
	flags := filepath.Join(dir, "libtch", "lib.go")
	if _, err := os.Stat(flags); err != nil {
		return fmt.Errorf("patch gotch: its layout is not that of %s: %w", Version, err)
	}
	if err := os.WriteFile(flags, []byte(cgo(l)), 0o644); err != nil {
		return fmt.Errorf("patch gotch: %w", err)
	}
	err := edit(filepath.Join(dir, "libtch", generated), func(content []byte) ([]byte, error) {
		return blank(content, missing, l.Version)
	})
	if err != nil {
		return fmt.Errorf("patch gotch: %w", err)
	}
	if err := edit(filepath.Join(dir, "ts", "tensor.go"), dropFiller); err != nil {
		return fmt.Errorf("patch gotch: %w", err)
	}
	return nil
}

func edit(file string, change func([]byte) ([]byte, error)) error {
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	changed, err := change(content)
	if err != nil {
		return fmt.Errorf("%q: %w", file, err)
	}
	return os.WriteFile(file, changed, 0o644)
}

// cgo returns the file with the build flags of the shim: fast compilation (-O1 without -g), this
// libtorch's headers and ABI, and the libraries for CPUs; a GPU's libraries are loaded at run time.
// The run path is DT_RPATH, because the loader applies it to libtorch's own dependencies too.
func cgo(l libtorch.Libtorch) string {
	libs := make([]string, 0, 2*len(l.Folders()))
	for _, dir := range l.Folders() {
		libs = append(libs, quote("-L"+dir), quote("-Wl,-rpath,"+dir))
	}
	return strings.Join([]string{
		"// Package libtch is written by setup/ for libtorch " + l.Version + "; make setup writes it anew.",
		"package libtch",
		"",
		"// #cgo CFLAGS: -I${SRCDIR} -O1 -g0 -w",
		"// #cgo CXXFLAGS: -I${SRCDIR} -O1 -g0 " + strings.Join(headers(l), " "),
		"// #cgo LDFLAGS: " + strings.Join(libs, " ") + " -Wl,--disable-new-dtags -ltorch_cpu -lc10 -lstdc++ -ldl",
		`import "C"`,
		"",
	}, "\n")
}

// headers returns the compiler's arguments for code that includes torch's headers, quoted for a
// #cgo line.
func headers(l libtorch.Libtorch) []string {
	return []string{
		"-std=c++17", "-w", fmt.Sprintf("-D_GLIBCXX_USE_CXX11_ABI=%d", l.ABI),
		quote("-I" + l.Include), quote("-I" + l.API()),
	}
}

// quote quotes an argument with blanks, since the Go command splits #cgo lines at blanks.
func quote(arg string) string {
	if strings.ContainsAny(arg, " \t") {
		return `"` + arg + `"`
	}
	return arg
}

// functionStart matches the first line of a generated function. Functions return void or a pointer
// to tensors.
var functionStart = regexp.MustCompile(`^\S[^(]*[ *](atg_\w+)\(.*\{\s*$`)

// blank replaces the protected bodies of the named functions with a throw, which the Go side
// converts to an error. All other bytes are unchanged. A missing name is an error, because the list
// would be that of another module.
func blank(content []byte, names []string, version string) ([]byte, error) {
	var out bytes.Buffer
	left := slices.Clone(names)
	current := ""   // the function to blank that the line is in
	inside := false // within its PROTECT( ... )
	for line := range bytes.Lines(content) {
		text := strings.TrimSpace(string(line))
		if found := functionStart.FindSubmatch(bytes.TrimRight(line, "\r\n")); found != nil {
			current, inside = "", false
			if i := slices.Index(left, string(found[1])); i >= 0 {
				current = left[i]
				left = slices.Delete(left, i, i+1)
			}
		}
		switch {
		case current != "" && text == "PROTECT(":
			inside = true
			fmt.Fprintf(&out, "%s    throw std::runtime_error(\"libtorch %s has no %s as gotch %s knows it\");\n",
				line, version, current, Version)
			continue
		case inside && text == ")":
			current, inside = "", false
		}
		if !inside {
			out.Write(line)
		}
	}
	if len(left) > 0 || inside {
		return nil, fmt.Errorf("remove functions missing in libtorch %s: no generated functions %q", version, left)
	}
	return out.Bytes(), nil
}

// filler is the padding that gotch adds to every tensor so that Go's garbage collector notices it:
// 100 KB, which take 30 us. Package torch frees tensors by scope and does not need it.
var filler = []byte("lots [1e5]byte")

func dropFiller(content []byte) ([]byte, error) {
	if bytes.Count(content, filler) != 1 {
		return nil, fmt.Errorf("want %q once", filler)
	}
	return bytes.Replace(content, filler, []byte("lots [1]byte"), 1), nil
}
