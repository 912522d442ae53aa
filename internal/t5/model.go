package t5

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"

	"rdrec/internal/torch"
)

// Model is a student. All its parameters are in one flat tensor, one after the other, so that an
// optimizer updates one tensor instead of hundreds. Use a Model inside [torch.Run] and free it with
// [Model.Free].
type Model struct {
	Config
	device       torch.Device
	fusedWeights []fusedWeight
	flat         *torch.Tensor   // [all parameters]
	views        []*torch.Tensor // of flat, one per fused weight, without gradients
	items        *itemIndex      // nil until [Model.UseItems]
	positions    *positionTables

	// BFloat16 makes [Model.Gradient] multiply matrices in bfloat16. Weights, sums, norms, softmax,
	// loss and gradient stay float32, as in PyTorch's autocast.
	BFloat16 bool
	// GradientCheckpointing makes [Model.Gradient] save only the activations between layers and
	// recompute the others in the backward pass: a third more arithmetic, a fraction of the memory.
	// Without dropout, the gradient is the same up to rounding; dropout samples differ.
	GradientCheckpointing bool
	// HeadWeight is the weight of the item head's loss: its prediction of an item counts as so many
	// labels of the decoder. 0 switches it off.
	HeadWeight float64
	// LabelSmoothing is the probability, in [Model.Gradient], that labels share with all classes.
	LabelSmoothing float64
}

// New returns a model with random weights, which seed determines.
func New(c Config, seed int64, device torch.Device) (*Model, error) {
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("new model: %w", err)
	}
	m := allocate(c, device)
	err := torch.Run(func(s *torch.Scope) error {
		torch.Seeded(seed, func() { m.initialize(s) })
		return nil
	})
	return m, err
}

// allocate returns a model with all weights 0.
func allocate(c Config, device torch.Device) *Model {
	m := &Model{
		Config: c, device: device, fusedWeights: c.layout(), positions: &positionTables{config: c, device: device},
	}
	m.positions.upTo(initialPositions)
	s := torch.NewScope()
	defer s.Close()
	total := int64(0)
	for _, weight := range m.fusedWeights {
		total += weight.numel()
	}
	m.flat = torch.Keep(s.Zeros(torch.Float32, device, total))
	m.views = m.cut(s.Use(m.flat))
	for _, view := range m.views {
		torch.Keep(view)
	}
	return m
}

// initialize samples the initial weights on the CPU, so that a seed gives the same weights on every
// device.
func (m *Model) initialize(s *torch.Scope) {
	at := int64(0)
	for _, p := range m.Parameters() {
		values := s.Empty(torch.Float32, torch.CPU, p.Numel())
		switch {
		case p.initializer.uniformRange > 0:
			values.Uniform(-p.initializer.uniformRange, p.initializer.uniformRange)
		case p.initializer.std > 0:
			values.Normal(p.initializer.mean, p.initializer.std)
		default:
			values.Fill(p.initializer.mean)
		}
		s.Use(m.flat).Narrow(0, at, p.Numel()).SetTo(values)
		values.Free()
		at += p.Numel()
	}
}

// cut returns the fused weights of a flat tensor, as views in flat's scope.
func (m *Model) cut(flat *torch.Tensor) []*torch.Tensor {
	sizes := make([]int64, len(m.fusedWeights))
	for i, weight := range m.fusedWeights {
		sizes[i] = weight.numel()
	}
	views := flat.Split(0, sizes...)
	for i, weight := range m.fusedWeights {
		if len(weight.shape) > 1 {
			views[i] = views[i].View(weight.shape...)
		}
	}
	return views
}

// Flat returns all parameters as one tensor, in the order of [Config.Parameters]. It belongs to the
// model: changing it changes the model.
func (m *Model) Flat() *torch.Tensor { return m.flat }

// Named returns the parameters of a tensor shaped like [Model.Flat] (weights or a gradient), as
// views in flat's scope.
func (m *Model) Named(flat *torch.Tensor) []torch.Named {
	parameters := m.Parameters()
	named := make([]torch.Named, len(parameters))
	at := int64(0)
	for i, p := range parameters {
		named[i] = torch.Named{Name: p.Name, Tensor: flat.Narrow(0, at, p.Numel()).View(p.Shape...)}
		at += p.Numel()
	}
	return named
}

// Device returns the device of the weights.
func (m *Model) Device() torch.Device { return m.device }

// Free frees the weights.
func (m *Model) Free() {
	m.freeItems()
	m.positions.free()
	for _, view := range m.views {
		view.Free()
	}
	m.flat.Free()
}

// Hash returns the SHA-256 of all parameters' names and bytes in their fixed order, in hexadecimal.
// Models with equal hashes are equal.
func (m *Model) Hash() (string, error) {
	digest := sha256.New()
	err := torch.Run(func(s *torch.Scope) error {
		for _, p := range m.Named(s.Use(m.flat)) {
			_, err := io.WriteString(digest, p.Name+"\n")
			if err != nil {
				return err
			}
			if _, err := digest.Write(p.Tensor.Bytes()); err != nil {
				return err
			}
		}
		return nil
	})
	return hex.EncodeToString(digest.Sum(nil)), err
}
