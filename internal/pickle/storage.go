package pickle

import (
	"errors"
	"fmt"
	"io"
)

// Storage is an array of elements that tensors share. Its bytes are read once they are asked for.
type Storage struct {
	// Class is the name of the storage's class, such as "FloatStorage".
	Class string
	// Elements is the number of elements. The file has the bytes of all of them.
	Elements int64
	name     string // in errors
	open     func() (io.ReadCloser, error)
}

// ElementSize returns the size in bytes of the elements of a storage's class; 0 if the class is
// unknown.
func ElementSize(class string) int64 {
	switch class {
	case "CharStorage", "ByteStorage", "BoolStorage":
		return 1
	case "HalfStorage", "BFloat16Storage", "ShortStorage":
		return 2
	case "FloatStorage", "IntStorage":
		return 4
	case "DoubleStorage", "LongStorage", "ComplexFloatStorage":
		return 8
	case "ComplexDoubleStorage":
		return 16
	default:
		return 0
	}
}

// Read returns the bytes of the elements [first, end).
func (s *Storage) Read(first, end int64) (data []byte, err error) {
	size := ElementSize(s.Class)
	if size == 0 {
		return nil, fmt.Errorf("storage class %s is not supported", s.Class)
	}
	if first < 0 || end < first || end > s.Elements {
		return nil, errBeyond
	}
	r, err := s.open()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	if _, err := io.CopyN(io.Discard, r, first*size); err != nil {
		return nil, fmt.Errorf("%s: %w", s.name, err)
	}
	data = make([]byte, (end-first)*size)
	if _, err := io.ReadFull(r, data); err != nil {
		return nil, fmt.Errorf("%s: %w", s.name, err)
	}
	if end == s.Elements { // a zip archive compares the checksum at the end
		if _, err := r.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("%s: %w", s.name, errors.Join(err, errLonger))
		}
	}
	return data, nil
}

var errLonger = errors.New("more bytes than elements")

// reference is a storage as a pickle names it: ("storage", class, key, location, elements, view).
type reference struct {
	class, key string
	elements   int64
}

// parseReference reads a reference.
func parseReference(args tuple) (reference, error) {
	if len(args) < 5 || args[0] != "storage" {
		return reference{}, fmt.Errorf("invalid storage reference: a tuple of %d", len(args))
	}
	kind, kindOK := args[1].(class)
	key, keyOK := args[2].(string)
	elements, sizeOK := args[4].(int64)
	if !kindOK || !keyOK || !sizeOK || elements < 0 {
		return reference{}, fmt.Errorf("invalid storage reference: class is a %s, key a %s, number of elements a %s",
			typeOf(args[1]), typeOf(args[2]), typeOf(args[4]))
	}
	if len(args) > 5 && args[5] != nil {
		return reference{}, errors.New("views of storages are not supported")
	}
	return reference{class: kind.name, key: key, elements: elements}, nil
}

// bytes returns the storage's size; false if its class is unknown or the size is out of range.
func (r reference) bytes() (int64, bool) {
	size := ElementSize(r.class)
	bytes, fits := multiply(r.elements, size)
	return bytes, fits && size > 0
}
