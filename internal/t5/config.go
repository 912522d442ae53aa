// Package t5 implements the student: a T5 encoder-decoder with prompt vectors before the tokens and
// whole-word embeddings added to them, as in RDRec. Its input is batches of token ids. Its output
// is losses and gradients for training, and log-probabilities for decoding, one token at a time.
// Each part has a file: [Config], the layout of its parameters, embedding, relative bias,
// attention, feed-forward, stack, loss, decoding, and loading from and saving to Hugging Face's T5
// layout.
package t5

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"rdrec/internal/spec"
	"rdrec/internal/task"
	"rdrec/internal/untrusted"
)

// ConfigFile is the name of Hugging Face's model configuration file.
const ConfigFile = "config.json"

// Config is the configuration of a T5. Its JSON names are those of Hugging Face's config.json.
type Config struct {
	Architectures []string `json:"architectures"`
	ModelType     string   `json:"model_type"`
	// Vocabulary is the number of token ids (32,128: the tokenizer's 32,100, padded).
	Vocabulary int64 `json:"vocab_size"`
	// Model, Head and FeedForward are the widths of a hidden state, an attention head and the inner
	// feed-forward layer.
	Model       int64 `json:"d_model"`
	Head        int64 `json:"d_kv"`
	FeedForward int64 `json:"d_ff"`
	// Layers and DecoderLayers are the numbers of blocks in the encoder and the decoder; Heads is
	// the number of attention heads in a block.
	Layers        int   `json:"num_layers"`
	DecoderLayers int   `json:"num_decoder_layers"`
	Heads         int64 `json:"num_heads"`
	// Positions is the number of rows in the whole-word table. T5 itself has relative positions
	// only.
	Positions int64 `json:"n_positions"`
	// Buckets and MaxDistance configure the relative position bias.
	Buckets     int64 `json:"relative_attention_num_buckets"`
	MaxDistance int64 `json:"relative_attention_max_distance"`
	// Epsilon is added to a hidden state's mean square in layer normalization.
	Epsilon float64 `json:"layer_norm_epsilon"`
	// Activation is "relu", or "gated-gelu" (T5 v1.1).
	Activation string `json:"feed_forward_proj"`
	// Dropout is the dropout rate in training, from 0 up to but not including 1.
	Dropout      float64 `json:"dropout_rate"`
	Factor       float64 `json:"initializer_factor"`
	EncodeDecode bool    `json:"is_encoder_decoder"`
	// Tied makes the embedding table the output head too, with hidden states scaled by Model to the
	// power
	// -0.5.
	Tied     bool   `json:"tie_word_embeddings"`
	UseCache bool   `json:"use_cache"`
	Start    int64  `json:"decoder_start_token_id"`
	End      int64  `json:"eos_token_id"`
	Pad      int64  `json:"pad_token_id"`
	Type     string `json:"torch_dtype"`
	// Tasks and Prompts are not in T5: there are Prompts prompt vectors for each of Tasks prompts.
	// If Prompts is 0, there are none.
	Tasks   int64 `json:"task_num"`
	Prompts int64 `json:"prompts_per_task"`
	ItemConfig
	// InitializerRange, where set, is the standard deviation of all sampled initial weights.
	InitializerRange float64 `json:"initializer_range,omitempty"`
}

// FromSize returns the configuration of a size of [spec.Sizes], with prompts vectors per prompt.
func FromSize(size spec.Size, prompts int) Config {
	c := defaults()
	c.Model, c.Head, c.FeedForward = int64(size.Model), int64(size.Head), int64(size.FeedForward)
	c.Layers, c.DecoderLayers, c.Heads = size.Layers, size.Layers, int64(size.Heads)
	c.Dropout, c.Prompts = size.Dropout, int64(prompts)
	return c
}

// WithoutWords returns the configuration without the tokens of words, for a student that reads and
// generates items only.
func (c Config) WithoutWords() Config {
	c.Vocabulary = specialTokens + c.ItemCodes
	return c
}

// WithItems returns the configuration with item tokens, after the tokens of words.
func (c Config) WithItems(items ItemConfig) Config {
	c.Vocabulary += items.ItemCodes - c.ItemCodes
	c.ItemConfig = items
	return c
}

// defaults returns the values that Hugging Face uses for keys missing from config.json.
func defaults() Config {
	return Config{
		Architectures: []string{"T5ForConditionalGeneration"}, ModelType: "t5",
		Vocabulary: 32128, Model: 512, Head: 64, FeedForward: 2048, Layers: 6, Heads: 8, Positions: 512,
		Buckets: 32, MaxDistance: 128, Epsilon: 1e-6, Activation: "relu", Dropout: 0.1, Factor: 1,
		EncodeDecode: true, Tied: true, UseCache: true, End: 1, Type: "float32", Tasks: task.NumPrompts,
	}
}

// ReadConfig reads config.json in dir.
func ReadConfig(dir string) (Config, error) {
	path := filepath.Join(dir, ConfigFile)
	data, err := untrusted.ReadFile(path, untrusted.MaxSettings)
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
	if c.ModelType == "mt5" { // a T5 v1.1 with another vocabulary
		c.ModelType, c.Architectures = "t5", defaults().Architectures
	}
	return c, c.check()
}

// The bounds of a configuration, far above those of any T5.
const (
	maxWidth = 1 << 16
	maxRows  = 1 << 26
)

// check returns an error that names every unsupported field.
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
	report(c.ItemCodes < 0 || c.ItemCodes > c.Vocabulary-specialTokens, "item_codes", c.ItemCodes)
	report(c.ItemCodes > 0 && max(c.Pad, c.End) >= specialTokens, "item_codes with eos_token_id", c.End)
	report(c.ItemEmbeddings < 0, "item_embeddings", c.ItemEmbeddings)
	widths := map[string]int64{
		"d_model": c.Model, "d_kv": c.Head, "d_ff": c.FeedForward, "num_heads": c.Heads, "n_positions": c.Positions,
		"relative_attention_num_buckets": c.Buckets, "relative_attention_max_distance": c.MaxDistance,
		"task_num": c.Tasks, "prompts_per_task": c.Prompts, "num_layers": int64(c.Layers),
		"num_decoder_layers": int64(c.DecoderLayers),
	}
	for _, key := range slices.Sorted(maps.Keys(widths)) {
		report(widths[key] > maxWidth, key, widths[key])
	}
	report(max(c.Vocabulary, c.ItemEmbeddings) > maxRows, "vocab_size, item_embeddings", "more than 2^26")
	return errors.Join(problems...)
}
