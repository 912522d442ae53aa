package hfexport

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"rdrec/internal/safetensors"
	"rdrec/internal/untrusted"
)

// entry is a tensor in the header of a safetensors file; Offsets count from the end of the header.
type entry struct {
	Type    string   `json:"dtype"`
	Shape   []int64  `json:"shape"`
	Offsets [2]int64 `json:"data_offsets"`
}

// extract copies the named tensors from one safetensors file to another; a missing one is left out.
func extract(from, to string, names []string) (err error) {
	in, err := untrusted.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	all, data, err := safetensors.ReadHeader(in, info.Size())
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
		size := e.End - e.Start
		parts = append(parts, io.NewSectionReader(in, data+e.Start, size))
		header[name] = entry{e.DType, e.Shape, [2]int64{at, at + size}}
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
