package torch

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/bits"
	"os"
	"slices"
)

// maxHeader is the maximum size of a safetensors header, as in the format's reference
// implementation.
const maxHeader = 100 << 20

// Entry is the description of a tensor in a safetensors header.
type Entry struct {
	DType DType
	Shape []int64
	// Start and End are the offsets of the tensor's bytes from the first byte after the header.
	Start, End int64
}

// safetensors is an open safetensors file.
type safetensors struct {
	file    *os.File
	data    int64 // the offset of the tensors' bytes
	entries map[string]Entry
}

// OpenSafetensors opens a safetensors file. It checks that the header covers exactly the bytes of
// the file.
func OpenSafetensors(path string) (Weights, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, firstError(err, file.Close())
	}
	entries, data, err := ReadHeader(file, info.Size())
	if err != nil {
		return nil, fmt.Errorf("safetensors file %q: %w", path, errors.Join(err, file.Close()))
	}
	return &safetensors{file: file, data: data, entries: entries}, nil
}

// ReadHeader reads the header of a safetensors file of size bytes. data is the offset of the
// tensors' bytes.
func ReadHeader(r io.Reader, size int64) (entries map[string]Entry, data int64, err error) {
	var prefix [8]byte
	if _, err := io.ReadFull(r, prefix[:]); err != nil {
		return nil, 0, fmt.Errorf("header length: %w", err)
	}
	length := binary.LittleEndian.Uint64(prefix[:])
	if length > maxHeader || int64(length) > size-8 { //nolint:gosec // bounded by the first comparison
		return nil, 0, fmt.Errorf("header of %d bytes in a file of %d", length, size)
	}
	header := make([]byte, length)
	if _, err := io.ReadFull(r, header); err != nil {
		return nil, 0, fmt.Errorf("header: %w", err)
	}
	data = 8 + int64(length) //nolint:gosec // at most maxHeader
	entries, err = parseHeader(header, size-data)
	return entries, data, err
}

func parseHeader(header []byte, size int64) (map[string]Entry, error) {
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(header, &raw); err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	delete(raw, "__metadata__")
	entries := make(map[string]Entry, len(raw))
	for name, text := range raw {
		entry, err := parseEntry(text, size)
		if err != nil {
			return nil, fmt.Errorf("tensor %q: %w", name, err)
		}
		entries[name] = entry
	}
	return entries, checkCoverage(entries, size)
}

func parseEntry(text json.RawMessage, size int64) (Entry, error) {
	var raw struct {
		DType   string   `json:"dtype"`
		Shape   []int64  `json:"shape"`
		Offsets [2]int64 `json:"data_offsets"`
	}
	if err := json.Unmarshal(text, &raw); err != nil {
		return Entry{}, err
	}
	dtype, ok := safetensorsTypes()[raw.DType]
	if !ok {
		return Entry{}, fmt.Errorf("unknown dtype %q", raw.DType)
	}
	bytes := uint64(dtype.Size()) //nolint:gosec // 1 to 8
	for _, n := range raw.Shape {
		high, low := bits.Mul64(bytes, uint64(n)) //nolint:gosec // a negative n is rejected below
		if n < 0 || high != 0 {
			return Entry{}, fmt.Errorf("shape %v is impossible", raw.Shape)
		}
		bytes = low
	}
	entry := Entry{DType: dtype, Shape: raw.Shape, Start: raw.Offsets[0], End: raw.Offsets[1]}
	if entry.Start < 0 || entry.End < entry.Start || entry.End > size ||
		uint64(entry.End-entry.Start) != bytes { //nolint:gosec // not negative
		return Entry{}, fmt.Errorf("offsets %v do not match shape %v of %s within %d bytes",
			raw.Offsets, raw.Shape, raw.DType, size)
	}
	return entry, nil
}

// checkCoverage checks that the tensors cover the file without gap or overlap, so that truncated
// and padded files are rejected.
func checkCoverage(entries map[string]Entry, size int64) error {
	all := slices.SortedFunc(maps.Values(entries), func(a, b Entry) int {
		if a.Start != b.Start {
			return int(max(min(a.Start-b.Start, 1), -1))
		}
		return int(max(min(a.End-b.End, 1), -1))
	})
	at := int64(0)
	for _, entry := range all {
		if entry.Start != at {
			return fmt.Errorf("tensor data has a gap or an overlap at byte %d", at)
		}
		at = entry.End
	}
	if at != size {
		return fmt.Errorf("header describes %d bytes of tensors, the file has %d", at, size)
	}
	return nil
}

func safetensorsTypes() map[string]DType {
	return map[string]DType{
		"U8": Uint8, "I8": Int8, "I32": Int32, "I64": Int64, "BOOL": Bool,
		"F16": Float16, "BF16": BFloat16, "F32": Float32, "F64": Float64,
	}
}

// Names returns the names of the tensors in ascending order.
func (f *safetensors) Names() []string { return slices.Sorted(maps.Keys(f.entries)) }

// Read copies a tensor to the CPU.
func (f *safetensors) Read(s *Scope, name string) (*Tensor, error) {
	entry, ok := f.entries[name]
	if !ok {
		return nil, fmt.Errorf("safetensors file %q: no tensor %q", f.file.Name(), name)
	}
	data := make([]byte, entry.End-entry.Start)
	if _, err := f.file.ReadAt(data, f.data+entry.Start); err != nil {
		return nil, fmt.Errorf("safetensors file %q: tensor %q: %w", f.file.Name(), name, err)
	}
	return s.FromBytes(data, entry.DType, entry.Shape...), nil
}

// Close closes the file.
func (f *safetensors) Close() error { return f.file.Close() }

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
