package t5

import (
	"fmt"

	"rdrec/internal/torch"
)

// network is the parts of a model, put together for one pass over a batch: over the weights themselves, or over weights that
// record what is done with them for the gradient.
type network struct {
	Config
	// dropout is 0 except while training.
	dropout float64

	words, prompts, wholeWords, head *torch.Tensor
	encoder, decoder                 stack
}

// assemble puts a network together from the pieces of a model.
func (m *Model) assemble(views []*torch.Tensor, dropout float64) *network {
	byName := make(map[string]*torch.Tensor, len(views))
	for i, piece := range m.pieces {
		byName[piece.name] = views[i]
	}
	n := &network{
		Config: m.Config, dropout: dropout,
		words: byName["shared"], prompts: byName["prompt_embeddings"], wholeWords: byName["whole_word_embeddings"],
		head: byName["lm_head"],
	}
	if n.Tied {
		n.head = n.words
	}
	n.encoder = n.stack(byName, "encoder", m.Layers)
	n.decoder = n.stack(byName, "decoder", m.DecoderLayers)
	return n
}

func (n *network) stack(views map[string]*torch.Tensor, name string, layers int) stack {
	s := stack{
		blocks: make([]block, layers),
		norm:   norm{views[name+".final_layer_norm"], n.Epsilon},
		bias:   views[name+".block.0.layer.0.SelfAttention.relative_attention_bias"],
	}
	for i := range s.blocks {
		layer := func(j int) string { return fmt.Sprintf("%s.block.%d.layer.%d.", name, i, j) }
		layerNorm := func(j int) norm { return norm{views[layer(j)+"layer_norm"], n.Epsilon} }
		b, last := &s.blocks[i], 1
		b.selfNorm = layerNorm(0)
		b.self = attention{n, views[layer(0)+"SelfAttention.qkv"], nil, views[layer(0)+"SelfAttention.o"]}
		if name == "decoder" {
			last = 2
			b.crossNorm = layerNorm(1)
			b.cross = attention{n, views[layer(1)+"EncDecAttention.q"], views[layer(1)+"EncDecAttention.kv"], views[layer(1)+"EncDecAttention.o"]}
		}
		b.feedNorm = layerNorm(last)
		b.feed = feedForward{n, views[layer(last)+"DenseReluDense.wi"], views[layer(last)+"DenseReluDense.wo"]}
	}
	return s
}

// drop is dropout, while training.
func (n *network) drop(x *torch.Tensor) *torch.Tensor {
	if n.dropout == 0 {
		return x
	}
	return x.Dropout(n.dropout)
}
