package libtorch

import (
	"debug/elf"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Need is a library that some file asks for and that is nowhere.
type Need struct {
	// Name is what is asked for, such as "libcupti.so.13".
	Name string
	// By is the path of the file that asks.
	By string
}

// Missing are the libraries that the libtorch needs on a bare processor and that are nowhere,
// sorted.
func (l Libtorch) Missing() ([]Need, error) {
	return Missing(filepath.Join(l.Lib, CPU), l.Beside...)
}

// Missing follows what a library needs, and what those need, the way the loader does (DT_RPATH or
// DT_RUNPATH, then the further folders, then the system's), and returns what is nowhere, sorted by
// name.
func Missing(file string, further ...string) ([]Need, error) {
	w := dependencyWalk{further: append(slices.Clone(further), systemFolders()...), seen: map[string]bool{}}
	if err := w.visit(file); err != nil {
		return nil, fmt.Errorf("look for what %q needs: %w", file, err)
	}
	slices.SortFunc(w.missing, func(a, b Need) int { return strings.Compare(a.Name, b.Name) })
	return w.missing, nil
}

// Found are the paths of all libraries that file needs and that are somewhere, itself included, in
// the order they were met.
func Found(file string, further ...string) ([]string, error) {
	w := dependencyWalk{further: append(slices.Clone(further), systemFolders()...), seen: map[string]bool{}}
	if err := w.visit(file); err != nil {
		return nil, fmt.Errorf("look for what %q needs: %w", file, err)
	}
	return w.found, nil
}

type dependencyWalk struct {
	further []string
	seen    map[string]bool // by the name asked for
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

// dynamic reads which libraries a file needs and in which folders it has them looked for.
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

// systemFolders are LD_LIBRARY_PATH's and those where Linux distributions keep libraries.
func systemFolders() []string {
	folders := filepath.SplitList(os.Getenv("LD_LIBRARY_PATH"))
	for _, pattern := range []string{"/lib/*-linux-gnu", "/usr/lib/*-linux-gnu", "/lib64", "/usr/lib64", "/lib", "/usr/lib", "/usr/local/lib", "/usr/local/cuda*/lib64"} {
		if found, err := filepath.Glob(pattern); err == nil {
			folders = append(folders, found...)
		}
	}
	return folders
}
