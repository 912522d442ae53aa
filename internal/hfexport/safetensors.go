package hfexport

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// entry is a tensor in the header of a safetensors file; Offsets count from the end of the header.
type entry struct {
	Type    string   `json:"dtype"`
	Shape   []int64  `json:"shape"`
	Offsets [2]int64 `json:"data_offsets"`
}

// maxHeader is the largest header in bytes, the same as in the format's own reader.
const maxHeader = 100 << 20

// readHeader returns the tensors of a safetensors file, and the offset of its data.
func readHeader(r io.Reader) (map[string]entry, int64, error) {
	var size uint64
	if err := binary.Read(r, binary.LittleEndian, &size); err != nil {
		return nil, 0, fmt.Errorf("read its length: %w", err)
	}
	if size > maxHeader {
		return nil, 0, fmt.Errorf("header of %d bytes is larger than %d", size, maxHeader)
	}
	text := make([]byte, size)
	if _, err := io.ReadFull(r, text); err != nil {
		return nil, 0, fmt.Errorf("read its %d bytes: %w", size, err)
	}
	raw := map[string]json.RawMessage{}
	if err := json.Unmarshal(text, &raw); err != nil {
		return nil, 0, err
	}
	delete(raw, "__metadata__")
	entries := make(map[string]entry, len(raw))
	for name, part := range raw {
		var e entry
		if err := json.Unmarshal(part, &e); err != nil {
			return nil, 0, fmt.Errorf("tensor %q: %w", name, err)
		}
		if e.Offsets[0] < 0 || e.Offsets[1] < e.Offsets[0] {
			return nil, 0, fmt.Errorf("tensor %q: data_offsets %d to %d are invalid", name, e.Offsets[0], e.Offsets[1])
		}
		entries[name] = e
	}
	return entries, 8 + int64(size), nil
}

// extract copies the named tensors from one safetensors file to another; a missing one is left out.
func extract(from, to string, names []string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	all, data, err := readHeader(in)
	if err != nil {
		return fmt.Errorf("header of %q: %w", from, err)
	}
	header := map[string]entry{}
	var parts []io.Reader
	at := int64(0)
	for _, name := range names {
		e, ok := all[name]
		if !ok {
			continue
		}
		size := e.Offsets[1] - e.Offsets[0]
		parts = append(parts, io.NewSectionReader(in, data+e.Offsets[0], size))
		header[name] = entry{e.Type, e.Shape, [2]int64{at, at + size}}
		at += size
	}
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	return write(out, header, io.MultiReader(parts...), at)
}

// write writes a header, padded with spaces to a multiple of 8 bytes, and the data.
func write(w io.Writer, header map[string]entry, data io.Reader, size int64) error {
	text, err := json.Marshal(header)
	if err != nil {
		return err
	}
	for len(text)%8 != 0 {
		text = append(text, ' ')
	}
	if err := binary.Write(w, binary.LittleEndian, uint64(len(text))); err != nil {
		return err
	}
	if _, err := w.Write(text); err != nil {
		return err
	}
	n, err := io.Copy(w, data)
	if err == nil && n != size {
		err = fmt.Errorf("%d bytes of tensors: %w", n, io.ErrUnexpectedEOF)
	}
	return err
}
