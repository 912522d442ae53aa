package llama

import (
	"fmt"
	"math"
)

// Config is a model's shape.
type Config struct {
	// Layers, Model, FeedForward and Vocabulary are the sizes that the paper's authors call
	// n_layers, dim, hidden_dim and vocab_size.
	Layers, Model, FeedForward, Vocabulary int
	// Heads ask, Groups of them share keys and values (grouped heads), Head is the width of each.
	Heads, Groups, Head int
	// Context is how many tokens a text may have.
	Context int
	// Epsilon stands under the root of every norm.
	Epsilon float64
	// RopeBase is the slowest wave's base (theta); RopeScale stretches positions (1 means not).
	RopeBase, RopeScale float64
	// RopeFactors divide the waves' frequencies, one for each, as Llama 3.1 and later do; nil means
	// that they stay.
	RopeFactors []float32
	// Tied says that the embedding is the head too.
	Tied bool
}

// Ways to stretch positions, as settings name them.
const (
	ropeLinear = "linear"
	ropeLlama3 = "llama3"
)

// llama3Rope is how Llama 3.1 and later reach beyond the context that they were first taught: waves
// longer than Original / Low are stretched by Factor, those shorter than Original / High are not,
// and those between by something between.
type llama3Rope struct {
	Factor, Low, High, Original float64
}

// factors are what the frequencies of heads of the given width are divided by.
func (r llama3Rope) factors(base float64, head int) ([]float32, error) {
	if r.Factor <= 0 || r.Low <= 0 || r.High <= r.Low || r.Original <= 0 {
		return nil, fmt.Errorf("rope scaling %s with factor %g, low %g, high %g and context %g", ropeLlama3, r.Factor, r.Low, r.High, r.Original)
	}
	out := make([]float32, head/2)
	for i := range out {
		length := 2 * math.Pi * math.Pow(base, float64(2*i)/float64(head))
		smooth := min(max((r.Original/length-r.Low)/(r.High-r.Low), 0), 1)
		out[i] = float32(1 / ((1-smooth)/r.Factor + smooth))
	}
	return out, nil
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
		return fmt.Errorf("%d heads are not divisible by %d key/value heads", c.Heads, c.Groups)
	case c.Head%2 != 0:
		return fmt.Errorf("heads of odd width %d cannot use rope", c.Head)
	case c.RopeScale <= 0 || c.RopeBase <= 0:
		return fmt.Errorf("rope base %g and scale %g", c.RopeBase, c.RopeScale)
	}
	return nil
}
