package torch

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/nlpodyssey/gopickle/pickle"
	"github.com/nlpodyssey/gopickle/pytorch"
	"github.com/nlpodyssey/gopickle/types"
)

// archive is an open PyTorch zip file: a pickle that describes the tensors, and a record of raw
// bytes for each storage. Only the pickle is read on opening, so that a model of many gigabytes
// need not fit into memory twice.
type archive struct {
	file    *zip.ReadCloser
	records map[string]*zip.File // by the last part of their names
}

// lazyStorage is a storage that has not been read from its record. The unpickler needs it to build
// tensors, but does not fill it.
type lazyStorage struct {
	pytorch.StorageInterface

	kind     storageKind
	elements int
	record   *zip.File
}

// storageKind is a class of storages in a pickle.
type storageKind struct {
	name  string
	dtype DType
	known bool
}

// storageKinds returns the storage classes with an element type that this package supports.
func storageKinds() map[string]DType {
	return map[string]DType{
		"FloatStorage": Float32, "HalfStorage": Float16, "BFloat16Storage": BFloat16, "DoubleStorage": Float64,
		"LongStorage": Int64, "IntStorage": Int32, "CharStorage": Int8, "ByteStorage": Uint8, "BoolStorage": Bool,
	}
}

// loadArchive reads the pickle of an open zip file.
func loadArchive(file *zip.ReadCloser) (any, error) {
	a := &archive{file: file, records: map[string]*zip.File{}}
	for _, f := range file.File {
		a.records[path.Base(f.Name)] = f
	}
	if _, ok := a.records["constants.pkl"]; ok {
		return nil, errors.New("file is a TorchScript program, not a state dict")
	}
	if err := a.checkOrder(); err != nil {
		return nil, err
	}
	data, ok := a.records["data.pkl"]
	if !ok {
		return nil, errors.New("zip file has no data.pkl")
	}
	r, err := data.Open()
	if err != nil {
		return nil, err
	}
	u := pickle.NewUnpickler(r)
	u.FindClass, u.PersistentLoad = findStorage, a.locate
	root, err := u.Load()
	return root, firstError(err, r.Close())
}

// checkOrder rejects files written on a big-endian machine.
func (a *archive) checkOrder() error {
	record, ok := a.records["byteorder"]
	if !ok {
		return nil
	}
	r, err := record.Open()
	if err != nil {
		return err
	}
	order, err := io.ReadAll(io.LimitReader(r, 16))
	if err = firstError(err, r.Close()); err == nil && string(order) != "little" {
		err = fmt.Errorf("byte order is %q, want little", order)
	}
	return err
}

// findStorage resolves tensors and storages, and leaves other classes to [findClass].
func findStorage(module, name string) (any, error) {
	if module == "collections" && name == "OrderedDict" {
		return &types.OrderedDictClass{}, nil
	}
	if module == "torch._utils" && name == "_rebuild_tensor_v2" {
		return rebuildTensor{}, nil
	}
	if dtype, ok := storageKinds()[name]; ok && module == "torch" {
		return storageKind{name: name, dtype: dtype, known: true}, nil
	}
	if strings.HasSuffix(name, "Storage") {
		return storageKind{name: name}, nil
	}
	return findClass(module, name)
}

// rebuildTensor is torch._utils._rebuild_tensor_v2 without its seventh argument (metadata), which
// does not affect the values.
type rebuildTensor struct{}

// Call returns the tensor's description.
func (rebuildTensor) Call(args ...any) (any, error) {
	return (&pytorch.RebuildTensorV2{}).Call(args[:min(len(args), 6)]...)
}

// locate returns the storage of a persistent reference ("storage", class, key, location, elements).
func (a *archive) locate(reference any) (any, error) {
	tuple, ok := reference.(*types.Tuple)
	if !ok || tuple.Len() < 5 {
		return nil, fmt.Errorf("invalid storage reference %v", reference)
	}
	class, kindOK := tuple.Get(1).(storageKind)
	key, keyOK := tuple.Get(2).(string)
	elements, sizeOK := tuple.Get(4).(int)
	if word, ok := tuple.Get(0).(string); !ok || word != "storage" || !kindOK || !keyOK || !sizeOK {
		return nil, fmt.Errorf("invalid storage reference %v", *tuple)
	}
	record, ok := a.records[key]
	if !ok {
		return nil, fmt.Errorf("zip file has no record %q", key)
	}
	return &lazyStorage{kind: class, elements: elements, record: record}, nil
}

// read copies the elements [first, end) to the CPU.
func (t *lazyStorage) read(s *Scope, first, end int64) (tensor *Tensor, err error) {
	if !t.kind.known {
		return nil, fmt.Errorf("storage class %s is not supported", t.kind.name)
	}
	size := int64(t.kind.dtype.Size())
	have := t.record.UncompressedSize64
	if int64(t.elements) > 1<<40 || have != uint64(int64(t.elements)*size) { //nolint:gosec // bounded first
		return nil, fmt.Errorf("record %q has %d bytes, want %d elements of %d", t.record.Name, have, t.elements, size)
	}
	r, err := t.record.Open()
	if err != nil {
		return nil, err
	}
	defer func() { err = firstError(err, r.Close()) }()
	if _, err := io.CopyN(io.Discard, r, first*size); err != nil {
		return nil, err
	}
	data := make([]byte, (end-first)*size)
	if _, err := io.ReadFull(r, data); err != nil {
		return nil, err
	}
	if end == int64(t.elements) { // the zip reader compares the checksum at the end
		if _, err := r.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("record %q: %w", t.record.Name, err)
		}
	}
	return s.FromBytes(data, t.kind.dtype, end-first), nil
}
