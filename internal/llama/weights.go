package llama

import (
	"fmt"
	"math"

	"rdrec/internal/torch"
)

// loader reads weights into the device's memory, one tensor at a time. The first error stops it.
type loader struct {
	scope  *torch.Scope
	source source
	device torch.Device
	kept   []interface{ Free() } // tensors read so far
	err    error
}

func (l *loader) keep(t *torch.Tensor) *torch.Tensor {
	t = torch.Keep(t)
	l.kept = append(l.kept, t)
	return t
}

// freeAll frees the tensors read so far after an error.
func (l *loader) freeAll() {
	for _, t := range l.kept {
		t.Free()
	}
}

// part is one of the matrices that form a weight: its name and its number of rows.
type part struct {
	name string
	rows int
}

// load reads a model with the given configuration and element type. Call it inside [torch.Run].
func load(s *torch.Scope, files source, config Config, dtype torch.DType, device torch.Device) (*model, error) {
	m := &model{config: config, dtype: dtype, device: device}
	l := &loader{scope: s, source: files, device: device}
	complete := false
	defer func() {
		if !complete {
			l.freeAll()
		}
	}()
	m.embedding = l.matrix(dtype, config.Model, part{"token_embd.weight", config.Vocabulary})
	m.norm = l.vector("output_norm.weight", config.Model)
	if config.Tied {
		m.head = l.packShared(m.embedding)
	} else {
		m.head = l.pack(l.matrix(dtype, config.Model, part{"output.weight", config.Vocabulary}))
	}
	for i := range config.Layers {
		m.layers = append(m.layers, l.layer(i, &config, dtype))
	}
	if l.err != nil {
		return nil, l.err
	}
	m.ropeTable = l.ropeTable(&config)
	complete = true
	return m, nil
}

// layer reads the weights of block i.
func (l *loader) layer(i int, c *Config, dtype torch.DType) layer {
	name := func(weight string) string { return fmt.Sprintf("blk.%d.%s.weight", i, weight) }
	out := layer{
		attentionNorm:   l.vector(name("attn_norm"), c.Model),
		out:             l.pack(l.matrix(dtype, c.Heads*c.Head, part{name("attn_output"), c.Model})),
		feedForwardNorm: l.vector(name("ffn_norm"), c.Model),
		gateUp: l.pack(l.matrix(dtype, c.Model,
			part{name("ffn_gate"), c.FeedForward}, part{name("ffn_up"), c.FeedForward})),
		down: l.pack(l.matrix(dtype, c.FeedForward, part{name("ffn_down"), c.Model})),
	}
	queries, others := c.Heads*c.Head, c.Groups*c.Head
	out.qkv = l.pack(l.scaled(queries, 1/math.Sqrt(float64(c.Head)), func() *torch.Tensor {
		return l.matrix(torch.Float32, c.Model,
			part{name("attn_q"), queries}, part{name("attn_k"), others}, part{name("attn_v"), others})
	}, dtype))
	return out
}

// pack returns a matrix for products, which owns the weight.
func (l *loader) pack(weight *torch.Tensor) *torch.Matrix {
	if l.err != nil {
		return nil
	}
	m := torch.NewMatrix(l.scope, weight)
	l.kept = append(l.kept, m)
	return m
}

// packShared returns a matrix of a weight that has other uses too.
func (l *loader) packShared(weight *torch.Tensor) *torch.Matrix {
	if l.err != nil {
		return nil
	}
	m := torch.ShareMatrix(l.scope, weight)
	l.kept = append(l.kept, m)
	return m
}

// scaled multiplies the first rows of a matrix, so that attention need not scale its queries.
func (l *loader) scaled(rows int, by float64, read func() *torch.Tensor, dtype torch.DType) *torch.Tensor {
	t := read()
	if l.err != nil {
		return nil
	}
	inner := l.scope.Sub()
	defer inner.Close()
	inner.Use(t).Narrow(0, 0, int64(rows)).Scale(by)
	return l.convert(t, dtype)
}

// vector reads a norm's weights.
func (l *loader) vector(name string, size int) *torch.Tensor {
	return l.read(torch.Float32, []int64{int64(size)}, part{name, size})
}

// matrix reads matrices of the same width into one. [sum of rows, columns]
func (l *loader) matrix(dtype torch.DType, columns int, parts ...part) *torch.Tensor {
	rows := 0
	for _, p := range parts {
		rows += p.rows
	}
	return l.read(dtype, []int64{int64(rows), int64(columns)}, parts...)
}

// read fills a tensor of the given shape with the parts, in order along the first dimension.
func (l *loader) read(dtype torch.DType, shape []int64, parts ...part) *torch.Tensor {
	if l.err != nil {
		return nil
	}
	t := l.keep(l.scope.Empty(torch.Float32, torch.CPU, shape...))
	inner := l.scope.Sub()
	defer inner.Close()
	row := int64(0)
	for _, p := range parts {
		if l.err = l.source.read(p.name, inner.Use(t).Narrow(0, row, int64(p.rows))); l.err != nil {
			return nil
		}
		row += int64(p.rows)
	}
	return l.convert(t, dtype)
}

// convert moves a kept tensor to the device with the given element type.
func (l *loader) convert(t *torch.Tensor, dtype torch.DType) *torch.Tensor {
	if dtype == torch.Float32 && l.device == torch.CPU {
		return t
	}
	inner := l.scope.Sub()
	defer inner.Close()
	out := l.keep(inner.Use(t).To(dtype).ToDevice(l.device))
	t.Free()
	return out
}

// ropeTable computes RoPE's rotations for all positions as unit complex numbers. [context, head/2]
func (l *loader) ropeTable(c *Config) *torch.Tensor {
	half := c.Head / 2
	frequency := make([]float32, half)
	for i := range frequency {
		frequency[i] = float32(1 / math.Pow(c.RopeBase, float64(2*i)/float64(c.Head)) / c.RopeScale)
		if c.RopeFactors != nil {
			frequency[i] /= c.RopeFactors[i]
		}
	}
	pairs := make([]float32, 0, c.Context*c.Head)
	for position := range c.Context {
		for _, f := range frequency {
			sin, cos := math.Sincos(float64(float32(position) * f))
			pairs = append(pairs, float32(cos), float32(sin))
		}
	}
	inner := l.scope.Sub()
	defer inner.Close()
	turns := inner.FromFloat32(pairs, int64(c.Context), int64(half), 2).ToDevice(l.device).Complex()
	return l.keep(turns)
}
