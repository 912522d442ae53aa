package llama

import (
	"errors"
	"fmt"

	"rdrec/internal/gguf"
)

// Config is a model's shape.
type Config struct {
	// Layers, Model, FeedForward and Vocabulary are the sizes that the paper's authors call n_layers, dim, hidden_dim and vocab_size.
	Layers, Model, FeedForward, Vocabulary int
	// Heads ask, Groups of them share keys and values (grouped heads), Head is the width of each.
	Heads, Groups, Head int
	// Context is how many tokens a text may have.
	Context int
	// Epsilon stands under the root of every norm.
	Epsilon float64
	// RopeBase is the slowest wave's base (theta); RopeScale stretches positions (1 means not).
	RopeBase, RopeScale float64
}

// configOf reads a GGUF file's settings.
func configOf(file *gguf.File) (Config, error) {
	var c Config
	architecture, err := file.Text("general.architecture")
	if err != nil {
		return c, err
	}
	if architecture != "llama" {
		return c, fmt.Errorf("architecture %q: only the Llama family is known", architecture)
	}
	var faults []error
	whole := func(key string) int {
		v, err := file.Int("llama." + key)
		faults = append(faults, err)
		return v
	}
	c.Layers, c.Model, c.FeedForward = whole("block_count"), whole("embedding_length"), whole("feed_forward_length")
	c.Heads, c.Context = whole("attention.head_count"), whole("context_length")
	c.Groups = file.IntOr("llama.attention.head_count_kv", c.Heads)
	c.Head = file.IntOr("llama.attention.key_length", c.Model/max(c.Heads, 1))
	c.Epsilon, err = file.Float("llama.attention.layer_norm_rms_epsilon")
	c.RopeBase = file.FloatOr("llama.rope.freq_base", 10_000)
	c.RopeScale = 1
	if tensor, ok := file.Tensor("token_embd.weight"); ok {
		c.Vocabulary = tensor.Shape[0]
	}
	faults = append(faults, err, c.ropeOf(file), c.check())
	return c, errors.Join(faults...)
}

// ropeOf reads how positions are stretched.
func (c *Config) ropeOf(file *gguf.File) error {
	if dims := file.IntOr("llama.rope.dimension_count", c.Head); dims != c.Head {
		return fmt.Errorf("rope turns %d of %d numbers of a head: only all are known", dims, c.Head)
	}
	switch kind := file.TextOr("llama.rope.scaling.type", "none"); kind {
	case "none":
	case "linear":
		c.RopeScale = file.FloatOr("llama.rope.scaling.factor", 1)
	default:
		return fmt.Errorf("rope scaling %q is not known", kind)
	}
	return nil
}

// check refuses shapes that make no model.
func (c *Config) check() error {
	for name, v := range map[string]int{
		"layers": c.Layers, "width": c.Model, "feed-forward width": c.FeedForward, "heads": c.Heads, "groups": c.Groups,
		"head width": c.Head, "context": c.Context, "vocabulary": c.Vocabulary,
	} {
		if v < 1 || v > 1<<24 {
			return fmt.Errorf("a model with %s %d", name, v)
		}
	}
	switch {
	case c.Heads%c.Groups != 0:
		return fmt.Errorf("%d heads do not share %d groups of keys evenly", c.Heads, c.Groups)
	case c.Head%2 != 0:
		return fmt.Errorf("heads of odd width %d can't be turned by rope", c.Head)
	case c.RopeScale <= 0 || c.RopeBase <= 0:
		return fmt.Errorf("rope base %g and scale %g", c.RopeBase, c.RopeScale)
	}
	return nil
}
