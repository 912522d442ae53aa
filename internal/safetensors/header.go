// Package safetensors reads the header of safetensors files: which tensors a file holds, their
// types, shapes and bytes. It links no libtorch.
package safetensors

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/bits"
	"slices"
)

// maxHeader is the maximum size of a header in bytes, as in the format's reference implementation.
const maxHeader = 100 << 20

// Entry is the description of a tensor in a header.
type Entry struct {
	// DType is the element type, such as "F32".
	DType string
	Shape []int64
	// Start and End are the offsets of the tensor's bytes from the first byte after the header.
	Start, End int64
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
	for _, name := range slices.Sorted(maps.Keys(raw)) {
		entry, err := parseEntry(raw[name], size)
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
	element := elementSize(raw.DType)
	if element == 0 {
		return Entry{}, fmt.Errorf("unknown dtype %q", raw.DType)
	}
	bytes := element
	for _, n := range raw.Shape {
		high, low := bits.Mul64(bytes, uint64(n)) //nolint:gosec // a negative n is rejected below
		if n < 0 || high != 0 {
			return Entry{}, fmt.Errorf("shape %v is impossible", raw.Shape)
		}
		bytes = low
	}
	entry := Entry{DType: raw.DType, Shape: raw.Shape, Start: raw.Offsets[0], End: raw.Offsets[1]}
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

// elementSize returns the size of an element type in bytes; 0 if the type is unknown.
func elementSize(dtype string) uint64 {
	switch dtype {
	case "U8", "I8", "BOOL":
		return 1
	case "F16", "BF16":
		return 2
	case "I32", "F32":
		return 4
	case "I64", "F64":
		return 8
	default:
		return 0
	}
}
