package gguf

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
)

// The keys of a model that is split into several files.
const (
	splitIndexKey   = "split.no"
	splitCountKey   = "split.count"
	splitTensorsKey = "split.tensors.count"
)

// maxParts is above the number of parts of any real model.
const maxParts = 10_000

// splitName is the file name of a part, as llama.cpp's gguf-split writes it.
var splitName = regexp.MustCompile(`^(.*)-(\d{5})-of-(\d{5})\.gguf$`)

// Parts returns the files of the model whose first file is path: path alone, or all parts of a
// model that is split, by the name of its first part. It does not open them.
func Parts(path string) []string {
	prefix, index, count := parseName(path)
	if index != 1 || count < 2 || count > maxParts {
		return []string{path}
	}
	parts := make([]string, count)
	for i := range parts {
		parts[i] = partName(prefix, i+1, count)
	}
	return parts
}

// parseName returns the parts of a part's name; zeros if path is not named like one.
func parseName(path string) (prefix string, index, count int) {
	found := splitName.FindStringSubmatch(path)
	if found == nil {
		return "", 0, 0
	}
	index, _ = strconv.Atoi(found[2]) //nolint:errcheck // five digits
	count, _ = strconv.Atoi(found[3]) //nolint:errcheck // five digits
	return found[1], index, count
}

// partName returns the name of a part; index counts from 1.
func partName(prefix string, index, count int) string {
	return fmt.Sprintf("%s-%05d-of-%05d.gguf", prefix, index, count)
}

// addParts opens the other parts of a split model, if f is the first one, and adds their tensors.
func (f *File) addParts() error {
	count := f.IntOr(splitCountKey, 1)
	if count < 2 {
		return nil
	}
	prefix, index, named := parseName(f.name)
	switch at := f.IntOr(splitIndexKey, 0); {
	case at != 0 && index > 1:
		return f.errorf("it is part %d of a split model; name the first part, %q",
			at+1, filepath.Base(partName(prefix, 1, named)))
	case at != 0:
		return f.errorf("it is part %d of %d of a split model; name the first part", at+1, count)
	case index != 1 || named != count:
		return f.errorf("it is the first of %d parts, which are found by their names: "+
			"want a name that ends in -%05d-of-%05d.gguf", count, 1, count)
	}
	for i, path := range Parts(f.name)[1:] {
		if err := f.addPart(path, i+1, count); err != nil {
			return err
		}
	}
	if want := f.IntOr(splitTensorsKey, len(f.Tensors)); want != len(f.Tensors) {
		return f.errorf("its %d parts have %d tensors, the header says %d", count, len(f.Tensors), want)
	}
	return nil
}

// addPart opens a part, whose index counts from 0, and adds its tensors.
func (f *File) addPart(path string, index, count int) error {
	part, err := openOne(path)
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("part %d of %d of model %q: %w", index+1, count, f.name, err)
	}
	if err != nil {
		return err
	}
	f.closers = append(f.closers, part.closers...)
	if part.IntOr(splitIndexKey, 0) != index || part.IntOr(splitCountKey, 1) != count {
		return part.errorf("it is not part %d of %d of model %q", index+1, count, f.name)
	}
	for _, t := range part.Tensors {
		if _, twice := f.index[t.Name]; twice {
			return part.errorf("tensor %q is in an earlier part too", t.Name)
		}
		f.index[t.Name] = len(f.Tensors)
		f.Tensors = append(f.Tensors, t)
	}
	return nil
}
