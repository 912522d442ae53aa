package t5

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"slices"
	"strings"

	"rdrec/internal/torch"
)

// ErrModel marks a model whose files are damaged, incomplete or not a T5's. Retrying does not help.
var ErrModel = errors.New("unusable model")

// Load reads a model from a Hugging Face folder (config.json, and weights in safetensors or
// PyTorch's format, in one or several files, in single or half precision), or from the reference's
// pickled model (model.pt). Load executes no code of a pickle.
func Load(path string, device torch.Device) (*Model, error) {
	return load(path, func(c Config) (*Model, error) { return allocate(c, device), nil }, false)
}

// PretrainedOptions configures what a student has and a pretrained T5 lacks.
type PretrainedOptions struct {
	// Prompts is the number of vectors per prompt. Seed initializes them and the whole-word
	// embeddings.
	Prompts int
	Seed    int64
	// Dropout replaces the model's dropout rate unless it is nil.
	Dropout *float64
	// Items are the student's item tokens. Tokens of codes that the model lacks are added to its
	// tables, with the standard deviation of its own rows.
	Items ItemConfig
}

// LoadPretrained is [Load] for a model that may lack prompt vectors, whole-word embeddings and item
// tokens (such as t5-small): it initializes missing ones and keeps those of the model. A model
// trained on fewer items keeps their embeddings.
func LoadPretrained(path string, extra PretrainedOptions, device torch.Device) (*Model, error) {
	return load(path, func(c Config) (*Model, error) {
		if c.ItemCodes > 0 && c.ItemCodes != extra.Items.ItemCodes {
			return nil, fmt.Errorf("it has %d codes of items, the data has %d", c.ItemCodes, extra.Items.ItemCodes)
		}
		c = c.WithItems(extra.Items)
		c.Prompts = int64(extra.Prompts)
		if extra.Dropout != nil {
			c.Dropout = *extra.Dropout
		}
		return New(c, extra.Seed, device)
	}, true)
}

// CheckPretrained returns an error that wraps [ErrModel] if [LoadPretrained] cannot use a folder.
// It reads the configuration, and the names and shapes of the weights.
func CheckPretrained(path string) error {
	_, weights, err := openChecked(path, true)
	if err != nil {
		return err
	}
	return weights.Close()
}

// load creates a model of path's configuration and copies path's weights into it. allowMissing
// permits weights without the student's two tables.
func load(path string, newModel func(Config) (*Model, error), allowMissing bool) (*Model, error) {
	c, weights, err := openChecked(path, allowMissing)
	if err != nil {
		return nil, err
	}
	m, err := newModel(c)
	if err != nil {
		return nil, unusable(path, errors.Join(err, weights.Close()))
	}
	if err := errors.Join(m.fill(weights, allowMissing), weights.Close()); err != nil {
		m.Free()
		return nil, unusable(path, err)
	}
	return m, nil
}

// openChecked opens a model whose weights have the shapes of its configuration. It reads no weights
// yet.
func openChecked(path string, allowMissing bool) (Config, torch.Weights, error) {
	c, weights, err := open(path)
	if err != nil {
		return c, nil, unusable(path, err)
	}
	if err := c.checkShapes(weights.Shapes(), allowMissing); err != nil {
		return c, nil, unusable(path, errors.Join(err, weights.Close()))
	}
	return c, weights, nil
}

// maxMissing bounds the elements of tables that a pretrained model lacks: 64 times the reference's.
const maxMissing = 1 << 26

// checkShapes compares the configuration with the shapes of stored weights, before memory is
// allocated for them. allowMissing permits weights without the student's two tables.
func (c Config) checkShapes(stored map[string][]int64, allowMissing bool) error {
	missing := int64(0)
	for _, p := range c.Parameters() {
		name, ok := storedName(p.Name, stored)
		switch {
		case !ok && allowMissing && isStudentTable(p.Name):
			if missing += p.Numel(); missing > maxMissing {
				return fmt.Errorf("tensor %q is missing, and config.json wants the shape %v", p.Name, p.Shape)
			}
		case !ok:
			return fmt.Errorf("tensor %q is missing", p.Name)
		case !slices.Equal(stored[name], p.Shape):
			return fmt.Errorf("tensor %q: shape %v, want %v", name, stored[name], p.Shape)
		}
	}
	return nil
}

// unusable marks an error of a model's files, unless reading failed or memory ran out: then another
// attempt may succeed.
func unusable(path string, err error) error {
	var failed *fs.PathError
	var raised *torch.Error
	if errors.As(err, &raised) || errors.As(err, &failed) && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("model %q: %w", path, err)
	}
	return fmt.Errorf("model %q: %w: %w", path, ErrModel, err)
}

func open(path string) (Config, torch.Weights, error) {
	info, err := os.Stat(path)
	if err != nil {
		return Config{}, nil, err
	}
	if !info.IsDir() {
		return openModule(path)
	}
	c, err := ReadConfig(path)
	if err != nil {
		return Config{}, nil, err
	}
	weights, err := torch.OpenWeights(path)
	return c, weights, err
}

// openModule opens the reference's pickled model. Its configuration is an attribute of the module,
// under Hugging Face's names.
func openModule(path string) (Config, torch.Weights, error) {
	pickle, err := torch.ReadPickle(path)
	if err != nil {
		return Config{}, nil, err
	}
	text, err := json.Marshal(defaults())
	if err != nil {
		return Config{}, nil, err
	}
	keys := map[string]any{}
	if err := json.Unmarshal(text, &keys); err != nil {
		return Config{}, nil, err
	}
	for key := range keys {
		if value := pickle.Attribute("config", key); value != nil {
			keys[key] = value
		}
	}
	if prompts := pickle.Attribute("prompts_per_task"); prompts != nil {
		keys["prompts_per_task"] = prompts
	}
	if text, err = json.Marshal(keys); err != nil {
		return Config{}, nil, err
	}
	c, err := parseConfig(text)
	if err != nil {
		return Config{}, nil, fmt.Errorf("model %q: config: %w", path, errors.Join(err, pickle.Close()))
	}
	return c, pickle, nil
}

// fill copies weights into the model, one tensor at a time.
func (m *Model) fill(weights torch.Weights, allowMissing bool) error {
	stored := weights.Shapes()
	return torch.Run(func(s *torch.Scope) error {
		for _, p := range m.Named(s.Use(m.flat)) {
			name, ok := storedName(p.Name, stored)
			if !ok && allowMissing && isStudentTable(p.Name) {
				continue
			}
			if !ok {
				return fmt.Errorf("tensor %q is missing", p.Name)
			}
			if err := copyInto(p.Tensor, weights, name, allowMissing && isItemTable(p.Name)); err != nil {
				return err
			}
		}
		return nil
	})
}

// copyInto copies a tensor of weights to dst. A table that may be extended can have fewer rows than
// dst, whose last rows then stay, scaled to the standard deviation of the table.
func copyInto(dst *torch.Tensor, weights torch.Weights, name string, extended bool) error {
	inner := torch.NewScope()
	defer inner.Close()
	t, err := weights.Read(inner, name)
	if err != nil {
		return err
	}
	if missing := dst.Dim(0) - t.Dim(0); extended && missing > 0 && t.Dim(0) > 0 {
		rest := dst.Narrow(0, t.Dim(0), missing)
		size := rootMeanSquare(inner.Use(t).To(torch.Float32))
		rest.Scale(size / max(rootMeanSquare(rest), math.SmallestNonzeroFloat32))
		dst = dst.Narrow(0, 0, t.Dim(0))
	}
	if !slices.Equal(t.Shape(), dst.Shape()) {
		return fmt.Errorf("tensor %q: shape %v, want %v", name, t.Shape(), dst.Shape())
	}
	dst.SetTo(t)
	return nil
}

// rootMeanSquare returns the root of the mean square of the elements.
func rootMeanSquare(t *torch.Tensor) float64 { return t.Norm().Float() / math.Sqrt(float64(t.Numel())) }

// isStudentTable reports whether a parameter is one of the tables that Hugging Face's T5 lacks.
func isStudentTable(name string) bool {
	return strings.HasPrefix(name, "prompt_embeddings.") || strings.HasPrefix(name, "whole_word_embeddings.") ||
		strings.HasPrefix(name, "item_embeddings.")
}

// isItemTable reports whether a parameter has a row for each token or item, so that it grows with
// the items.
func isItemTable(name string) bool {
	return slices.Contains([]string{"shared.weight", "lm_head.weight", "item_embeddings.weight"}, name)
}

// storedName returns the name of a parameter in the weights. Older files store the shared table
// under the name of one of its uses.
func storedName(name string, stored map[string][]int64) (string, bool) {
	if _, ok := stored[name]; ok {
		return name, true
	}
	if name == "shared.weight" {
		for _, use := range []string{"encoder.embed_tokens.weight", "decoder.embed_tokens.weight", "lm_head.weight"} {
			if _, ok := stored[use]; ok {
				return use, true
			}
		}
	}
	return "", false
}
