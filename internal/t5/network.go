package t5

import (
	"fmt"

	"rdrec/internal/torch"
)

// network is the layers of a model, assembled for one pass over a batch. Its weights are the
// model's, or copies that record gradients.
type network struct {
	Config
	// dropout is the dropout rate; 0 except in training.
	dropout float64
	// half multiplies matrices in bfloat16. Sums, norms, softmax and loss stay float32.
	half bool
	// packed holds packed copies of matrices that are used often enough to repay packing.
	packed map[*torch.Tensor]*torch.Matrix
	// saved recomputes the segments of the pass for the gradient; nil without gradient
	// checkpointing.
	saved *savedActivations
	// items are the codes of the items, positions the tables of relative positions, and headWeight
	// and labelSmoothing parts of the loss (see [Model]).
	items                      *itemIndex
	positions                  *positionTables
	headWeight, labelSmoothing float64

	words, prompts, wholeWords, itemEmbeddings, head *torch.Tensor
	encoder, decoder                                 stack
}

// trainingNetwork returns a network for training: with the model's dropout, in its precision.
func (m *Model) trainingNetwork(views []*torch.Tensor) *network {
	n := m.assemble(views, m.Dropout, m.BFloat16)
	n.headWeight, n.labelSmoothing = m.HeadWeight, m.LabelSmoothing
	return n
}

// assemble builds a network from fused weights; those that are not used may be nil. With half, it
// multiplies by bfloat16 copies of them.
func (m *Model) assemble(views []*torch.Tensor, dropout float64, half bool) *network {
	byName, matrix := make(map[string]*torch.Tensor, len(views)), make(map[string]*torch.Tensor, len(views))
	for i, weight := range m.fusedWeights {
		byName[weight.name], matrix[weight.name] = views[i], views[i]
		if half && views[i] != nil {
			matrix[weight.name] = views[i].To(torch.BFloat16)
		}
	}
	n := &network{
		Config: m.Config, dropout: dropout, half: half, items: m.items, positions: m.positions,
		words: byName["shared"], prompts: byName["prompt_embeddings"], wholeWords: byName["whole_word_embeddings"],
		itemEmbeddings: byName["item_embeddings"], head: matrix[m.headName()],
	}
	n.encoder = n.stack(byName, matrix, "encoder", m.Layers)
	n.decoder = n.stack(byName, matrix, "decoder", m.DecoderLayers)
	return n
}

// headName returns the name of the weight that scores tokens.
func (c Config) headName() string {
	if c.Tied {
		return "shared"
	}
	return "lm_head"
}

func (n *network) stack(views, matrices map[string]*torch.Tensor, name string, layers int) stack {
	s := stack{
		blocks: make([]block, layers),
		norm:   norm{views[name+".final_layer_norm"], n.Epsilon},
		bias:   views[biasName(name)],
	}
	for i := range s.blocks {
		layer := func(j int) string { return fmt.Sprintf("%s.block.%d.layer.%d.", name, i, j) }
		layerNorm := func(j int) norm { return norm{views[layer(j)+"layer_norm"], n.Epsilon} }
		b, last := &s.blocks[i], 1
		b.selfNorm = layerNorm(0)
		b.self = attention{n, matrices[layer(0)+"SelfAttention.qkv"], nil, matrices[layer(0)+"SelfAttention.o"]}
		if name == "decoder" {
			last = 2
			b.crossNorm = layerNorm(1)
			cross := func(name string) *torch.Tensor { return matrices[layer(1)+"EncDecAttention."+name] }
			b.cross = attention{n, cross("q"), cross("kv"), cross("o")}
		}
		b.feedNorm = layerNorm(last)
		b.feed = feedForward{n, matrices[layer(last)+"DenseReluDense.wi"], matrices[layer(last)+"DenseReluDense.wo"]}
	}
	return s
}

func biasName(stack string) string {
	return stack + ".block.0.layer.0.SelfAttention.relative_attention_bias"
}

// linear returns x times the transpose of a matrix, in the matrix's precision.
func (n *network) linear(x, matrix *torch.Tensor) *torch.Tensor {
	if packed := n.packed[matrix]; packed != nil {
		shape := x.Shape()
		last := len(shape) - 1
		return packed.Many(x.Reshape(-1, shape[last])).View(append(shape[:last], -1)...)
	}
	if n.half {
		x = x.To(torch.BFloat16)
	}
	return x.Linear(matrix)
}

// toFloat32 converts a product back to float32.
func (n *network) toFloat32(x *torch.Tensor) *torch.Tensor {
	if n.half {
		return x.To(torch.Float32)
	}
	return x
}

// applyDropout applies dropout in training.
func (n *network) applyDropout(x *torch.Tensor) *torch.Tensor {
	if n.dropout == 0 {
		return x
	}
	return x.Dropout(n.dropout)
}
