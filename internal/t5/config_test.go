package t5_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/spec"
	"rdrec/internal/t5"
)

// readConfig reads a config.json with the given text.
func readConfig(t *testing.T, text string) (t5.Config, error) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return t5.ReadConfig(dir)
}

// hfDefaults returns the defaults of transformers' T5Config, with t5-small's n_positions and
// decoder_start_token_id, and the student's defaults for keys that T5 lacks.
func hfDefaults() t5.Config {
	return t5.Config{
		Architectures: []string{"T5ForConditionalGeneration"}, ModelType: "t5", Vocabulary: 32128,
		Model: 512, Head: 64, FeedForward: 2048, Layers: 6, DecoderLayers: 6, Heads: 8, Positions: 512,
		Buckets: 32, MaxDistance: 128, Epsilon: 0.000001,
		Activation: "relu", Dropout: 0.1, Factor: 1, EncodeDecode: true,
		Tied: true, UseCache: true, Start: 0, End: 1, Pad: 0, Type: "float32", Tasks: 5, Prompts: 0,
	}
}

func TestDefaultsAreHuggingFaces(t *testing.T) {
	got, err := readConfig(t, `{}`)
	if diff := cmp.Diff(hfDefaults(), got); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
}

// t5Small is google-t5/t5-small's config.json without its task_specific_params.
const t5Small = `{
  "architectures": ["T5ForConditionalGeneration"], "d_ff": 2048, "d_kv": 64, "d_model": 512,
  "decoder_start_token_id": 0,
  "dropout_rate": 0.1, "eos_token_id": 1, "initializer_factor": 1.0, "is_encoder_decoder": true,
  "layer_norm_epsilon": 1e-06,
  "model_type": "t5", "n_positions": 512, "num_heads": 8, "num_layers": 6, "output_past": true, "pad_token_id": 0,
  "relative_attention_num_buckets": 32, "vocab_size": 32128
}`

func TestT5SmallIsHuggingFaces(t *testing.T) {
	want, err := readConfig(t, t5Small)
	if err != nil {
		t.Fatal(err)
	}
	small, err := spec.SizeNamed("t5-small")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, t5.FromSize(small, 0)); diff != "" {
		t.Error(diff)
	}
	want.Prompts = 3
	if diff := cmp.Diff(want, t5.FromSize(small, 3)); diff != "" {
		t.Error(diff)
	}
}

// TestEveryKeyOfAConfigIsRead sets each key to a value other than its default.
func TestEveryKeyOfAConfigIsRead(t *testing.T) {
	got, err := readConfig(t, `{
		"architectures": ["X"], "model_type": "t5", "vocab_size": 70, "d_model": 12, "d_kv": 5, "d_ff": 17, "num_layers": 3,
		"num_decoder_layers": 4, "num_heads": 9, "n_positions": 19, "relative_attention_num_buckets": 16,
		"relative_attention_max_distance": 99, "layer_norm_epsilon": 1e-5, "feed_forward_proj": "gated-gelu",
		"dropout_rate": 0.25,
		"initializer_factor": 0.5, "is_encoder_decoder": false, "tie_word_embeddings": false, "use_cache": false,
		"decoder_start_token_id": 21, "eos_token_id": 22, "pad_token_id": 23, "torch_dtype": "bfloat16",
		"task_num": 6, "prompts_per_task": 7
	}`)
	want := t5.Config{
		Architectures: []string{"X"}, ModelType: "t5", Vocabulary: 70, Model: 12, Head: 5, FeedForward: 17,
		Layers: 3, DecoderLayers: 4,
		Heads: 9, Positions: 19, Buckets: 16, MaxDistance: 99, Epsilon: 0.00001, Activation: "gated-gelu",
		Dropout: 0.25, Factor: 0.5,
		Start: 21, End: 22, Pad: 23, Type: "bfloat16", Tasks: 6, Prompts: 7,
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
}

// TestConfigBounds checks the last accepted and the first rejected value of each key.
func TestConfigBounds(t *testing.T) {
	for _, c := range []struct{ key, good, bad string }{
		{"model_type", `"t5"`, `"umt5"`},
		{"feed_forward_proj", `"relu"`, `"gelu"`},
		{"vocab_size", "2", "1"},
		{"d_model", "1", "0"},
		{"d_kv", "1", "0"},
		{"d_ff", "1", "0"},
		{"num_heads", "1", "0"},
		{"num_layers", "1", "0"},
		{"n_positions", "1", "0"},
		{"relative_attention_num_buckets", "4", "0"},
		{"relative_attention_num_buckets", "8", "6"},
		{"relative_attention_max_distance", "17", "16"}, // of 32 buckets
		{"dropout_rate", "0", "-0.1"},
		{"dropout_rate", "0.99", "1"},
		{"prompts_per_task", "0", "-1"},
		{"task_num", "0", "-1"},
	} {
		if _, err := readConfig(t, `{"`+c.key+`": `+c.good+`}`); err != nil {
			t.Errorf("%s %s: %v", c.key, c.good, err)
		}
		want := c.key
		if c.key == "task_num" {
			want = "prompts_per_task"
		}
		if _, err := readConfig(t, `{"`+c.key+`": `+c.bad+`}`); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s %s: %v, want an error that names it", c.key, c.bad, err)
		}
	}
	_, err := readConfig(t, `{"vocab_size": 1, "n_positions": 0, "num_decoder_layers": -1}`)
	for _, key := range []string{"vocab_size", "n_positions", "num_layers"} {
		if err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("got %v, want an error that names %s", err, key)
		}
	}
}

// TestMT5IsReadAsT5 reads the configuration of a T5 v1.1 with another vocabulary, which saves as a
// T5.
func TestMT5IsReadAsT5(t *testing.T) {
	got, err := readConfig(t, `{"architectures": ["MT5ForConditionalGeneration"], "model_type": "mt5",
		"vocab_size": 250112, "feed_forward_proj": "gated-gelu", "tie_word_embeddings": false}`)
	if err != nil || got.ModelType != "t5" || got.Vocabulary != 250_112 || got.Tied ||
		!slices.Equal(got.Architectures, []string{"T5ForConditionalGeneration"}) {
		t.Errorf("%v: %+v", err, got)
	}
}
