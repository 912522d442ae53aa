package llama_test

import (
	"path/filepath"
	"testing"

	"rdrec/internal/llama"
	"rdrec/internal/untrusted/untrustedtest"
)

// TestDepthAndCycles walks the files of a teacher: what libtorch's tensors are filled from is read
// by our own readers.
func TestDepthAndCycles(t *testing.T) {
	load := func(path string) error {
		engine, err := llama.Open(path, llama.Options{Device: "cpu", Threads: 1})
		if err == nil {
			err = engine.Close()
		}
		return err
	}
	folder := func(path string) error { return load(filepath.Dir(path)) }
	const config = `{"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 64, "hidden_size": 8,
		"intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 64}`
	weights := map[string]string{"config.json": config}
	untrustedtest.Walk(t, map[string]untrustedtest.Read{
		"gguf":              untrustedtest.File("m.gguf", load, nil),
		"config.json":       untrustedtest.File("config.json", folder, nil),
		"params.json":       untrustedtest.File("params.json", folder, nil),
		"safetensors":       untrustedtest.File("model.safetensors", folder, weights),
		"pytorch_model.bin": untrustedtest.File("pytorch_model.bin", folder, weights),
		"tokenizer.json":    untrustedtest.File("tokenizer.json", folder, weights),
	}, nil)
}
