// Package t5 is the student: a T5 encoder-decoder that reads prompt vectors before the tokens and
// adds whole-word embeddings to them, as RDRec's does. In: batches of token ids; out: losses and
// gradients for training, and log-probabilities token by token for decoding. The parts, one small
// file each: [Config], the layout of its parameters, embedding, relative bias, attention,
// feed-forward, stack, loss, decoding, and loading from and saving to Hugging Face's T5 layout.
package t5

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"rdrec/internal/spec"
	"rdrec/internal/task"
)

// ConfigFile is the name under which Hugging Face keeps a model's configuration.
const ConfigFile = "config.json"

// Config is a T5's shape, under the names of Hugging Face's config.json.
type Config struct {
	Architectures []string `json:"architectures"`
	ModelType     string   `json:"model_type"`
	// Vocabulary is how many token ids there are (32,128: the tokenizer's 32,100 and some padding).
	Vocabulary int64 `json:"vocab_size"`
	// Model, Head and FeedForward are widths: of a hidden state, of an attention head, and inside a
	// feed-forward layer.
	Model       int64 `json:"d_model"`
	Head        int64 `json:"d_kv"`
	FeedForward int64 `json:"d_ff"`
	// Layers and DecoderLayers are the blocks of each stack; Heads is the attention heads of a
	// block.
	Layers        int   `json:"num_layers"`
	DecoderLayers int   `json:"num_decoder_layers"`
	Heads         int64 `json:"num_heads"`
	// Positions is how many whole words the whole-word table tells apart. T5 itself has no
	// positions, only distances.
	Positions int64 `json:"n_positions"`
	// Buckets and MaxDistance shape the relative position bias.
	Buckets     int64 `json:"relative_attention_num_buckets"`
	MaxDistance int64 `json:"relative_attention_max_distance"`
	// Epsilon is added to a hidden state's mean square before it divides.
	Epsilon float64 `json:"layer_norm_epsilon"`
	// Activation is "relu", or "gated-gelu" (T5 v1.1).
	Activation string `json:"feed_forward_proj"`
	// Dropout is the share of values set to 0 while training (0 to 0.9).
	Dropout      float64 `json:"dropout_rate"`
	Factor       float64 `json:"initializer_factor"`
	EncodeDecode bool    `json:"is_encoder_decoder"`
	// Tied is whether the embedding table is the output head too, behind a scaling by Model to the
	// -0.5.
	Tied     bool   `json:"tie_word_embeddings"`
	UseCache bool   `json:"use_cache"`
	Start    int64  `json:"decoder_start_token_id"`
	End      int64  `json:"eos_token_id"`
	Pad      int64  `json:"pad_token_id"`
	Type     string `json:"torch_dtype"`
	// Tasks and Prompts are ours: Prompts vectors for each of Tasks tasks. 0 prompts means none.
	Tasks   int64 `json:"task_num"`
	Prompts int64 `json:"prompts_per_task"`
}

// FromSize returns the configuration of a row of [spec.Sizes], with prompts prompt vectors a task.
func FromSize(size spec.Size, prompts int) Config {
	c := defaults()
	c.Model, c.Head, c.FeedForward = int64(size.Model), int64(size.Head), int64(size.FeedForward)
	c.Layers, c.DecoderLayers, c.Heads = size.Layers, size.Layers, int64(size.Heads)
	c.Dropout, c.Prompts = size.Dropout, int64(prompts)
	return c
}

// defaults are the values that Hugging Face assumes for what a config.json leaves out.
func defaults() Config {
	return Config{
		Architectures: []string{"T5ForConditionalGeneration"}, ModelType: "t5",
		Vocabulary: 32128, Model: 512, Head: 64, FeedForward: 2048, Layers: 6, Heads: 8, Positions: 512,
		Buckets: 32, MaxDistance: 128, Epsilon: 1e-6, Activation: "relu", Dropout: 0.1, Factor: 1,
		EncodeDecode: true, Tied: true, UseCache: true, End: 1, Type: "float32", Tasks: task.NumPrompts,
	}
}

// ReadConfig reads dir's config.json.
func ReadConfig(dir string) (Config, error) {
	path := filepath.Join(dir, ConfigFile)
	data, err := os.ReadFile(path)
	if err != nil {
		return Config{}, err
	}
	c, err := parseConfig(data)
	if err != nil {
		return Config{}, fmt.Errorf("model config %q: %w", path, err)
	}
	return c, nil
}

func parseConfig(data []byte) (Config, error) {
	c := defaults()
	c.DecoderLayers = 0
	if err := json.Unmarshal(data, &c); err != nil {
		return Config{}, err
	}
	if c.DecoderLayers == 0 {
		c.DecoderLayers = c.Layers
	}
	return c, c.check()
}

// check names every field that no T5 of ours can have.
func (c Config) check() error {
	var problems []error
	report := func(bad bool, key string, value any) {
		if bad {
			problems = append(problems, fmt.Errorf("%s: %v is not supported", key, value))
		}
	}
	report(c.ModelType != "t5", "model_type", c.ModelType)
	report(!slices.Contains([]string{"relu", "gated-gelu"}, c.Activation), "feed_forward_proj", c.Activation)
	report(c.Vocabulary < 2, "vocab_size", c.Vocabulary)
	report(min(c.Model, c.Head, c.FeedForward, c.Heads) < 1, "d_model, d_kv, d_ff, num_heads", "less than 1")
	report(min(c.Layers, c.DecoderLayers) < 1, "num_layers", c.Layers)
	report(c.Positions < 1, "n_positions", c.Positions)
	report(c.Buckets < 4 || c.Buckets%4 != 0, "relative_attention_num_buckets", c.Buckets)
	report(c.MaxDistance <= c.Buckets/2, "relative_attention_max_distance", c.MaxDistance)
	report(c.Dropout < 0 || c.Dropout >= 1, "dropout_rate", c.Dropout)
	report(c.Prompts < 0 || c.Tasks < 0, "prompts_per_task", c.Prompts)
	return errors.Join(problems...)
}
