package modeltest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rdrec/internal/t5"
	"rdrec/internal/torch"
)

// The config.json files of t5-small and of flan-t5-small as Hugging Face publishes them, with
// smaller widths. T5's leaves out what has T5's defaults; flan-T5 has gates in its feed-forward
// layers, a head of its own, and heads whose widths do not add up to the model's.
const (
	T5Config = `{"architectures": ["T5ForConditionalGeneration"], "d_ff": 16, "d_kv": 4, "d_model": 8,
"decoder_start_token_id": 0, "dropout_rate": 0.1, "eos_token_id": 1, "initializer_factor": 1.0,
"is_encoder_decoder": true, "layer_norm_epsilon": 1e-06, "model_type": "t5", "n_positions": 512, "num_heads": 2,
"num_layers": 1, "output_past": true, "pad_token_id": 0, "relative_attention_num_buckets": 32,
"task_specific_params": {"summarization": {"max_length": 200, "prefix": "summarize: "}}, "vocab_size": 32128}`
	FlanT5Config = `{"architectures": ["T5ForConditionalGeneration"], "d_ff": 10, "d_kv": 4, "d_model": 8,
"decoder_start_token_id": 0, "dense_act_fn": "gelu_new", "dropout_rate": 0.1, "eos_token_id": 1,
"feed_forward_proj": "gated-gelu", "initializer_factor": 1.0, "is_encoder_decoder": true, "is_gated_act": true,
"layer_norm_epsilon": 1e-06, "model_type": "t5", "n_positions": 512, "num_decoder_layers": 1, "num_heads": 3,
"num_layers": 1, "output_past": true, "pad_token_id": 0, "relative_attention_max_distance": 128,
"relative_attention_num_buckets": 32, "tie_word_embeddings": false, "transformers_version": "4.23.1",
"use_cache": true, "vocab_size": 32128}`
)

// Pretrained returns a folder with config.json and random weights as Hugging Face publishes them:
// without the tables that only a student has, and with the bias of cross-attention that older files
// have and no model uses.
func Pretrained(t testing.TB, config string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, t5.ConfigFile), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := t5.ReadConfig(dir)
	if err != nil {
		t.Fatal(err)
	}
	model, err := t5.New(c, 1, torch.CPU)
	if err != nil {
		t.Fatal(err)
	}
	defer model.Free()
	err = torch.Run(func(s *torch.Scope) error {
		unused := "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight"
		all := []torch.Named{{Name: unused, Tensor: s.Zeros(torch.Float32, torch.CPU, c.Buckets, c.Heads)}}
		for _, p := range model.Named(s.Use(model.Flat())) {
			if !strings.HasPrefix(p.Name, "whole_word_embeddings.") {
				all = append(all, p)
			}
		}
		return torch.WriteSafetensors(filepath.Join(dir, "model.safetensors"), all)
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir
}
