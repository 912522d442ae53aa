package t5_test

import (
	"fmt"
	"math"
	"testing"

	"rdrec/internal/spec"
	"rdrec/internal/t5"
	"rdrec/internal/task"
	"rdrec/internal/torch"
)

// hfT5 is a second implementation of Hugging Face's T5 over plain tensors. It applies dropout where
// modeling_t5.py does: to the embeddings of both stacks, to attention probabilities, to the output
// of each sublayer, inside the feed-forward layer, and to the final states of both stacks. The
// order of the operations is the order in which dropout is sampled.
type hfT5 struct {
	t5.Config
	weights map[string]*torch.Tensor
	// segment runs each segment of the pass: a checkpointed one samples dropout with its own seed.
	segment func(f func())
}

func (h hfT5) drop(x *torch.Tensor) *torch.Tensor { return x.Dropout(h.Dropout) }

func (h hfT5) norm(x *torch.Tensor, name string) *torch.Tensor {
	return x.Mul(x.Square().MeanAlong(-1).AddNumber(1e-6).Rsqrt()).Mul(h.weights[name+"layer_norm.weight"])
}

func (h hfT5) times(x *torch.Tensor, name string) *torch.Tensor {
	return x.MatMul(h.weights[name+".weight"].Transpose(0, 1))
}

// attend is one attention without its residual connection. [rows, queries, model]
func (h hfT5) attend(x, encoded, bias *torch.Tensor, name string) *torch.Tensor {
	heads := func(x *torch.Tensor) *torch.Tensor { // [rows, heads, length, head]
		return x.View(x.Dim(0), x.Dim(1), h.Heads, h.Head).Transpose(1, 2).Contiguous()
	}
	q, k, v := heads(h.times(x, name+"q")), heads(h.times(encoded, name+"k")), heads(h.times(encoded, name+"v"))
	scores := q.MatMul(k.Transpose(2, 3))
	if bias != nil {
		scores = scores.Add(bias)
	}
	mixed := h.drop(scores.Softmax(-1)).MatMul(v)
	return h.times(mixed.Transpose(1, 2).Reshape(x.Dim(0), x.Dim(1), h.Heads*h.Head), name+"o")
}

func (h hfT5) feedForward(x *torch.Tensor, name string) *torch.Tensor {
	if h.Activation == "relu" {
		return h.times(h.drop(h.times(x, name+"wi").Relu()), name+"wo")
	}
	return h.times(h.drop(h.times(x, name+"wi_0").Gelu().Mul(h.times(x, name+"wi_1"))), name+"wo")
}

// bias is the relative position bias of a stack. [1, heads, length, length]
func (h hfT5) bias(s *torch.Scope, stack string, length int64) *torch.Tensor {
	buckets, later := make([]int64, 0, length*length), make([]float32, 0, length*length)
	for query := range length {
		for key := range length {
			buckets = append(buckets, t5.Bucket(key-query, h.Buckets, h.MaxDistance, stack == "encoder"))
			hide := float32(0)
			if stack == "decoder" && key > query {
				hide = -math.MaxFloat32
			}
			later = append(later, hide)
		}
	}
	table := h.weights[stack+".block.0.layer.0.SelfAttention.relative_attention_bias.weight"]
	bias := s.FromInt64(buckets, length, length).Embedding(table).Permute(2, 0, 1).Unsqueeze(0)
	return bias.Add(s.FromFloat32(later, length, length))
}

// stack runs the encoder (encoded is nil) or the decoder. [rows, length, model]
func (h hfT5) stack(name string, hidden, encoded, bias, crossBias *torch.Tensor) *torch.Tensor {
	h.segment(func() {}) // the bias samples no dropout
	h.segment(func() { hidden = h.drop(hidden) })
	for i := range h.Layers {
		layer := func(j int) string { return fmt.Sprintf("%s.block.%d.layer.%d.", name, i, j) }
		h.segment(func() {
			normed := h.norm(hidden, layer(0))
			hidden = hidden.Add(h.drop(h.attend(normed, normed, bias, layer(0)+"SelfAttention.")))
			last := layer(1)
			if encoded != nil {
				last = layer(2)
				attended := h.attend(h.norm(hidden, layer(1)), encoded, crossBias, layer(1)+"EncDecAttention.")
				hidden = hidden.Add(h.drop(attended))
			}
			hidden = hidden.Add(h.drop(h.feedForward(h.norm(hidden, last), last+"DenseReluDense.")))
		})
	}
	h.segment(func() { hidden = h.drop(h.norm(hidden, name+".final_")) })
	return hidden
}

// embed returns the inputs of the encoder and the decoder.
// [rows, prompts + source, model], [rows, target, model]
func (h hfT5) embed(s *torch.Scope, b task.Batch) (source, target *torch.Tensor) {
	look := func(table string, ids []int64, length int) *torch.Tensor {
		return s.FromInt64(ids, int64(b.Size), int64(length)).Embedding(h.weights[table+".weight"])
	}
	var prompts, read []int64
	for row, number := range b.Prompts {
		for i := range h.Prompts {
			prompts = append(prompts, number*h.Prompts+i)
		}
		target := b.Target[row*b.TargetLen : (row+1)*b.TargetLen]
		read = append(append(read, h.Start), target[:len(target)-1]...)
	}
	source = look("shared", b.Source, b.SourceLen).Add(look("whole_word_embeddings", b.Whole, b.SourceLen))
	return torch.Cat(1, look("prompt_embeddings", prompts, int(h.Prompts)), source), look("shared", read, b.TargetLen)
}

// loss returns the mean cross-entropy over length buckets, which are encoded and decoded in order.
func (h hfT5) loss(s *torch.Scope, p spec.Protocol, buckets ...task.Batch) *torch.Tensor {
	h.segment(func() {}) // lookups sample no dropout
	var hidden []*torch.Tensor
	var labels []int64
	for _, b := range buckets {
		source, target := h.embed(s, b)
		length := h.Prompts + int64(b.SourceLen)
		hide := make([]float32, 0, int64(b.Size)*length)
		for row := range b.Size {
			hide = append(hide, make([]float32, h.Prompts)...)
			for _, real := range b.Mask[row*b.SourceLen : (row+1)*b.SourceLen] {
				hide = append(hide, float32(1-real)*-math.MaxFloat32)
			}
		}
		mask := s.FromFloat32(hide, int64(b.Size), 1, 1, length)
		encoded := h.stack("encoder", source, nil, h.bias(s, "encoder", length).Add(mask), nil)
		var crossBias *torch.Tensor
		if p.MaskCross {
			crossBias = mask
		}
		decoded := h.stack("decoder", target, encoded, h.bias(s, "decoder", int64(b.TargetLen)), crossBias)
		hidden, labels = append(hidden, decoded.View(-1, h.Model)), append(labels, b.Target...)
	}
	all, head, ignored := torch.Cat(0, hidden...), "lm_head", int64(-100)
	if h.Tied {
		all, head = all.MulNumber(1/math.Sqrt(float64(h.Model))), "shared"
	}
	if p.SkipPads {
		ignored = 0
	}
	return h.times(all, head).CrossEntropy(s.FromInt64(labels, int64(len(labels))), ignored, 0)
}

// hfGradient returns the loss of length buckets and its gradient, in the order of [t5.Model.Flat].
func hfGradient(
	t *testing.T, m *t5.Model, p spec.Protocol, seed int64, buckets ...task.Batch,
) (loss float64, gradient []float32) {
	t.Helper()
	err := torch.Run(func(s *torch.Scope) error {
		leaf := s.Use(m.Flat()).Leaf()
		h := hfT5{Config: m.Config, weights: map[string]*torch.Tensor{}, segment: func(f func()) { f() }}
		for _, named := range m.Named(leaf) {
			h.weights[named.Name] = named.Tensor
		}
		var l *torch.Tensor
		if m.GradientCheckpointing {
			number := int64(0)
			h.segment = func(f func()) {
				torch.Seeded(seed+1_000_003*number, f)
				number++
			}
			l = h.loss(s, p, buckets...)
		} else {
			torch.Seeded(seed, func() { l = h.loss(s, p, buckets...) })
		}
		loss, gradient = l.Float(), l.Gradient(leaf).Float32s()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return loss, gradient
}

// twoLayers returns a model small enough for a training step in milliseconds, with a dropout rate
// that affects every loss.
func twoLayers(t *testing.T, activation string) *t5.Model {
	t.Helper()
	c := t5.FromSize(spec.Size{Model: 8, Head: 4, FeedForward: 16, Layers: 2, Heads: 2, Dropout: 0.3}, 3)
	c.Vocabulary, c.Start, c.Activation, c.Tied = 64, 5, activation, activation == "relu"
	return newModel(t, c, 1)
}

// padded returns three rows, the longest last, with padding in sources and targets.
func padded() task.Batch {
	return task.Batch{
		Size: 3, SourceLen: 5, TargetLen: 3, Prompts: []int64{0, 4, 2},
		Source: []int64{5, 6, 1, 0, 0, 9, 8, 7, 1, 0, 9, 8, 7, 6, 1},
		Mask:   []int64{1, 1, 1, 0, 0, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1},
		Whole:  []int64{1, 2, 0, 0, 0, 1, 1, 2, 0, 0, 1, 1, 1, 2, 0},
		Target: []int64{7, 1, 0, 8, 1, 0, 9, 10, 1},
	}
}

// TestDropoutMatchesHuggingFace compares loss and gradient with the same pass over plain tensors,
// with and without gradient checkpointing.
func TestDropoutMatchesHuggingFace(t *testing.T) {
	for _, activation := range []string{"relu", "gated-gelu"} {
		for _, p := range spec.Protocols() {
			for _, checkpointing := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, %s, checkpointing %t", activation, p.Name, checkpointing), func(t *testing.T) {
					m := twoLayers(t, activation)
					m.GradientCheckpointing = checkpointing
					want, wantGradient := hfGradient(t, m, p, 7, padded()) // gradient() has this seed
					got, gotGradient := gradient(t, m, padded(), p, 0)
					compare(t, want, got, wantGradient, gotGradient)
				})
			}
		}
	}
}

// TestPassWithoutDropoutIsHuggingFaces compares them without dropout, in float32 and in bfloat16.
func TestPassWithoutDropoutIsHuggingFaces(t *testing.T) {
	for _, checkpointing := range []bool{false, true} {
		m := twoLayers(t, "gated-gelu")
		m.Dropout, m.GradientCheckpointing = 0, checkpointing
		want, wantGradient := hfGradient(t, m, spec.Protocol{}, 0, padded())
		got, gotGradient := gradient(t, m, padded(), spec.Protocol{}, 0)
		compare(t, want, got, wantGradient, gotGradient)
		m.BFloat16 = true
		half, halfGradient := gradient(t, m, padded(), spec.Protocol{}, 0)
		distance, _ := relativeDistance(wantGradient, halfGradient)
		if off := math.Abs(half/want - 1); off == 0 || off > 0.02 || distance == 0 || distance > 0.1 {
			t.Errorf("checkpointing %t: loss %v in bfloat16, want about %v; gradients %v of their length apart",
				checkpointing, half, want, distance)
		}
	}
}

func compare(t *testing.T, want, got float64, wantGradient, gotGradient []float32) {
	t.Helper()
	if !(math.Abs(got-want) < 1e-5) {
		t.Errorf("loss %v, want %v", got, want)
	}
	if distance, _ := relativeDistance(wantGradient, gotGradient); !(distance < 1e-4) {
		t.Errorf("gradients are %v of their length apart", distance)
	}
}

// TestMicroBatchesSampleTheirOwnDropout accumulates micro-batches: one that starts at row r samples
// dropout with the seed plus r. The weight of each is its number of labels.
func TestMicroBatchesSampleTheirOwnDropout(t *testing.T) {
	for _, checkpointing := range []bool{false, true} {
		for name, c := range map[string]struct {
			protocol spec.Protocol
			rows     int
			parts    []task.Batch
			shares   []float64
			seeds    []int64
		}{
			// Each target has three positions, of which 2, 2 and 3 are not padding.
			"a row at a time": {
				spec.Protocol{SkipPads: true},
				1,
				[]task.Batch{padded().Rows(0, 1), padded().Rows(1, 2), padded().Rows(2, 3)},
				[]float64{2. / 7, 2. / 7, 3. / 7},
				[]int64{7, 8, 9},
			},
			"two rows at a time": {
				spec.Protocol{},
				2,
				[]task.Batch{padded().Rows(0, 2), padded().Rows(2, 3)},
				[]float64{2. / 3, 1. / 3},
				[]int64{7, 9},
			},
		} {
			m := twoLayers(t, "relu")
			m.GradientCheckpointing = checkpointing
			want, wantGradient := 0.0, make([]float32, m.Flat().Numel())
			for i, part := range c.parts {
				loss, gradient := hfGradient(t, m, c.protocol, c.seeds[i], part)
				want += c.shares[i] * loss
				for j, x := range gradient {
					wantGradient[j] += float32(c.shares[i]) * x
				}
			}
			t.Run(fmt.Sprintf("%s, checkpointing %t", name, checkpointing), func(t *testing.T) {
				got, gotGradient := gradient(t, m, padded(), c.protocol, c.rows)
				compare(t, want, got, wantGradient, gotGradient)
			})
		}
	}
}

// TestEqualRowsInPartsHaveDifferentLosses checks two rows of the same example, which differ only in
// their dropout.
func TestEqualRowsInPartsHaveDifferentLosses(t *testing.T) {
	m := twoLayers(t, "relu")
	row := padded().Rows(2, 3)
	first, _ := gradient(t, m, row, spec.Protocol{}, 0)
	both, _ := gradient(t, m, repeat(row, 2), spec.Protocol{}, 1)
	if math.Abs(both-first) < 1e-4 {
		t.Errorf("two parts have a loss of %v, equal to the first alone", both)
	}
}
