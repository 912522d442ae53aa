package sasrec

import (
	"fmt"
	"math"

	"rdrec/internal/torch"
)

// epsilon is added to the variance in layer normalization.
const epsilon = 1e-8

// Model is a trained or untrained network. All weights are in one flat tensor, in the order of
// [Model.Parameters]. The caller frees it.
type Model struct {
	Settings
	items  int
	device torch.Device
	flat   *torch.Tensor // [all weights]
}

// Parameter is one tensor of the model. Its initial values are normal with mean 0 and standard
// deviation Std, or all Value where Std is 0.
type Parameter struct {
	Name       string
	Shape      []int64
	Std, Value float64
}

func (p Parameter) numel() int64 {
	n := int64(1)
	for _, size := range p.Shape {
		n *= size
	}
	return n
}

// New returns a model of the item ids 1 to items with random weights; the same seed gives the same
// weights on every device.
func New(settings Settings, items int, seed int64, device torch.Device) (*Model, error) {
	if err := settings.check(); err != nil {
		return nil, err
	}
	m := &Model{Settings: settings, items: items, device: device}
	err := torch.Run(func(s *torch.Scope) error {
		var parameters []*torch.Tensor
		torch.Seeded(seed, func() {
			for _, p := range m.Parameters() {
				values := s.Full(p.Value, torch.Float32, torch.CPU, p.numel())
				if p.Std > 0 {
					values.Normal(0, p.Std)
				}
				parameters = append(parameters, values)
			}
		})
		m.flat = torch.Keep(torch.Cat(0, parameters...).ToDevice(device))
		return nil
	})
	return m, err
}

// deviation is the standard deviation of initial embeddings.
const deviation = 0.02

// Parameters lists the weights in their order.
func (m *Model) Parameters() []Parameter {
	if m.Alpha > 0 {
		return m.filterParameters()
	}
	d := int64(m.HiddenSize)
	all := []Parameter{
		{"items", []int64{int64(m.items) + 1, d}, deviation, 0}, // row 0 is padding
		{"positions", []int64{int64(m.MaxLength), d}, deviation, 0},
	}
	glorot := math.Sqrt(1 / float64(d))
	norm := func(name string) []Parameter {
		return []Parameter{{name + ".weight", []int64{d}, 0, 1}, {name + ".bias", []int64{d}, 0, 0}}
	}
	for i := range m.Blocks {
		name := fmt.Sprintf("block%d.", i)
		all = append(all, norm(name+"attention_norm")...)
		all = append(
			all,
			Parameter{name + "qkv", []int64{3 * d, d}, glorot, 0},
			Parameter{name + "out", []int64{d, d}, glorot, 0},
		)
		all = append(all, norm(name+"feed_norm")...)
		all = append(
			all,
			Parameter{name + "up", []int64{d, d}, glorot, 0}, Parameter{name + "up_bias", []int64{d}, 0, 0},
			Parameter{name + "down", []int64{d, d}, glorot, 0}, Parameter{name + "down_bias", []int64{d}, 0, 0},
		)
	}
	return append(all, norm("norm")...)
}

// Flat returns the tensor of all weights. It belongs to the model: a change to it changes the
// model.
func (m *Model) Flat() *torch.Tensor { return m.flat }

// Free frees the weights.
func (m *Model) Free() { m.flat.Free() }

// network has the model's weights by name, for one pass; dropout is 0 except in training.
type network struct {
	*Model
	weights map[string]*torch.Tensor
	dropout float64
}

// assemble splits a flat tensor into the network's weights, as views in flat's scope.
func (m *Model) assemble(flat *torch.Tensor, dropout float64) network {
	parameters := m.Parameters()
	sizes := make([]int64, len(parameters))
	for i, p := range parameters {
		sizes[i] = p.numel()
	}
	n := network{m, make(map[string]*torch.Tensor, len(parameters)), dropout}
	for i, view := range flat.Split(0, sizes...) {
		n.weights[parameters[i].Name] = view.View(parameters[i].Shape...)
	}
	return n
}

func (n network) applyDropout(x *torch.Tensor) *torch.Tensor {
	if n.dropout == 0 {
		return x
	}
	return x.Dropout(n.dropout)
}

func (n network) norm(name string, x *torch.Tensor) *torch.Tensor {
	return x.LayerNorm(n.weights[name+".weight"], n.weights[name+".bias"], epsilon)
}

// encode returns the hidden state at each position of the histories, which predicts the next item.
// Histories are padded with 0 on the right: no position attends to a later one, so padding needs no
// mask, and position 0 is every history's oldest item. [batch, width] to [batch, width, dim]
func (n network) encode(s *torch.Scope, histories []int64, width int64) *torch.Tensor {
	batch := int64(len(histories)) / width
	rows := s.FromInt64(histories, batch, width).ToDevice(n.device)
	mask := s.FromFloat32(causalMask(width), 1, 1, width, width).ToDevice(n.device) // [1, 1, query, key]
	x := rows.Embedding(n.weights["items"])                                         // [batch, width, dim]
	positions := n.positions(s, histories, width)                                   // [1 or batch, width, dim]
	if n.Alpha > 0 {
		return n.filteredBlocks(s, x.Add(positions), mask, histories)
	}
	x = n.applyDropout(x.MulNumber(math.Sqrt(float64(n.HiddenSize))).Add(positions))
	for i := range n.Blocks {
		name := fmt.Sprintf("block%d.", i)
		x = x.Add(n.selfAttention(name, n.norm(name+"attention_norm", x), mask))
		h := n.norm(name+"feed_norm", x).Linear(n.weights[name+"up"]).Add(n.weights[name+"up_bias"])
		h = n.applyDropout(h.Relu()).Linear(n.weights[name+"down"]).Add(n.weights[name+"down_bias"])
		x = x.Add(n.applyDropout(h))
	}
	return n.norm("norm", x)
}

// positions returns the embeddings of the positions, which count from the oldest item, or from the
// latest one in a model that was trained on prefixes. [1 or batch, width, dim]
func (n network) positions(s *torch.Scope, histories []int64, width int64) *torch.Tensor {
	if n.Loss != LossLast {
		return n.weights["positions"].Narrow(0, 0, width)
	}
	ids := make([]int64, len(histories))
	for row := int64(0); row < int64(len(histories)); row += width {
		length := historyLength(histories[row : row+width])
		for i := range length {
			ids[row+i] = int64(n.MaxLength) - length + i
		}
	}
	return s.FromInt64(ids, int64(len(ids))/width, width).ToDevice(n.device).Embedding(n.weights["positions"])
}

// historyLength returns the number of items in a padded row.
func historyLength(row []int64) int64 {
	length := int64(len(row))
	for length > 0 && row[length-1] == 0 {
		length--
	}
	return length
}

// selfAttention returns multi-head self-attention. [batch, width, dim]
func (n network) selfAttention(name string, x, mask *torch.Tensor) *torch.Tensor {
	batch, width, heads, head := x.Dim(0), x.Dim(1), int64(n.Heads), int64(n.HiddenSize/n.Heads)
	split := x.Linear(n.weights[name+"qkv"]).View(batch, width, 3, heads, head).Permute(2, 0, 3, 1, 4).Unbind(0)
	query, keys, values := split[0], split[1], split[2]                   // [batch, heads, width, head]
	scores := query.MatMul(keys.Transpose(2, 3))                          // [batch, heads, query, key]
	scores = scores.MulNumber(1 / math.Sqrt(float64(head))).Add(mask)     // [batch, heads, query, key]
	attended := n.applyDropout(scores.Softmax(-1)).MatMul(values)         // [batch, heads, width, head]
	attended = attended.Transpose(1, 2).Reshape(batch, width, heads*head) // [batch, width, dim]
	return n.applyDropout(attended.Linear(n.weights[name+"out"]))
}

// maskValue is added to the scores of masked positions: their softmax is 0.
const maskValue = -math.MaxFloat32

// causalMask masks, for each position, all later ones. [query, key]
func causalMask(width int64) []float32 {
	mask := make([]float32, width*width)
	for query := range width {
		for key := query + 1; key < width; key++ {
			mask[query*width+key] = maskValue
		}
	}
	return mask
}

// logits scores all items with the item embeddings as output weights. [rows, dim] to [rows, items]
func (n network) logits(x *torch.Tensor) *torch.Tensor {
	return x.Linear(n.weights["items"].Narrow(0, 1, int64(n.items)))
}

// Gradient returns the mean cross-entropy over all items at every position of the batch, with
// dropout sampled by seed, and its gradient with respect to [Model.Flat].
func (m *Model) Gradient(s *torch.Scope, b Batch, seed int64) (loss, gradient *torch.Tensor) {
	leaf := s.Use(m.flat).Leaf()
	forward := func() {
		// libtorch keeps the tensors that the backward pass needs: our handles would only keep all
		// of them alive longer.
		inner := s.Sub()
		defer inner.Close()
		n := m.assemble(inner.Use(leaf), m.Dropout)
		positions := inner.FromInt64(b.Positions, int64(len(b.Positions))).ToDevice(m.device)
		labels := inner.FromInt64(b.Labels, int64(len(b.Labels))).ToDevice(m.device)
		x := n.encode(inner, b.Inputs, b.Width).Reshape(-1, int64(m.HiddenSize)) // [batch * width, dim]
		x = x.IndexSelect(0, positions)                                          // [positions, dim]
		loss = s.Adopt(n.logits(x).CrossEntropy(labels, -1, 0))
	}
	if m.Dropout > 0 {
		torch.Seeded(seed, forward)
	} else {
		forward()
	}
	return loss, loss.Gradient(leaf)
}
