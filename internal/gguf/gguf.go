// Package gguf reads GGUF files, llama.cpp's single-file format for the settings, the tokenizer and
// the weights of a language model. Its input is a file. Its output is metadata by key, and tensors
// as float32, one at a time, so that a model is never in memory twice. The steps: parse the header
// within strict bounds (parse.go), add the other parts of a split model (split.go), look up values
// by key (meta.go), and dequantize blocks (dequant.go). It is pure Go and depends neither on
// libtorch nor on tokenizers.
package gguf

import (
	"errors"
	"fmt"
	"io"

	"rdrec/internal/untrusted"
)

// ErrFormat marks a file that is not a GGUF file, is truncated or is inconsistent. Every error from
// reading a header wraps it.
var ErrFormat = errors.New("not a usable gguf file")

// File is an open GGUF file.
type File struct {
	// Version is the format's version, 2 or 3.
	Version uint32
	// Tensors are the weights in the file's order.
	Tensors []Tensor

	name    string
	reader  io.ReaderAt
	closers []io.Closer
	meta    map[string]any
	index   map[string]int
}

// Tensor is the description of a weight: its name, shape and type.
type Tensor struct {
	Name string
	// Shape is row-major: the last dimension varies fastest in the file.
	Shape []int
	Type  Type

	reader io.ReaderAt // the part that has it
	offset int64       // from the start of the data; after parsing, from the start of the file
	bytes  int64
}

// Len returns the number of values.
func (t Tensor) Len() int {
	n := 1
	for _, dim := range t.Shape {
		n *= dim
	}
	return n
}

// Open opens the file at path and reads its header; of a model that is split into several files,
// path is the first one, and Open opens all of them. The caller must close the file.
func Open(path string) (*File, error) {
	file, err := openOne(path)
	if err != nil {
		return nil, err
	}
	if err := file.addParts(); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// openOne opens the file at path without other parts.
func openOne(path string) (*File, error) {
	file, err := untrusted.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open the model: %w", err)
	}
	info, err := file.Stat()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the model: %w", err), file.Close())
	}
	parsed, err := Parse(file, info.Size(), path)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	parsed.closers = []io.Closer{file}
	return parsed, nil
}

// Close closes the files that Open opened.
func (f *File) Close() error {
	errs := make([]error, 0, len(f.closers))
	for _, closer := range f.closers {
		errs = append(errs, closer.Close())
	}
	return errors.Join(errs...)
}

// Tensor returns the tensor with a name, if there is one.
func (f *File) Tensor(name string) (Tensor, bool) {
	i, ok := f.index[name]
	if !ok {
		return Tensor{}, false
	}
	return f.Tensors[i], true
}

// Floats reads and dequantizes a tensor. The result is row-major in the tensor's shape.
func (f *File) Floats(name string) ([]float32, error) {
	tensor, ok := f.Tensor(name)
	if !ok {
		return nil, f.errorf("no tensor %q", name)
	}
	out := make([]float32, tensor.Len())
	return out, f.Read(name, out)
}

// Read dequantizes a tensor into out, which must have its length. It allocates little memory.
func (f *File) Read(name string, out []float32) error {
	tensor, ok := f.Tensor(name)
	if !ok {
		return f.errorf("no tensor %q", name)
	}
	if len(out) != tensor.Len() {
		return fmt.Errorf("read tensor %q of model %q: %d values do not fit a buffer of %d",
			name, f.name, tensor.Len(), len(out))
	}
	layout, _ := tensor.Type.layout()
	raw := make([]byte, min(tensor.bytes, int64(1<<20/layout.bytes*layout.bytes)))
	for at := int64(0); at < tensor.bytes; at += int64(len(raw)) {
		raw = raw[:min(int64(len(raw)), tensor.bytes-at)]
		if _, err := tensor.reader.ReadAt(raw, tensor.offset+at); err != nil {
			return fmt.Errorf("read tensor %q of model %q: %w", name, f.name, err)
		}
		n := len(raw) / layout.bytes * layout.values
		layout.dequantize(out[:n], raw)
		out = out[n:]
	}
	return nil
}

// errorf returns an error about this file.
func (f *File) errorf(format string, args ...any) error {
	return fmt.Errorf("model %q: %s: %w", f.name, fmt.Sprintf(format, args...), ErrFormat)
}
