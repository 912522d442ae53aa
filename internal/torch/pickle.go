package torch

import (
	"fmt"
	"math"
	"slices"

	"github.com/nlpodyssey/gopickle/pytorch"
	"github.com/nlpodyssey/gopickle/types"
)

// pickled are the tensors of one PyTorch file.
type pickled struct {
	path    string
	tensors map[string]*pytorch.Tensor
}

// OpenPickle reads a PyTorch file (torch.save of a state dict, zip or legacy). Nothing in it is executed.
func OpenPickle(path string) (Weights, error) {
	loaded, err := pytorch.Load(path)
	if err != nil {
		return nil, fmt.Errorf("pytorch file %q: %w", path, err)
	}
	p := &pickled{path: path, tensors: map[string]*pytorch.Tensor{}}
	if err := p.collect("", loaded); err != nil {
		return nil, fmt.Errorf("pytorch file %q: %w", path, err)
	}
	if len(p.tensors) == 0 {
		return nil, fmt.Errorf("pytorch file %q: no tensors in it", path)
	}
	return p, nil
}

func (p *pickled) collect(key string, value any) error {
	switch v := value.(type) {
	case *pytorch.Tensor:
		p.tensors[key] = v
	case *types.Dict:
		for _, entry := range *v {
			if name, ok := entry.Key.(string); ok {
				if err := p.collect(name, entry.Value); err != nil {
					return err
				}
			}
		}
	case *types.OrderedDict:
		for name, entry := range v.Map {
			if name, ok := name.(string); ok {
				if err := p.collect(name, entry.Value); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// Names lists the tensors in ascending order.
func (p *pickled) Names() []string {
	names := make([]string, 0, len(p.tensors))
	for name := range p.tensors {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Read copies a tensor to the CPU.
func (p *pickled) Read(s *Scope, name string) (*Tensor, error) {
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
	for i := range size {
		size[i], stride[i] = int64(t.Size[i]), int64(t.Stride[i])
		last += max(size[i]-1, 0) * stride[i]
	}
	if last >= int64(storage.Numel()) || last < 0 {
		return nil, fmt.Errorf("pytorch file %q: tensor %q reaches beyond its storage", p.path, name)
	}
	return storage.Strided(size, stride, int64(t.StorageOffset)).Contiguous(), nil
}

// Close has nothing to close: the file was read at once.
func (p *pickled) Close() error { return nil }

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
	if len(data) > math.MaxInt32*64 {
		return nil, fmt.Errorf("storage of %d elements", len(data))
	}
	return s.FromFloat32(data, int64(len(data))), nil
}
