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

// archive is an open zip of PyTorch's: a pickle that says which tensors there are, and a record of
// raw bytes for each storage. Only the pickle is read at once, so that a model of many gigabytes
// need not fit into memory twice.
type archive struct {
	file    *zip.ReadCloser
	records map[string]*zip.File // by the last part of their names
}

// lazyStorage is a storage that still lies in its record. It is one for the reader of tensors'
// places only, who never fills it.
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

// storageKinds are the classes that hold what a tensor here can.
func storageKinds() map[string]DType {
	return map[string]DType{
		"FloatStorage": Float32, "HalfStorage": Float16, "BFloat16Storage": BFloat16, "DoubleStorage": Float64, "LongStorage": Int64,
		"IntStorage": Int32, "CharStorage": Int8, "ByteStorage": Uint8, "BoolStorage": Bool,
	}
}

// loadArchive reads the pickle of an opened zip.
func loadArchive(file *zip.ReadCloser) (any, error) {
	a := &archive{file: file, records: map[string]*zip.File{}}
	for _, f := range file.File {
		a.records[path.Base(f.Name)] = f
	}
	if _, ok := a.records["constants.pkl"]; ok {
		return nil, errors.New("it is a TorchScript program, not a state dict")
	}
	if err := a.checkOrder(); err != nil {
		return nil, err
	}
	data, ok := a.records["data.pkl"]
	if !ok {
		return nil, errors.New("the zip has no data.pkl")
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

// checkOrder refuses files that were written on a machine of the other byte order.
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
		err = fmt.Errorf("its bytes are in %q order, want little", order)
	}
	return err
}

// findStorage knows tensors and storages beside what [findClass] stands in for.
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

// rebuildTensor is torch._utils._rebuild_tensor_v2, whose seventh argument (metadata) changes
// nothing for us.
type rebuildTensor struct{}

// Call makes the tensor's place.
func (rebuildTensor) Call(args ...any) (any, error) {
	return (&pytorch.RebuildTensorV2{}).Call(args[:min(len(args), 6)]...)
}

// locate finds the record that a pickle's reference ("storage", class, key, location, elements)
// means.
func (a *archive) locate(reference any) (any, error) {
	tuple, ok := reference.(*types.Tuple)
	if !ok || tuple.Len() < 5 {
		return nil, fmt.Errorf("a reference to a storage with odd parts: %v", reference)
	}
	class, kindOK := tuple.Get(1).(storageKind)
	key, keyOK := tuple.Get(2).(string)
	elements, sizeOK := tuple.Get(4).(int)
	if word, ok := tuple.Get(0).(string); !ok || word != "storage" || !kindOK || !keyOK || !sizeOK {
		return nil, fmt.Errorf("a reference to a storage with odd parts: %v", *tuple)
	}
	record, ok := a.records[key]
	if !ok {
		return nil, fmt.Errorf("the zip has no record %q", key)
	}
	return &lazyStorage{kind: class, elements: elements, record: record}, nil
}

// read copies the elements from first up to, but not including, end to the CPU.
func (t *lazyStorage) read(s *Scope, first, end int64) (tensor *Tensor, err error) {
	if !t.kind.known {
		return nil, fmt.Errorf("elements of a %s are no weights", t.kind.name)
	}
	size := int64(t.kind.dtype.Size())
	if have := t.record.UncompressedSize64; int64(t.elements) > 1<<40 || have != uint64(int64(t.elements)*size) { //nolint:gosec // bounded beside it
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
	if end == int64(t.elements) { // the record's check sum is compared at its end
		if _, err := r.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("record %q: %w", t.record.Name, err)
		}
	}
	return s.FromBytes(data, t.kind.dtype, end-first), nil
}
