package t5

import (
	"slices"

	"rdrec/internal/spec"
	"rdrec/internal/torch"
)

// labelled is decoder states and the labels that they predict.
type labelled struct {
	states []*torch.Tensor // [counted, model]
	labels []int64
}

func (l *labelled) add(states *torch.Tensor, positions, labels []int64) {
	if len(positions) > 0 {
		index := states.NewInt64(positions, int64(len(positions)))
		l.states, l.labels = append(l.states, states.IndexSelect(0, index)), append(l.labels, labels...)
	}
}

// sum returns the sum of the labels' cross-entropies.
func (l *labelled) sum(n *network, logits func(states *torch.Tensor) *torch.Tensor) *torch.Tensor {
	scores := logits(torch.Cat(0, l.states...)) // [all counted, classes]
	count := int64(len(l.labels))
	mean := scores.CrossEntropy(scores.NewInt64(l.labels, count), ignoreIndex, n.labelSmoothing)
	return mean.MulNumber(float64(count))
}

// passStates is what the loss of a pass reads: the states of both stacks, one tensor for each
// bucket, and the items' vectors. Without an item head, only the decoder's states are read.
type passStates struct {
	decoded []*torch.Tensor // [rows, target, model]
	encoded []*torch.Tensor // [rows, prompts + source, model]
	vectors *torch.Tensor   // [items, model]
}

// tokenSegment computes [network.tokenLoss] as a segment.
func (n *network) tokenSegment(
	s *torch.Scope, buckets []lengthBucket, all passStates, p spec.Protocol,
) *torch.Tensor {
	in, count := slices.Clone(all.decoded), len(all.decoded)
	if n.headWeight > 0 {
		in = append(append(in, all.encoded...), all.vectors)
	}
	return n.segment(s, []string{n.headName()}, func(n *network, in []*torch.Tensor) *torch.Tensor {
		read := passStates{decoded: in[:count]}
		if n.headWeight > 0 {
			read.encoded, read.vectors = in[count:2*count], in[2*count]
		}
		return n.tokenLoss(buckets, read, p)
	}, in...)
}

// tokenLoss is the loss of a student with item tokens. A label of a row whose target is an item
// competes with the tokens of items only, as in the search among items; others compete with the
// whole vocabulary. The item head's cross-entropies are added with the head's weight, so that one
// counts as much as that many labels.
// [1]
func (n *network) tokenLoss(buckets []lengthBucket, all passStates, p spec.Protocol) *torch.Tensor {
	var texts, items, next labelled
	for i, g := range buckets {
		textPositions, itemPositions, textLabels, itemLabels := n.splitLabels(g, p)
		states := all.decoded[i].View(-1, n.Model) // [rows * target, model]
		texts.add(states, textPositions, textLabels)
		items.add(states, itemPositions, itemLabels)
		if n.headWeight > 0 {
			if ends, labels := n.ends(all.encoded[i], g.batch, false); ends != nil {
				next.states, next.labels = append(next.states, ends), append(next.labels, labels...)
			}
		}
	}
	total := all.decoded[0].NewFloat32([]float32{0}).View() // a scalar
	if len(texts.labels) > 0 {
		total = total.Add(texts.sum(n, n.logits))
	}
	if len(items.labels) > 0 {
		total = total.Add(items.sum(n, n.codeLogits))
	}
	if len(next.labels) > 0 {
		head := next.sum(n, func(states *torch.Tensor) *torch.Tensor { return n.itemLogits(states, all.vectors) })
		total = total.Add(head.MulNumber(n.headWeight))
	}
	return total.MulNumber(1 / float64(len(texts.labels)+len(items.labels)))
}

// specialTokens is the number of tokens, the first of the vocabulary, that items' targets contain
// besides codes: the pad and the end token.
const specialTokens = 2

// splitLabels returns the target positions that count and their labels: those of texts, and those
// of items as indices among the pad token, the end token and the tokens of codes.
func (n *network) splitLabels(g lengthBucket, p spec.Protocol) (texts, items, textLabels, itemLabels []int64) {
	b := g.batch
	for i, label := range b.Target {
		if p.SkipPads && label == n.Pad {
			continue
		}
		if first := b.Target[i/b.TargetLen*b.TargetLen]; first < n.Config.words() {
			texts, textLabels = append(texts, int64(i)), append(textLabels, label)
			continue
		}
		if label >= n.Config.words() {
			label -= n.Config.words() - specialTokens
		}
		items, itemLabels = append(items, int64(i)), append(itemLabels, label)
	}
	return texts, items, textLabels, itemLabels
}

// codeLogits returns the logits of the special tokens and the tokens of codes.
// [..., special tokens + codes]
func (n *network) codeLogits(states *torch.Tensor) *torch.Tensor {
	head := n.head.In(states)
	special, codes := head.Narrow(0, 0, specialTokens), head.Narrow(0, n.Config.words(), n.ItemCodes)
	return n.logitsOf(states, torch.Cat(0, special, codes))
}
