package pickle

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"path"
)

// The bounds of a zip archive. torch.save compresses nothing.
const (
	// maxPickle is the maximum size of a pickle: that of a model with 100,000 tensors.
	maxPickle = 16 << 20
	// maxRatio is the maximum ratio of an unpacked record to the file, beyond minUnpacked.
	maxRatio    = 16
	minUnpacked = 1 << 20
)

// archive is an open zip file: a pickle that describes the tensors, and a record of raw bytes for
// each storage.
type archive struct {
	records  map[string]*zip.File // by the last part of their names, which are never used as paths
	storages map[string]*Storage
	size     int64
}

func newArchive(file *zip.Reader, size int64) *archive {
	a := &archive{records: map[string]*zip.File{}, storages: map[string]*Storage{}, size: size}
	for _, f := range file.File {
		if name := path.Base(f.Name); a.records[name] == nil {
			a.records[name] = f
		}
	}
	return a
}

// load returns the value of the pickle, and its size.
func (a *archive) load() (any, int, error) {
	if _, ok := a.records["constants.pkl"]; ok {
		return nil, 0, errors.New("file is a TorchScript program, not a state dict")
	}
	if record, ok := a.records["byteorder"]; ok {
		order, err := a.read(record, 16)
		if err != nil {
			return nil, 0, err
		}
		if string(order) != "little" {
			return nil, 0, fmt.Errorf("byte order is %q, want little", order)
		}
	}
	record, ok := a.records["data.pkl"]
	if !ok {
		return nil, 0, errors.New("zip file has no data.pkl")
	}
	data, err := a.read(record, maxPickle)
	if err != nil {
		return nil, 0, err
	}
	value, _, err := unpickle(data, a.locate)
	return value, len(data), err
}

// check compares the sizes that a record claims with the file.
func (a *archive) check(record *zip.File) error {
	unpacked, packed := record.UncompressedSize64, record.CompressedSize64
	most := uint64(a.size) //nolint:gosec // not negative
	if record.Method != zip.Store {
		most = minUnpacked + maxRatio*most
	}
	if packed > uint64(a.size) || unpacked > most { //nolint:gosec // not negative
		return fmt.Errorf("record %q claims %d bytes in a file of %d", record.Name, unpacked, a.size)
	}
	return nil
}

// read returns a record of at most n bytes.
func (a *archive) read(record *zip.File, n uint64) (data []byte, err error) {
	if err := a.check(record); err != nil {
		return nil, err
	}
	if record.UncompressedSize64 > n {
		return nil, fmt.Errorf("record %q has %d bytes, at most %d are read", record.Name, record.UncompressedSize64, n)
	}
	r, err := record.Open()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	return io.ReadAll(io.LimitReader(r, int64(n))) //nolint:gosec // a constant of this package
}

// locate returns the storage of a reference. Its record has exactly the bytes of its elements.
func (a *archive) locate(args tuple) (any, error) {
	r, err := parseReference(args)
	if err != nil {
		return nil, err
	}
	if known := a.storages[r.key]; known != nil {
		return known, nil
	}
	record, ok := a.records[r.key]
	if !ok {
		return nil, fmt.Errorf("zip file has no record %q", r.key)
	}
	if err := a.check(record); err != nil {
		return nil, err
	}
	have := record.UncompressedSize64
	want, fits := r.bytes()
	if ElementSize(r.class) > 0 && (!fits || have != uint64(want)) { //nolint:gosec // not negative
		return nil, fmt.Errorf("record %q has %d bytes, want %d elements of %s", record.Name, have, r.elements, r.class)
	}
	s := &Storage{Class: r.class, Elements: r.elements, name: fmt.Sprintf("record %q", record.Name), open: record.Open}
	a.storages[r.key] = s
	return s, nil
}
