package libtorch

import (
	"debug/elf"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Need is a missing library that a file requires.
type Need struct {
	// Name is the library's name, such as "libcupti.so.13".
	Name string
	// By is the path of the file that requires it.
	By string
}

// Missing returns the missing libraries that libtorch requires on a CPU, sorted by name.
func (l Libtorch) Missing() ([]Need, error) {
	return Missing(filepath.Join(l.Lib, CPU), l.Beside...)
}

// Missing follows the dependencies of a library as the loader does (DT_RPATH or DT_RUNPATH, then
// the further folders, then the system's), and returns the missing ones, sorted by name.
func Missing(file string, further ...string) ([]Need, error) {
	w := dependencyWalk{further: append(slices.Clone(further), systemFolders()...), seen: map[string]bool{}}
	if err := w.visit(file); err != nil {
		return nil, fmt.Errorf("find the dependencies of %q: %w", file, err)
	}
	slices.SortFunc(w.missing, func(a, b Need) int { return strings.Compare(a.Name, b.Name) })
	return w.missing, nil
}

// Found returns the paths of all present dependencies of file, itself included, in the order of the
// walk.
func Found(file string, further ...string) ([]string, error) {
	w := dependencyWalk{further: append(slices.Clone(further), systemFolders()...), seen: map[string]bool{}}
	if err := w.visit(file); err != nil {
		return nil, fmt.Errorf("find the dependencies of %q: %w", file, err)
	}
	return w.found, nil
}

type dependencyWalk struct {
	further []string
	seen    map[string]bool // by the required name
	found   []string
	missing []Need
}

func (w *dependencyWalk) visit(file string) error {
	w.seen[filepath.Base(file)] = true
	w.found = append(w.found, file)
	needed, folders, err := dynamic(file)
	if err != nil {
		return err
	}
	for _, name := range needed {
		if w.seen[name] {
			continue
		}
		w.seen[name] = true
		path := find(name, append(folders, w.further...))
		if path == "" {
			w.missing = append(w.missing, Need{Name: name, By: file})
			continue
		}
		if err := w.visit(path); err != nil {
			return err
		}
	}
	return nil
}

// dynamic returns the libraries that a file requires and its run path folders.
func dynamic(file string) (needed, folders []string, err error) {
	f, err := elf.Open(file)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	if needed, err = f.ImportedLibraries(); err != nil {
		return nil, nil, fmt.Errorf("%q: %w", file, err)
	}
	for _, tag := range []elf.DynTag{elf.DT_RPATH, elf.DT_RUNPATH} {
		paths, err := f.DynString(tag)
		if err != nil {
			return nil, nil, fmt.Errorf("%q: %w", file, err)
		}
		for _, path := range paths {
			for folder := range strings.SplitSeq(path, ":") {
				folder = strings.ReplaceAll(folder, "${ORIGIN}", "$ORIGIN")
				folders = append(folders, strings.ReplaceAll(folder, "$ORIGIN", filepath.Dir(file)))
			}
		}
	}
	return needed, folders, nil
}

func find(name string, folders []string) string {
	for _, folder := range folders {
		path := filepath.Join(folder, name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path
		}
	}
	return ""
}

// systemFolders returns the folders of LD_LIBRARY_PATH and those where Linux distributions install
// libraries.
func systemFolders() []string {
	folders := filepath.SplitList(os.Getenv("LD_LIBRARY_PATH"))
	for _, pattern := range []string{
		"/lib/*-linux-gnu", "/usr/lib/*-linux-gnu", "/lib64", "/usr/lib64", "/lib", "/usr/lib",
		"/usr/local/lib", "/usr/local/cuda*/lib64",
	} {
		if found, err := filepath.Glob(pattern); err == nil {
			folders = append(folders, found...)
		}
	}
	return folders
}
