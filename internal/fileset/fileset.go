// Package fileset finds the files that a path of a spec names: one file, a folder or a pattern.
// Files without rows by convention (markers, checksums, hidden and empty files) are passed
// over and returned by name.
package fileset

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Find returns the files of a path, sorted by name, and those that it passed over, each with its
// reason. The name of a file is that file, whatever characters it contains; a folder is its files,
// those of its subfolders included; everything else is a pattern. A path without a file gives an
// error that is [fs.ErrNotExist].
func Find(path string) (files, passedOver []string, err error) {
	info, err := os.Stat(path)
	var found []string
	switch {
	case err == nil && !info.IsDir():
		return []string{path}, nil, nil
	case err == nil:
		found, err = inFolder(path)
	default:
		found, err = filepath.Glob(path)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("path %q: %w", path, err)
	}
	for _, name := range found {
		info, err := os.Stat(name)
		if err != nil || info.IsDir() {
			continue
		}
		if reason := PassOver(filepath.Base(name), info.Size()); reason != "" {
			passedOver = append(passedOver, fmt.Sprintf("%s (%s)", filepath.Base(name), reason))
			continue
		}
		files = append(files, name)
	}
	if len(files) == 0 {
		return nil, passedOver, &NotFoundError{path, passedOver}
	}
	slices.Sort(files)
	slices.Sort(passedOver)
	return files, passedOver, nil
}

// NotFoundError is the error of a path without files that may hold rows. It is [fs.ErrNotExist].
type NotFoundError struct {
	Path       string
	PassedOver []string
}

// maxNamed is the number of files that an error names.
const maxNamed = 3

// Error names the path, and the first files that were passed over.
func (n *NotFoundError) Error() string {
	if len(n.PassedOver) == 0 {
		return fmt.Sprintf("no file matches %q", n.Path)
	}
	return fmt.Sprintf("no file matches %q, besides %s", n.Path,
		strings.Join(n.PassedOver[:min(len(n.PassedOver), maxNamed)], ", "))
}

// Is reports whether target is [fs.ErrNotExist].
func (n *NotFoundError) Is(target error) bool { return target == fs.ErrNotExist }

// inFolder returns the files below a folder, without those of hidden folders.
func inFolder(folder string) (names []string, err error) {
	err = filepath.WalkDir(folder, func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case !entry.IsDir():
			names = append(names, name)
		case name != folder && Hidden(entry.Name()):
			return fs.SkipDir
		}
		return nil
	})
	return names, err
}

// PassOver returns why a file of a folder or pattern has no rows, by its name and size; "" if it
// may have some.
func PassOver(name string, size int64) string {
	switch {
	case strings.HasSuffix(name, ".crc"), strings.HasSuffix(name, ".md5"), strings.HasSuffix(name, ".sha256"):
		return "a checksum"
	case strings.HasPrefix(name, "_"):
		return "a marker"
	case Hidden(name):
		return "hidden"
	case size == 0:
		return "empty"
	default:
		return ""
	}
}

// Hidden reports whether a name is hidden, to people (.name) or to Hadoop and Spark (_name).
func Hidden(name string) bool { return strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") }
