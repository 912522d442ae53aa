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

// Pickle is a PyTorch file that was read without executing anything in it: a state dict, or a whole pickled module.
type Pickle struct {
	path    string
	tensors map[string]*pytorch.Tensor
	root    any
}

// OpenPickle reads a PyTorch file, zipped or legacy.
func OpenPickle(path string) (Weights, error) {
	p, err := ReadPickle(path)
	if err != nil {
		return nil, err
	}
	return p, nil
}

// ReadPickle is [OpenPickle] for those who want a module's attributes too.
func ReadPickle(path string) (p *Pickle, err error) {
	defer func() {
		if fault := recover(); fault != nil { // the reader panics on sizes and forms that it did not expect
			p, err = nil, fmt.Errorf("pytorch file %q: %v", path, fault)
		}
	}()
	if err := isPyTorch(path); err != nil {
		return nil, fmt.Errorf("pytorch file %q: %w", path, err)
	}
	root, err := pytorch.LoadWithUnpickler(path, func(r io.Reader) pickle.Unpickler {
		u := pickle.NewUnpickler(r)
		u.FindClass = findClass
		return u
	})
	if err != nil {
		return nil, fmt.Errorf("pytorch file %q: %w", path, err)
	}
	p = &Pickle{path: path, tensors: map[string]*pytorch.Tensor{}, root: root}
	p.collect("", root)
	if len(p.tensors) == 0 {
		return nil, fmt.Errorf("pytorch file %q: no tensors in it", path)
	}
	return p, nil
}

// isPyTorch refuses what is neither a whole zip nor starts as the legacy format does: the reader looks for ever into some of that.
func isPyTorch(path string) error {
	archive, err := zip.OpenReader(path)
	if err == nil {
		return archive.Close()
	}
	const legacy = "\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
	file, opened := os.Open(path)
	if opened != nil {
		return opened
	}
	start := make([]byte, len(legacy))
	_, read := io.ReadFull(file, start)
	if read == nil && string(start) == legacy {
		return file.Close()
	}
	return errors.Join(fmt.Errorf("neither PyTorch's legacy format nor its zip: %w", err), file.Close())
}

// collect finds the tensors of a state dict (a dictionary of tensors, perhaps under "state_dict") or of a module (parameters, and modules
// inside), under the names that PyTorch's state_dict gives them.
func (p *Pickle) collect(prefix string, value any) {
	switch v := value.(type) {
	case *object:
		for name, tensor := range entries(v.state["_parameters"]) {
			p.collect(prefix+name, tensor)
		}
		for name, module := range entries(v.state["_modules"]) {
			p.collect(prefix+name+".", module)
		}
	case *pytorch.Tensor:
		p.tensors[prefix] = v
	default:
		for name, entry := range entries(v) {
			if _, ok := entry.(*pytorch.Tensor); ok {
				p.collect(prefix+name, entry)
			} else if name == "state_dict" || name == "model" {
				p.collect(prefix, entry)
			}
		}
	}
}

// Attribute returns the plain value (string, number, bool) of a module's attribute's attribute, as "config", "d_model"; nil if there is none.
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

// Names lists the tensors in ascending order.
func (p *Pickle) Names() []string { return slices.Sorted(maps.Keys(p.tensors)) }

// Read copies a tensor to the CPU.
func (p *Pickle) Read(s *Scope, name string) (*Tensor, error) {
	t, ok := p.tensors[name]
	if !ok {
		return nil, fmt.Errorf("pytorch file %q: no tensor %q", p.path, name)
	}
	storage, err := floats(s, t.Source)
	if err != nil {
		return nil, fmt.Errorf("pytorch file %q: tensor %q: %w", p.path, name, err)
	}
	size, stride := make([]int64, len(t.Size)), make([]int64, len(t.Size))
	last := int64(t.StorageOffset)
	odd := last < 0 || len(t.Size) != len(t.Stride)
	for i := 0; i < len(size) && !odd; i++ {
		size[i], stride[i] = int64(t.Size[i]), int64(t.Stride[i])
		last += max(size[i]-1, 0) * stride[i]
		odd = size[i] < 0 || stride[i] < 0 || last < 0
	}
	if odd || last >= int64(storage.Numel()) {
		return nil, fmt.Errorf("pytorch file %q: tensor %q reaches beyond its storage", p.path, name)
	}
	return storage.Strided(size, stride, int64(t.StorageOffset)).Contiguous(), nil
}

// Close has nothing to close: the file was read at once.
func (p *Pickle) Close() error { return nil }

// floats makes a tensor of a storage. The reader has widened half precision to float32 already, which loses nothing.
func floats(s *Scope, storage pytorch.StorageInterface) (*Tensor, error) {
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
		return nil, fmt.Errorf("elements of type %T are no weights", storage)
	}
	return s.FromFloat32(data, int64(len(data))), nil
}

// findClass stands in for every class and function that a pickle names, beside tensors' own: nothing of Python's runs.
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
		return nil, fmt.Errorf("a parameter without a tensor")
	}
	return args[0], nil
}

// class is any class or function; what it makes is an [object].
type class struct{}

// Call makes an object.
func (class) Call(...any) (any, error) { return newObject(), nil }

// PyNew makes an object.
func (class) PyNew(...any) (any, error) { return newObject(), nil }

// object is an instance of any class: its attributes, or its items if it is a dictionary.
type object struct{ state map[string]any }

func newObject() *object { return &object{state: map[string]any{}} }

// PySetState takes attributes.
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

// Set takes a dictionary's item.
func (o *object) Set(key, value any) {
	if name, ok := key.(string); ok {
		o.state[name] = value
	}
}

// Append drops a list's item: no weights are in lists.
func (o *object) Append(any) {}

// Add drops a set's item.
func (o *object) Add(any) {}

// entries are a dictionary's items under names.
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
