package t5

import (
	"fmt"
	"math"
)

// Parameter is a tensor of the model, under its name in Hugging Face's T5.
type Parameter struct {
	Name        string
	Shape       []int64
	initializer initializer
}

// Numel returns the number of elements.
func (p Parameter) Numel() int64 {
	n := int64(1)
	for _, size := range p.Shape {
		n *= size
	}
	return n
}

// initializer is the distribution of a parameter's initial values: uniform within ±uniformRange, or
// normal with mean and standard deviation std.
type initializer struct {
	mean, std, uniformRange float64
}

func ones() initializer              { return initializer{mean: 1} }
func normal(std float64) initializer { return initializer{std: std} }
func fanIn(width ...int64) initializer {
	product := 1.0
	for _, w := range width {
		product *= float64(w)
	}
	return normal(1 / math.Sqrt(product))
}

// fusedWeight is a tensor as the network uses it: one parameter, or several that multiply the same
// input (the projections of queries, keys and values of an attention). These are adjacent in
// memory, so a fused weight is a view of all of them.
type fusedWeight struct {
	name  string
	shape []int64
	parts []Parameter
}

func (p fusedWeight) numel() int64 {
	n := int64(0)
	for _, part := range p.parts {
		n += part.Numel()
	}
	return n
}

// layout lists a model's fused weights in the order of the reference's optimizer.
type layout struct{ weights []fusedWeight }

func (l *layout) add(name string, parts ...Parameter) {
	shape := append([]int64{}, parts[0].Shape...)
	for _, part := range parts[1:] {
		shape[0] += part.Shape[0]
	}
	l.weights = append(l.weights, fusedWeight{name: name, shape: shape, parts: parts})
}

func (l *layout) addOne(name string, init initializer, shape ...int64) {
	l.add(name, Parameter{Name: name + ".weight", Shape: shape, initializer: init})
}

// layout returns all fused weights of the model. The initializers are those of Hugging Face's T5
// (_init_weights with factor 1), and the reference's for prompts and whole words
// (docs/deviations.md, behavior 3).
func (c Config) layout() []fusedWeight {
	l := &layout{}
	l.addOne("shared", normal(1), c.Vocabulary, c.Model)
	l.stack(c, "encoder", c.Layers)
	l.stack(c, "decoder", c.DecoderLayers)
	if !c.Tied {
		l.addOne("lm_head", normal(1), c.Vocabulary, c.Model)
	}
	if c.Prompts > 0 {
		l.addOne("prompt_embeddings", initializer{uniformRange: 0.1}, c.Tasks*c.Prompts, c.Model)
	}
	l.addOne("whole_word_embeddings", normal(1), c.Positions, c.Model)
	if c.ItemEmbeddings > 0 {
		l.addOne("item_embeddings", normal(1), c.ItemEmbeddings, c.Model)
	}
	if c.InitializerRange > 0 {
		l.setRange(c)
	}
	return l.weights
}

// setRange gives all sampled weights the configuration's standard deviation. The decoder's last
// norm starts at the square root of the width, which cancels the scale of a tied head: otherwise
// the logits of small embeddings would start near 0.
func (l *layout) setRange(c Config) {
	for _, weight := range l.weights {
		for i, part := range weight.parts {
			switch {
			case part.initializer.mean == 0:
				weight.parts[i].initializer = normal(c.InitializerRange)
			case weight.name == "decoder.final_layer_norm" && c.Tied:
				weight.parts[i].initializer.mean = math.Sqrt(float64(c.Model))
			}
		}
	}
}

func (l *layout) stack(c Config, name string, layers int) {
	for i := range layers {
		block := fmt.Sprintf("%s.block.%d.layer.", name, i)
		last := 1
		l.selfAttention(c, block+"0.", i == 0)
		if name == "decoder" {
			last = 2
			l.crossAttention(c, block+"1.")
		}
		l.feedForward(c, fmt.Sprintf("%s%d.", block, last))
	}
	l.addOne(name+".final_layer_norm", ones(), c.Model)
}

func (l *layout) selfAttention(c Config, layer string, bias bool) {
	name, inner := layer+"SelfAttention.", c.Heads*c.Head
	l.add(
		name+"qkv",
		Parameter{name + "q.weight", []int64{inner, c.Model}, fanIn(c.Model, c.Head)},
		Parameter{name + "k.weight", []int64{inner, c.Model}, fanIn(c.Model)},
		Parameter{name + "v.weight", []int64{inner, c.Model}, fanIn(c.Model)},
	)
	l.addOne(name+"o", fanIn(inner), c.Model, inner)
	if bias {
		l.addOne(name+"relative_attention_bias", fanIn(c.Model), c.Buckets, c.Heads)
	}
	l.addOne(layer+"layer_norm", ones(), c.Model)
}

func (l *layout) crossAttention(c Config, layer string) {
	name, inner := layer+"EncDecAttention.", c.Heads*c.Head
	l.addOne(name+"q", fanIn(c.Model, c.Head), inner, c.Model)
	l.add(
		name+"kv",
		Parameter{name + "k.weight", []int64{inner, c.Model}, fanIn(c.Model)},
		Parameter{name + "v.weight", []int64{inner, c.Model}, fanIn(c.Model)},
	)
	l.addOne(name+"o", fanIn(inner), c.Model, inner)
	l.addOne(layer+"layer_norm", ones(), c.Model)
}

func (l *layout) feedForward(c Config, layer string) {
	name := layer + "DenseReluDense."
	if c.gated() {
		l.add(
			name+"wi",
			Parameter{name + "wi_0.weight", []int64{c.FeedForward, c.Model}, fanIn(c.Model)},
			Parameter{name + "wi_1.weight", []int64{c.FeedForward, c.Model}, fanIn(c.Model)},
		)
	} else {
		l.addOne(name+"wi", fanIn(c.Model), c.FeedForward, c.Model)
	}
	l.addOne(name+"wo", fanIn(c.FeedForward), c.Model, c.FeedForward)
	l.addOne(layer+"layer_norm", ones(), c.Model)
}

func (c Config) gated() bool { return c.Activation == "gated-gelu" }

// Parameters returns the model's parameters in the order of the reference's optimizer, which is
// their order in [Model.Flat].
func (c Config) Parameters() []Parameter {
	var all []Parameter
	for _, weight := range c.layout() {
		all = append(all, weight.parts...)
	}
	return all
}
