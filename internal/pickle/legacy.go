package pickle

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// The values at the start of a legacy file: PyTorch's magic number and the version of the format.
const (
	legacyMagic   = long("l\xfc\x9cF\xf9 j\xa8P\x19")
	legacyVersion = int64(1001)
)

// legacy is a file of the format that PyTorch wrote before its zip format: five pickles (magic
// number, version, system, value, keys of the storages), then the storages in the keys' order.
type legacy struct {
	file       io.ReaderAt
	size       int64
	data       []byte // the start of the file, which contains the pickles
	at         int
	references map[string]reference
	storages   map[string]*Storage
}

// loadLegacy returns the value of a legacy file, and the size of its pickles.
func loadLegacy(file io.ReaderAt, size int64) (any, int, error) {
	l := &legacy{
		file: file, size: size, data: make([]byte, min(size, maxPickle)),
		references: map[string]reference{}, storages: map[string]*Storage{},
	}
	if _, err := file.ReadAt(l.data, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, 0, err
	}
	if magic, err := l.next(nil); err != nil || magic != any(legacyMagic) {
		return nil, 0, errNeither
	}
	if version, err := l.next(nil); err != nil || version != any(legacyVersion) {
		return nil, 0, errors.New("legacy file has an unknown version")
	}
	system, err := l.next(nil)
	if err != nil {
		return nil, 0, err
	}
	if s, ok := system.(*dict); ok && s.get("little_endian") == false {
		return nil, 0, errors.New("byte order is big, want little")
	}
	value, err := l.next(l.locate)
	if err != nil {
		return nil, 0, err
	}
	keys, err := l.next(nil)
	if err != nil {
		return nil, 0, err
	}
	return value, l.at, l.place(keys)
}

var errNeither = errors.New("file is neither in PyTorch's legacy format nor in its zip format")

// next returns the value of the next pickle.
func (l *legacy) next(persistent func(tuple) (any, error)) (any, error) {
	value, length, err := unpickle(l.data[l.at:], persistent)
	l.at += length
	return value, err
}

// locate returns the storage of a reference, which has no bytes before its place is known, or the
// class of a module, which comes with its source code.
func (l *legacy) locate(args tuple) (any, error) {
	if len(args) > 1 && args[0] == "module" {
		return args[1], nil
	}
	r, err := parseReference(args)
	if err != nil {
		return nil, err
	}
	if known := l.storages[r.key]; known != nil {
		return known, nil
	}
	if bytes, ok := r.bytes(); !ok || bytes > l.size {
		return nil, fmt.Errorf("storage %q claims %d elements of %s in a file of %d bytes",
			r.key, r.elements, r.class, l.size)
	}
	s := &Storage{Class: r.class, Elements: r.elements, name: fmt.Sprintf("storage %q", r.key)}
	l.references[r.key], l.storages[r.key] = r, s
	return s, nil
}

// place finds the bytes of each storage: the number of its elements, then these.
func (l *legacy) place(keys any) error {
	all, ok := keys.(*list)
	if !ok {
		return fmt.Errorf("keys of the storages are a %s", typeOf(keys))
	}
	at := int64(l.at)
	for _, item := range all.items {
		key, ok := item.(string)
		storage := l.storages[key]
		if !ok || storage == nil || storage.open != nil {
			return fmt.Errorf("file has a storage that no tensor names, or has it twice (key is a %s)", typeOf(item))
		}
		var count [8]byte
		if _, err := l.file.ReadAt(count[:], at); err != nil {
			return fmt.Errorf("%s: %w", storage.name, err)
		}
		bytes, _ := l.references[key].bytes()
		start := at + int64(len(count))
		n := binary.LittleEndian.Uint64(count[:])
		if n != uint64(storage.Elements) || bytes > l.size-start { //nolint:gosec // not negative
			return fmt.Errorf("%s claims %d elements of %s, want %d, with %d bytes left",
				storage.name, n, storage.Class, storage.Elements, l.size-start)
		}
		storage.open = func() (io.ReadCloser, error) {
			return io.NopCloser(io.NewSectionReader(l.file, start, bytes)), nil
		}
		at = start + bytes
	}
	if len(all.items) != len(l.storages) {
		return fmt.Errorf("file has %d storages, want %d", len(all.items), len(l.storages))
	}
	return nil
}
