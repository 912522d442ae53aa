package llama

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"rdrec/internal/torch"
)

// The files of Meta's folder.
const (
	metaConfigFile = "params.json"
	metaFiles      = "params.json, consolidated.00.pth and further parts, and tokenizer.model"
)

// metaSource is a folder in Meta's format: a checkpoint in one file, or in one file per GPU of
// tensor parallelism.
type metaSource struct {
	dir    string
	params metaParams
	vocab  *vocabulary
	shards []torch.Weights
}

// metaParams is params.json.
type metaParams struct {
	Model       int     `json:"dim"`
	Layers      int     `json:"n_layers"`
	Heads       int     `json:"n_heads"`
	Groups      int     `json:"n_kv_heads"`
	Vocabulary  int     `json:"vocab_size"` // -1: the tokenizer's
	Multiple    int     `json:"multiple_of"`
	Multiplier  float64 `json:"ffn_dim_multiplier"`
	Epsilon     float64 `json:"norm_eps"`
	RopeBase    float64 `json:"rope_theta"`
	Scaled      bool    `json:"use_scaled_rope"`
	ScaleFactor float64 `json:"rope_scaling_factor"`
}

// Constants of Meta's code that its folders do not contain.
const (
	metaContext   = 4096    // Llama 2
	llama3Context = 8192    // Llama 3; the context from which later versions scale RoPE
	longContext   = 131_072 // Llama 3.1 and later
	llama3Base    = 500_000
)

func openMeta(dir string) (source, error) {
	params := metaParams{Epsilon: 1e-5, RopeBase: 10_000, Multiple: 256, Multiplier: 1, ScaleFactor: 8}
	f := &metaSource{dir: dir, params: params, vocab: newVocabulary()}
	if err := readJSON(filepath.Join(dir, metaConfigFile), &f.params); err != nil {
		return nil, missingFile(err, dir, metaFiles)
	}
	if err := f.tokenizer(); err != nil {
		return nil, missingFile(err, dir, metaFiles)
	}
	paths, err := filepath.Glob(filepath.Join(dir, "consolidated.*.pth"))
	if err != nil {
		return nil, err
	}
	for i := range paths {
		path := filepath.Join(dir, fmt.Sprintf("consolidated.%02d.pth", i))
		shard, err := torch.OpenPickle(path)
		if err != nil {
			return nil, errors.Join(missingFile(err, dir, metaFiles), f.Close())
		}
		f.shards = append(f.shards, shard)
	}
	if len(f.shards) == 0 {
		return nil, fmt.Errorf("model folder %q has no consolidated.00.pth (want %s)", dir, metaFiles)
	}
	return f, nil
}

// Close closes the shards.
func (f *metaSource) Close() error {
	all := make([]error, 0, len(f.shards))
	for _, shard := range f.shards {
		all = append(all, shard.Close())
	}
	return errors.Join(all...)
}

// tokenizer reads tokenizer.model.
func (f *metaSource) tokenizer() error {
	if err := readPieces(f.vocab, filepath.Join(f.dir, pieceModelFile)); err != nil {
		return err
	}
	if id, ok := f.vocab.ids["<s>"]; ok {
		f.vocab.beginToken = id
	}
	return nil
}

// vocabulary returns the tokenizer.
func (f *metaSource) vocabulary() (*vocabulary, error) { return f.vocab, f.vocab.check() }

// config computes the configuration as Meta's code does.
func (f *metaSource) config() (Config, error) {
	p := f.params
	c := Config{
		Layers: p.Layers, Model: p.Model, Vocabulary: p.Vocabulary,
		Heads: p.Heads, Groups: p.Groups, Head: p.Model / max(p.Heads, 1),
		Epsilon: p.Epsilon, RopeBase: p.RopeBase, RopeScale: 1, Context: metaContext,
	}
	_, untied := f.shards[0].Shapes()["output.weight"]
	c.Tied = !untied
	if c.Groups == 0 {
		c.Groups = c.Heads
	}
	if c.Vocabulary <= 0 {
		c.Vocabulary = f.vocab.Size()
	}
	multiple := max(p.Multiple, 1)
	c.FeedForward = (int(p.Multiplier*float64(8*p.Model/3)) + multiple - 1) / multiple * multiple
	if c.RopeBase >= llama3Base {
		c.Context = llama3Context
	}
	err := c.check()
	if p.Scaled && err == nil {
		c.Context = longContext
		scaling := llama3Rope{Factor: p.ScaleFactor, Low: 1, High: 4, Original: llama3Context}
		c.RopeFactors, err = scaling.factors(c.RopeBase, c.Head)
	}
	if err != nil {
		err = fmt.Errorf("%q: %w", filepath.Join(f.dir, metaConfigFile), err)
	}
	return c, err
}

// metaNames maps GGUF's names of weights to Meta's; %s is the index of the layer.
func metaNames() map[string]string {
	return map[string]string{
		"token_embd": "tok_embeddings", "output_norm": "norm", "output": "output",
		"attn_norm": "layers.%s.attention_norm", "ffn_norm": "layers.%s.ffn_norm",
		"attn_q": "layers.%s.attention.wq", "attn_k": "layers.%s.attention.wk",
		"attn_v": "layers.%s.attention.wv", "attn_output": "layers.%s.attention.wo",
		"ffn_gate": "layers.%s.feed_forward.w1", "ffn_up": "layers.%s.feed_forward.w3",
		"ffn_down": "layers.%s.feed_forward.w2",
	}
}

// read merges a weight's shards. Their shape determines the axis: rows of weights that are split by
// output (wq, w1, output; Llama 3's embedding), columns of weights that are split by input (wo, w2;
// Llama 2's embedding). Norms are equal in all shards.
func (f *metaSource) read(name string, into *torch.Tensor) error {
	theirs := translateName(name, metaNames())
	for i, shard := range f.shards {
		if err := f.merge(theirs, shard, int64(i), into); err != nil {
			return fmt.Errorf("shard %d: %w", i, err)
		}
	}
	return nil
}

// merge copies shard i of a weight to its part of into.
func (f *metaSource) merge(name string, shard torch.Weights, i int64, into *torch.Tensor) error {
	s := into.Scope().Sub()
	defer s.Close()
	t, err := shard.Read(s, name)
	if err != nil {
		return err
	}
	shape, want, count := t.Shape(), into.Shape(), int64(len(f.shards))
	if slices.Equal(shape, want) {
		if i == 0 {
			into.SetTo(t)
		}
		return nil
	}
	for axis := range want {
		part := slices.Clone(want)
		part[axis] /= count
		if len(shape) == 2 && part[axis]*count == want[axis] && slices.Equal(shape, part) {
			s.Use(into).Narrow(int64(axis), i*part[axis], part[axis]).SetTo(t)
			return nil
		}
	}
	return shapeError(fmt.Sprintf("%s in %d parts", name, count), shape, want, metaConfigFile)
}
