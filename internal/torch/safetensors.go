package torch

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"rdrec/internal/safetensors"
	"rdrec/internal/untrusted"
)

// safetensorsFile is an open safetensors file.
type safetensorsFile struct {
	file    *os.File
	data    int64 // the offset of the tensors' bytes
	entries map[string]safetensors.Entry
}

// OpenSafetensors opens a safetensors file. It checks that the header covers exactly the bytes of
// the file.
func OpenSafetensors(path string) (Weights, error) {
	file, err := untrusted.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, firstError(err, file.Close())
	}
	entries, data, err := safetensors.ReadHeader(file, info.Size())
	if err != nil {
		return nil, fmt.Errorf("safetensors file %q: %w", path, errors.Join(err, file.Close()))
	}
	return &safetensorsFile{file: file, data: data, entries: entries}, nil
}

// safetensorsTypes returns the element types by their names in a header.
func safetensorsTypes() map[string]DType {
	return map[string]DType{
		"U8": Uint8, "I8": Int8, "I32": Int32, "I64": Int64, "BOOL": Bool,
		"F16": Float16, "BF16": BFloat16, "F32": Float32, "F64": Float64,
	}
}

// Shapes returns the shapes of the tensors by their names.
func (f *safetensorsFile) Shapes() map[string][]int64 {
	all := make(map[string][]int64, len(f.entries))
	for name, entry := range f.entries {
		all[name] = entry.Shape
	}
	return all
}

// Read copies a tensor to the CPU.
func (f *safetensorsFile) Read(s *Scope, name string) (*Tensor, error) {
	entry, ok := f.entries[name]
	if !ok {
		return nil, fmt.Errorf("safetensors file %q: no tensor %q", f.file.Name(), name)
	}
	data := make([]byte, entry.End-entry.Start)
	if _, err := f.file.ReadAt(data, f.data+entry.Start); err != nil {
		return nil, fmt.Errorf("safetensors file %q: tensor %q: %w", f.file.Name(), name, err)
	}
	return s.FromBytes(data, safetensorsTypes()[entry.DType], entry.Shape...), nil
}

// Close closes the file.
func (f *safetensorsFile) Close() error { return f.file.Close() }

// Named is a tensor and its name in a file.
type Named struct {
	Name   string
	Tensor *Tensor
}

// WriteSafetensors writes tensors to a file, in order. The same tensors give the same bytes.
func WriteSafetensors(path string, tensors []Named) (err error) {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = firstError(err, file.Close()) }()
	header, err := header(tensors)
	if err != nil {
		return fmt.Errorf("safetensors file %q: %w", path, err)
	}
	w := bufio.NewWriterSize(file, 1<<20)
	write := func(data []byte) {
		if err == nil {
			_, err = w.Write(data)
		}
	}
	write(binary.LittleEndian.AppendUint64(nil, uint64(len(header))))
	write(header)
	for _, t := range tensors {
		write(t.Tensor.Bytes())
	}
	return firstError(err, w.Flush())
}

func header(tensors []Named) ([]byte, error) {
	names := map[DType]string{}
	for name, dtype := range safetensorsTypes() {
		names[dtype] = name
	}
	entries := map[string]any{"__metadata__": map[string]string{"format": "pt"}}
	at := int64(0)
	for _, t := range tensors {
		dtype, size := t.Tensor.DType(), int64(t.Tensor.Numel())
		end := at + size*int64(dtype.Size())
		entries[t.Name] = map[string]any{
			"dtype": names[dtype], "shape": append([]int64{}, t.Tensor.Shape()...), "data_offsets": [2]int64{at, end},
		}
		at = end
	}
	text, err := json.Marshal(entries)
	for err == nil && len(text)%8 != 0 {
		text = append(text, ' ') // the format wants the data aligned
	}
	return text, err
}
