package torch

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"github.com/nlpodyssey/gopickle/pickle"
	"github.com/nlpodyssey/gopickle/pytorch"
	"github.com/nlpodyssey/gopickle/types"
)

// Pickle is a PyTorch file, read without executing its code: a state dict or a pickled module.
type Pickle struct {
	path    string
	file    *zip.ReadCloser // nil for PyTorch's legacy format, which is read at once
	tensors map[string]*pytorch.Tensor
	root    any
}

// OpenPickle opens a PyTorch file, zipped or legacy.
func OpenPickle(path string) (Weights, error) {
	p, err := ReadPickle(path)
	if err != nil {
		return nil, err
	}
	return p, nil
}

// ReadPickle is [OpenPickle] with access to a module's attributes.
func ReadPickle(path string) (p *Pickle, err error) {
	p = &Pickle{path: path, tensors: map[string]*pytorch.Tensor{}}
	defer func() {
		if raised := recover(); raised != nil { // the unpickler panics on unexpected values
			err = fmt.Errorf("%v", raised)
		}
		if err != nil {
			p, err = nil, fmt.Errorf("pytorch file %q: %w", path, firstError(err, p.Close()))
		}
	}()
	if p.file, err = zip.OpenReader(path); err == nil {
		p.root, err = loadArchive(p.file)
	} else {
		p.root, err = loadLegacy(path, err)
	}
	if err != nil {
		return p, err
	}
	if err := p.collect("", p.root, 0); err != nil {
		return p, err
	}
	if len(p.tensors) == 0 {
		return p, errors.New("file has no tensors")
	}
	return p, nil
}

// loadLegacy reads a whole file of the format that PyTorch wrote before its zip format. It checks
// the start of the file first, because the unpickler does not terminate on some invalid files.
func loadLegacy(path string, noZip error) (any, error) {
	const legacy = "\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	start := make([]byte, len(legacy))
	_, err = io.ReadFull(file, start)
	if err = firstError(err, file.Close()); err != nil || string(start) != legacy {
		return nil, fmt.Errorf("file is neither in PyTorch's legacy format nor in its zip format: %w", noZip)
	}
	return pytorch.LoadWithUnpickler(path, func(r io.Reader) pickle.Unpickler {
		u := pickle.NewUnpickler(r)
		u.FindClass = findClass
		return u
	})
}

// maxNesting is the depth to which modules and state dicts are followed. A dictionary may contain
// itself.
const maxNesting = 100

// collect adds the tensors of a state dict (a dictionary of tensors, possibly under "state_dict")
// or of a module (parameters and submodules), under their names in PyTorch's state_dict.
func (p *Pickle) collect(prefix string, value any, depth int) error {
	if depth > maxNesting {
		return fmt.Errorf("modules or state dicts are nested more than %d deep", maxNesting)
	}
	var err error
	add := func(name string, entry any) { err = firstError(err, p.collect(prefix+name, entry, depth+1)) }
	switch v := value.(type) {
	case *object:
		for name, tensor := range entries(v.state["_parameters"]) {
			add(name, tensor)
		}
		for name, module := range entries(v.state["_modules"]) {
			add(name+".", module)
		}
	case *pytorch.Tensor:
		p.tensors[prefix] = v
	default:
		for name, entry := range entries(v) {
			if _, ok := entry.(*pytorch.Tensor); ok {
				add(name, entry)
			} else if name == "state_dict" || name == "model" {
				add("", entry)
			}
		}
	}
	return err
}

// Attribute returns the value (string, number or bool) of a nested attribute of a module, such as
// "config", "d_model"; nil if there is none.
func (p *Pickle) Attribute(path ...string) any {
	value := p.root
	for _, name := range path {
		o, ok := value.(*object)
		if !ok {
			return nil
		}
		value = o.state[name]
	}
	switch value.(type) {
	case string, int, float64, bool:
		return value
	default:
		return nil
	}
}

// Names returns the names of the tensors in ascending order.
func (p *Pickle) Names() []string { return slices.Sorted(maps.Keys(p.tensors)) }

// Read copies a tensor to the CPU. It reads only the part of the storage that the tensor spans.
func (p *Pickle) Read(s *Scope, name string) (*Tensor, error) {
	t, ok := p.tensors[name]
	if !ok {
		return nil, fmt.Errorf("pytorch file %q: no tensor %q", p.path, name)
	}
	tensor, err := readStrided(s, t)
	if err != nil {
		return nil, fmt.Errorf("pytorch file %q: tensor %q: %w", p.path, name, err)
	}
	return tensor, nil
}

// readStrided reads the part of the storage that a tensor spans.
func readStrided(s *Scope, t *pytorch.Tensor) (*Tensor, error) {
	size, stride := make([]int64, len(t.Size)), make([]int64, len(t.Size))
	first := int64(t.StorageOffset)
	last := first
	odd := last < 0 || len(t.Size) != len(t.Stride)
	for i := 0; i < len(size) && !odd; i++ {
		size[i], stride[i] = int64(t.Size[i]), int64(t.Stride[i])
		last += max(size[i]-1, 0) * stride[i]
		odd = size[i] < 0 || stride[i] < 0 || last < 0
	}
	storage, elements, err := storageOf(s, t.Source)
	if err != nil {
		return nil, err
	}
	if odd || last >= elements {
		return nil, errors.New("tensor extends beyond its storage")
	}
	data, err := storage(first, last+1)
	if err != nil {
		return nil, err
	}
	return data.Strided(size, stride, 0).Contiguous(), nil
}

// storageOf returns a function that reads the elements [first, end) of a storage, and their number.
func storageOf(
	s *Scope, source pytorch.StorageInterface,
) (read func(first, end int64) (*Tensor, error), elements int64, err error) {
	if lazy, ok := source.(*lazyStorage); ok {
		return func(first, end int64) (*Tensor, error) { return lazy.read(s, first, end) }, int64(lazy.elements), nil
	}
	all, err := legacyFloats(s, source)
	if err != nil {
		return nil, 0, err
	}
	read = func(first, end int64) (*Tensor, error) { return all.Narrow(0, first, end-first).Clone(), nil }
	return read, all.Dim(0), nil
}

// Close closes the file.
func (p *Pickle) Close() error {
	if p.file == nil {
		return nil
	}
	return p.file.Close()
}

// legacyFloats returns a storage of the legacy format as a tensor. The unpickler has converted half
// precision to float32 already, which is lossless.
func legacyFloats(s *Scope, storage pytorch.StorageInterface) (*Tensor, error) {
	var data []float32
	switch v := storage.(type) {
	case *pytorch.FloatStorage:
		data = v.Data
	case *pytorch.HalfStorage:
		data = v.Data
	case *pytorch.BFloat16Storage:
		data = v.Data
	case *pytorch.DoubleStorage:
		data = make([]float32, len(v.Data))
		for i, x := range v.Data {
			data[i] = float32(x)
		}
	default:
		return nil, fmt.Errorf("storage of type %T is not supported", storage)
	}
	return s.FromFloat32(data, int64(len(data))), nil
}

// findClass replaces every class and function that a pickle names, except those of tensors: no
// Python code runs.
func findClass(module, name string) (any, error) {
	if module == "torch._utils" && name == "_rebuild_parameter" {
		return rebuildParameter{}, nil
	}
	return class{}, nil
}

// rebuildParameter is torch._utils._rebuild_parameter: a parameter is its tensor.
type rebuildParameter struct{}

// Call returns the parameter's tensor.
func (rebuildParameter) Call(args ...any) (any, error) {
	if len(args) == 0 {
		return nil, fmt.Errorf("parameter without a tensor")
	}
	return args[0], nil
}

// class replaces any class or function. Its instances are [object]s.
type class struct{}

// Call returns an object.
func (class) Call(...any) (any, error) { return newObject(), nil }

// PyNew returns an object.
func (class) PyNew(...any) (any, error) { return newObject(), nil }

// object is an instance of any class: its attributes, or its items if it is a dictionary.
type object struct{ state map[string]any }

func newObject() *object { return &object{state: map[string]any{}} }

// PySetState sets attributes.
func (o *object) PySetState(state any) error {
	if pair, ok := state.(*types.Tuple); ok { // (attributes, slots)
		for _, part := range *pair {
			maps.Insert(o.state, maps.All(entries(part)))
		}
		return nil
	}
	maps.Insert(o.state, maps.All(entries(state)))
	return nil
}

// Set sets a dictionary's item.
func (o *object) Set(key, value any) {
	if name, ok := key.(string); ok {
		o.state[name] = value
	}
}

// Append ignores a list's item: no weights are in lists.
func (o *object) Append(any) {}

// Add ignores a set's item.
func (o *object) Add(any) {}

// entries returns a dictionary's items with string keys.
func entries(value any) map[string]any {
	all := map[string]any{}
	add := func(key, value any) {
		if name, ok := key.(string); ok {
			all[name] = value
		}
	}
	switch v := value.(type) {
	case *types.Dict:
		for _, entry := range *v {
			add(entry.Key, entry.Value)
		}
	case *types.OrderedDict:
		for key, entry := range v.Map {
			add(key, entry.Value)
		}
	case *object:
		maps.Copy(all, v.state)
	}
	return all
}
