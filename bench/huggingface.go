package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"rdrec/internal/gguf"
	"rdrec/internal/llama"
	"rdrec/internal/torch"
)

// huggingFace returns a replacer from GGUF's names of weights to Hugging Face's.
func huggingFace() *strings.Replacer {
	return strings.NewReplacer(
		"token_embd.", "model.embed_tokens.", "output_norm.", "model.norm.", "output.", "lm_head.",
		"blk.", "model.layers.",
		"attn_norm.", "input_layernorm.", "ffn_norm.", "post_attention_layernorm.",
		"attn_q.", "self_attn.q_proj.", "attn_k.", "self_attn.k_proj.",
		"attn_v.", "self_attn.v_proj.", "attn_output.", "self_attn.o_proj.",
		"ffn_gate.", "mlp.gate_proj.", "ffn_up.", "mlp.up_proj.",
		"ffn_down.", "mlp.down_proj.",
	)
}

// huggingFaceConfig returns the content of a model's config.json.
func huggingFaceConfig(c llama.Config) map[string]any {
	return map[string]any{
		"architectures": []string{"LlamaForCausalLM"}, "model_type": "llama",
		"vocab_size": c.Vocabulary, "hidden_size": c.Model,
		"intermediate_size": c.FeedForward, "num_hidden_layers": c.Layers,
		"num_attention_heads": c.Heads, "num_key_value_heads": c.Groups,
		"max_position_embeddings": c.Context, "rms_norm_eps": c.Epsilon, "rope_theta": c.RopeBase,
		"tie_word_embeddings": c.Tied,
		"hidden_act":          "silu", "torch_dtype": "float32",
	}
}

// toHuggingFace converts a GGUF file to a folder that transformers reads, in float32.
func toHuggingFace(path, dir string, c llama.Config) (err error) {
	file, err := gguf.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	config, err := json.Marshal(huggingFaceConfig(c))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "config.json"), config, 0o600)
	}
	if err != nil {
		return err
	}
	return torch.Run(func(s *torch.Scope) error {
		var all []torch.Named
		for _, t := range file.Tensors {
			values := make([]float32, t.Len())
			if err := file.Read(t.Name, values); err != nil {
				return fmt.Errorf("tensor %q: %w", t.Name, err)
			}
			if strings.Contains(t.Name, "attn_q.") || strings.Contains(t.Name, "attn_k.") {
				values = interleaveToHalves(values, c.Head, t.Shape[1])
			}
			shape := make([]int64, len(t.Shape))
			for i, n := range t.Shape {
				shape[i] = int64(n)
			}
			all = append(all, torch.Named{Name: huggingFace().Replace(t.Name), Tensor: s.FromFloat32(values, shape...)})
		}
		return torch.WriteSafetensors(filepath.Join(dir, "model.safetensors"), all)
	})
}

// interleaveToHalves reorders the rows of a matrix: RoPE rotates pairs of neighbors in GGUF files,
// and pairs of halves in transformers.
func interleaveToHalves(values []float32, head, width int) []float32 {
	out := make([]float32, len(values))
	for row := range len(values) / width {
		of, within := row/head*head, row%head
		to := of + within%2*(head/2) + within/2
		copy(out[to*width:(to+1)*width], values[row*width:(row+1)*width])
	}
	return out
}
