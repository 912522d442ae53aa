package t5

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"

	"rdrec/internal/torch"
)

// Model is a student's weights. All parameters lie in one flat tensor, one after the other, so that
// an optimizer touches one tensor instead of hundreds. A Model is used inside [torch.Run] and freed
// with [Model.Free].
type Model struct {
	Config
	device       torch.Device
	fusedWeights []fusedWeight
	flat         *torch.Tensor   // [all parameters]
	views        []*torch.Tensor // flat's pieces, without gradients

	// BFloat16 has [Model.Gradient] multiply matrices in bfloat16, where that is quicker. Weights,
	// what is added up, norms, softmax, loss and gradient stay float32, as with PyTorch's autocast.
	BFloat16 bool
	// GradientCheckpointing has [Model.Gradient] keep no more of the forward pass than what goes
	// from layer to layer, and compute the rest again for the gradient (gradient checkpointing): a
	// third more arithmetic, a fraction of the memory. The gradient is the same to rounding;
	// dropout draws otherwise.
	GradientCheckpointing bool
}

// New returns a model with random weights, the same for the same seed.
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

// allocateCache makes a model whose weights are all 0.
func allocate(c Config, device torch.Device) *Model {
	m := &Model{Config: c, device: device, fusedWeights: c.layout()}
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

// initializer draws the first weights on the CPU, so that a seed means the same everywhere.
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

// cut returns the network's pieces of a flat tensor, as views in flat's scope.
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

// Flat is all parameters one after the other, in the order of [Config.Parameters]. It belongs to
// the model; who changes it changes the model.
func (m *Model) Flat() *torch.Tensor { return m.flat }

// Named cuts a tensor shaped as [Model.Flat] (weights, a gradient) into parameters, as views in
// flat's scope.
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

// Device is where the weights are.
func (m *Model) Device() torch.Device { return m.device }

// Free frees the weights.
func (m *Model) Free() {
	for _, view := range m.views {
		view.Free()
	}
	m.flat.Free()
}

// Hash is the SHA-256 of all parameters' names and bytes in their fixed order, in hexadecimal:
// models with the same hash are the same.
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
