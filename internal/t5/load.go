package t5

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"rdrec/internal/torch"
)

// Load reads a model from a Hugging Face folder: config.json, and weights in safetensors or PyTorch's own format, in one file or
// several, in single or half precision.
func Load(dir string, device torch.Device) (*Model, error) {
	c, err := ReadConfig(dir)
	if err != nil {
		return nil, err
	}
	return load(dir, c, device, nil)
}

// Extra is what a pretrained T5 lacks of a student.
type Extra struct {
	// Prompts is how many prompt vectors each task has, and Seed draws them and the whole-word embeddings.
	Prompts int
	Seed    int64
	// Dropout replaces the model's own rate when set.
	Dropout *float64
}

// LoadPretrained reads a model that knows nothing of prompts and whole words (t5-small and its like) and starts those. A model that has
// them keeps them.
func LoadPretrained(dir string, extra Extra, device torch.Device) (*Model, error) {
	c, err := ReadConfig(dir)
	if err != nil {
		return nil, err
	}
	c.Prompts = int64(extra.Prompts)
	if extra.Dropout != nil {
		c.Dropout = *extra.Dropout
	}
	fresh, err := New(c, extra.Seed, device)
	if err != nil {
		return nil, err
	}
	return load(dir, c, device, fresh)
}

// load fills a model from dir's weights; fresh, where given, is that model and keeps what the weights lack of ours.
func load(dir string, c Config, device torch.Device, fresh *Model) (*Model, error) {
	weights, err := torch.OpenWeights(dir)
	if err != nil {
		return nil, err
	}
	m := fresh
	if m == nil {
		m = allocate(c, device)
	}
	err = errors.Join(m.fill(weights, fresh != nil), weights.Close())
	if err != nil {
		m.Free()
		return nil, fmt.Errorf("model %q: %w", dir, err)
	}
	return m, nil
}

// fill copies weights into the model, one tensor at a time.
func (m *Model) fill(weights torch.Weights, lacksOurs bool) error {
	names := weights.Names()
	return torch.Run(func(s *torch.Scope) error {
		for _, p := range m.Named(s.Use(m.flat)) {
			name, ok := stored(p.Name, names)
			if !ok && lacksOurs && ours(p.Name) {
				continue
			}
			if !ok {
				return fmt.Errorf("tensor %q is missing", p.Name)
			}
			if err := copyInto(p.Tensor, weights, name); err != nil {
				return err
			}
		}
		return nil
	})
}

func copyInto(dst *torch.Tensor, weights torch.Weights, name string) error {
	inner := torch.NewScope()
	defer inner.Close()
	t, err := weights.Read(inner, name)
	if err != nil {
		return err
	}
	if !slices.Equal(t.Shape(), dst.Shape()) {
		return fmt.Errorf("tensor %q: shape %v, want %v", name, t.Shape(), dst.Shape())
	}
	dst.SetTo(t)
	return nil
}

// ours tells the two tables that Hugging Face's T5 does not have.
func ours(name string) bool {
	return strings.HasPrefix(name, "prompt_embeddings.") || strings.HasPrefix(name, "whole_word_embeddings.")
}

// stored is the name under which the weights have a parameter: older files name the shared table by one of its uses.
func stored(name string, names []string) (string, bool) {
	if slices.Contains(names, name) {
		return name, true
	}
	if name == "shared.weight" {
		for _, use := range []string{"encoder.embed_tokens.weight", "decoder.embed_tokens.weight", "lm_head.weight"} {
			if slices.Contains(names, use) {
				return use, true
			}
		}
	}
	return "", false
}
