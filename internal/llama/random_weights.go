package llama

import (
	"errors"
	"fmt"
	"strings"

	"rdrec/internal/torch"
)

// OpenRandom returns an engine with the tokenizer of the model at path and with random weights of a
// configuration: a model for measuring speed, which generates meaningless text. The configuration's
// vocabulary must hold the tokenizer's. The caller must close the engine.
func OpenRandom(path string, config Config, options Options) (_ *Engine, err error) {
	if err := config.check(); err != nil {
		return nil, fmt.Errorf("random weights: %w", err)
	}
	files, err := openSource(options.Format, path)
	if err != nil {
		return nil, unusable(err)
	}
	random := &randomSource{source: files, shape: config}
	defer func() { err = errors.Join(err, random.Close()) }()
	return openEngine(path, random, options)
}

// randomSource is a source whose weights are random numbers. Weights repeat the numbers of one
// block, because sampling billions takes minutes.
type randomSource struct {
	source

	shape Config
	block *torch.Tensor // one-dimensional; as long as the longest weight so far
}

func (r *randomSource) config() (Config, error) { return r.shape, nil }

// read fills a norm with ones, and any other weight with numbers that keep the activations in
// range.
func (r *randomSource) read(name string, into *torch.Tensor) error {
	if strings.Contains(name, "norm.") {
		into.Fill(1)
		return nil
	}
	n := int64(into.Numel())
	if r.block == nil || int64(r.block.Numel()) < n {
		sampled := torch.NewScope()
		defer sampled.Close()
		block := torch.Keep(sampled.Empty(torch.Float32, torch.CPU, n).Normal(0, 0.02))
		r.free()
		r.block = block
	}
	s := torch.NewScope()
	defer s.Close()
	into.SetTo(s.Use(r.block).Narrow(0, 0, n).View(into.Shape()...))
	return nil
}

func (r *randomSource) free() {
	if r.block != nil {
		r.block.Free()
	}
}

// Close frees the block and closes the tokenizer's files.
func (r *randomSource) Close() error {
	r.free()
	return r.source.Close()
}
