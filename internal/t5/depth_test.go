package t5_test

import (
	"path/filepath"
	"testing"

	"rdrec/internal/t5"
	"rdrec/internal/torch"
	"rdrec/internal/untrusted/untrustedtest"
)

// tinyConfig is a small T5's config.json.
const tinyConfig = `{"model_type": "t5", "vocab_size": 64, "d_model": 8, "d_kv": 4, "d_ff": 8, "num_layers": 1,
	"num_heads": 2}`

// TestDepthAndCycles walks the files of a student: what libtorch's tensors are filled from is read
// by our own readers.
func TestDepthAndCycles(t *testing.T) {
	folder := func(path string) error { return load(filepath.Dir(path)) }
	config := map[string]string{t5.ConfigFile: tinyConfig}
	const start = "\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}.\x80\x02"
	pickled := untrustedtest.File("model.pt", load, nil)
	untrustedtest.Walk(t, map[string]untrustedtest.Read{
		"config.json":          untrustedtest.File(t5.ConfigFile, folder, nil),
		"safetensors":          untrustedtest.File("model.safetensors", folder, config),
		"index of safetensors": untrustedtest.File("model.safetensors.index.json", folder, config),
		"pytorch_model.bin":    untrustedtest.File("pytorch_model.bin", folder, config),
		"pickled model": func(t *testing.T, data string) error {
			t.Helper()
			return pickled(t, start+data)
		},
	}, nil)
}

// load loads a model and frees it.
func load(path string) error {
	m, err := t5.Load(path, torch.CPU)
	if err == nil {
		m.Free()
	}
	return err
}
