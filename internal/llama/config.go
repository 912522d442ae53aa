package llama

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
)

// Config is the configuration of a model.
type Config struct {
	// Layers, Model, FeedForward and Vocabulary are n_layers, dim, hidden_dim and vocab_size in
	// Meta's code.
	Layers, Model, FeedForward, Vocabulary int
	// Heads is the number of query heads, Groups the number of key/value heads (grouped-query
	// attention), and Head the width of a head.
	Heads, Groups, Head int
	// Context is the maximum number of tokens of a text.
	Context int
	// Epsilon is added to the mean square in every norm.
	Epsilon float64
	// RopeBase is RoPE's base (theta). Positions are divided by RopeScale; 1 means no scaling.
	RopeBase, RopeScale float64
	// RopeFactors are divisors of RoPE's frequencies, one for each, as in Llama 3.1 and later; nil
	// means no scaling.
	RopeFactors []float32
	// Tied makes the embedding table the output head too.
	Tied bool
}

// The names of the RoPE scaling types.
const (
	ropeLinear = "linear"
	ropeLlama3 = "llama3"
)

// llama3Rope is the RoPE scaling with which Llama 3.1 and later extend the context that they were
// first trained with. Wavelengths longer than Original / Low are scaled by Factor, those shorter
// than Original / High are not scaled, and those between are interpolated.
type llama3Rope struct {
	Factor, Low, High, Original float64
}

// factors returns the divisors of the frequencies of heads of the given width.
func (r llama3Rope) factors(base float64, head int) ([]float32, error) {
	if r.Factor <= 0 || r.Low <= 0 || r.High <= r.Low || r.Original <= 0 {
		return nil, fmt.Errorf("rope scaling %s: invalid factor %g, low %g, high %g or context %g",
			ropeLlama3, r.Factor, r.Low, r.High, r.Original)
	}
	out := make([]float32, head/2)
	for i := range out {
		length := 2 * math.Pi * math.Pow(base, float64(2*i)/float64(head))
		smooth := min(max((r.Original/length-r.Low)/(r.High-r.Low), 0), 1)
		out[i] = float32(1 / ((1-smooth)/r.Factor + smooth))
	}
	return out, nil
}

// maxRotations bounds the table of RoPE's rotations: a million positions of wide heads.
const maxRotations = 1 << 27

// ReadConfig reads the configuration of the model at path without its weights.
func ReadConfig(format Format, path string) (c Config, err error) {
	files, err := openSource(format, path)
	if err != nil {
		return c, unusable(err)
	}
	defer func() { err = errors.Join(err, files.Close()) }()
	if c, err = files.config(); err != nil {
		return c, unusable(err)
	}
	size, err := sizeOf(path)
	if err != nil {
		return c, err
	}
	return c, c.checkSize(size)
}

// Parameters returns the number of weights.
func (c *Config) Parameters() int64 { return int64(c.parameters()) }

// TokenWeights returns the number of keys and values of a token in the KV cache.
func (c *Config) TokenWeights() int64 { return int64(2 * c.Layers * c.Groups * c.Head) }

// parameters returns the number of weights as a number that never overflows.
func (c *Config) parameters() float64 {
	vocabulary, model, forward := float64(c.Vocabulary), float64(c.Model), float64(c.FeedForward)
	queries, others := float64(c.Heads)*float64(c.Head), float64(c.Groups)*float64(c.Head)
	layer := 2*model + 2*model*queries + 2*model*others + 3*model*forward
	tables := vocabulary * model
	if !c.Tied {
		tables *= 2
	}
	return tables + model + float64(c.Layers)*layer
}

// checkSize rejects a configuration with more weights than files of so many bytes can hold, at one
// bit for each, before memory is allocated for them.
func (c *Config) checkSize(bytes int64) error {
	if n := c.parameters(); n > 8*float64(bytes) {
		return fmt.Errorf("its settings need %.0f weights, and its files have %d bytes", n, bytes)
	}
	return nil
}

// check rejects impossible configurations.
func (c *Config) check() error {
	sizes := map[string]int{
		"layers": c.Layers, "width": c.Model, "feed-forward width": c.FeedForward, "heads": c.Heads, "groups": c.Groups,
		"head width": c.Head, "context": c.Context, "vocabulary": c.Vocabulary,
	}
	for _, name := range slices.Sorted(maps.Keys(sizes)) {
		if v := sizes[name]; v < 1 || v > 1<<24 {
			return fmt.Errorf("%s %d is out of range", name, v)
		}
	}
	switch {
	case int64(c.Context)*int64(c.Head) > maxRotations:
		return fmt.Errorf("a context of %d with heads of width %d is out of range", c.Context, c.Head)
	case c.Heads%c.Groups != 0:
		return fmt.Errorf("%d heads are not divisible by %d key/value heads", c.Heads, c.Groups)
	case c.Head%2 != 0:
		return fmt.Errorf("heads of odd width %d cannot use rope", c.Head)
	case c.RopeScale <= 0 || c.RopeBase <= 0:
		return fmt.Errorf("rope base %g and scale %g must be positive", c.RopeBase, c.RopeScale)
	}
	return nil
}
