package pickle

import (
	"archive/zip"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"

	"rdrec/internal/untrusted"
)

// File is an open PyTorch file: a state dict or a pickled module.
type File struct {
	// Tensors are the tensors by their names in PyTorch's state_dict, each within its storage.
	Tensors map[string]*Tensor
	file    *os.File
	root    any
}

// Open opens a PyTorch file. It reads only the pickle, so that a model of many gigabytes need not
// fit into memory twice.
func Open(path string) (*File, error) {
	file, err := untrusted.Open(path)
	if err != nil {
		return nil, fmt.Errorf("pytorch file: %w", err)
	}
	root, tensors, err := load(file)
	if err != nil {
		return nil, fmt.Errorf("pytorch file %q: %w", path, errors.Join(err, file.Close()))
	}
	return &File{Tensors: tensors, file: file, root: root}, nil
}

func load(file *os.File) (root any, tensors map[string]*Tensor, err error) {
	info, err := file.Stat()
	if err != nil {
		return nil, nil, err
	}
	var length int
	if records, zipErr := zip.NewReader(file, info.Size()); zipErr == nil {
		root, length, err = newArchive(records, info.Size()).load()
	} else if root, length, err = loadLegacy(file, info.Size()); errors.Is(err, errNeither) {
		err = fmt.Errorf("%w: %w", err, zipErr)
	}
	if err != nil {
		return nil, nil, err
	}
	c := &collector{tensors: map[string]*Tensor{}, budget: maxVisits * length}
	if err := c.collect("", root, 0); err != nil {
		return nil, nil, err
	}
	if len(c.tensors) == 0 {
		return nil, nil, errors.New("file has no tensors")
	}
	for _, name := range slices.Sorted(maps.Keys(c.tensors)) {
		if _, _, err := c.tensors[name].Span(); err != nil {
			return nil, nil, fmt.Errorf("tensor %q: %w", name, err)
		}
	}
	return root, c.tensors, nil
}

// Attribute returns the value (string, int, float64 or bool) of a nested attribute of a module,
// such as "config", "d_model"; nil if there is none.
func (f *File) Attribute(path ...string) any {
	value := f.root
	for _, name := range path {
		o, ok := value.(*object)
		if !ok {
			return nil
		}
		value = o.attribute(name)
	}
	switch v := value.(type) {
	case int64:
		return int(v)
	case string, float64, bool:
		return value
	default:
		return nil
	}
}

// Close closes the file.
func (f *File) Close() error { return f.file.Close() }
