package torch

import (
	"fmt"

	"rdrec/internal/pickle"
)

// Pickle is a PyTorch file, read without executing its code: a state dict or a pickled module.
type Pickle struct {
	*pickle.File

	path string
}

// OpenPickle opens a PyTorch file, zipped or legacy.
func OpenPickle(path string) (Weights, error) {
	p, err := ReadPickle(path)
	if err != nil {
		return nil, err
	}
	return p, nil
}

// ReadPickle is [OpenPickle] with access to a module's attributes.
func ReadPickle(path string) (*Pickle, error) {
	file, err := pickle.Open(path)
	if err != nil {
		return nil, err
	}
	return &Pickle{File: file, path: path}, nil
}

// storageTypes returns the element types of the storage classes that this package supports.
func storageTypes() map[string]DType {
	return map[string]DType{
		"FloatStorage": Float32, "HalfStorage": Float16, "BFloat16Storage": BFloat16, "DoubleStorage": Float64,
		"LongStorage": Int64, "IntStorage": Int32, "CharStorage": Int8, "ByteStorage": Uint8, "BoolStorage": Bool,
	}
}

// Shapes returns the shapes of the tensors by their names.
func (p *Pickle) Shapes() map[string][]int64 {
	all := make(map[string][]int64, len(p.Tensors))
	for name, t := range p.Tensors {
		all[name] = t.Size
	}
	return all
}

// Read copies a tensor to the CPU. It reads only the part of the storage that the tensor spans.
func (p *Pickle) Read(s *Scope, name string) (*Tensor, error) {
	t, ok := p.Tensors[name]
	if !ok {
		return nil, fmt.Errorf("pytorch file %q: no tensor %q", p.path, name)
	}
	tensor, err := readStrided(s, t)
	if err != nil {
		return nil, fmt.Errorf("pytorch file %q: tensor %q: %w", p.path, name, err)
	}
	return tensor, nil
}

// readStrided reads the part of the storage that a tensor spans.
func readStrided(s *Scope, t *pickle.Tensor) (*Tensor, error) {
	dtype, ok := storageTypes()[t.Storage.Class]
	if !ok {
		return nil, fmt.Errorf("storage class %s is not supported", t.Storage.Class)
	}
	first, end, err := t.Span()
	if err != nil {
		return nil, err
	}
	if first == end {
		return s.Zeros(dtype, CPU, t.Size...), nil
	}
	data, err := t.Storage.Read(first, end)
	if err != nil {
		return nil, err
	}
	return s.FromBytes(data, dtype, end-first).Strided(t.Size, t.Stride, 0).Contiguous(), nil
}
