package llama_test

import (
	"path/filepath"
	"strings"
	"testing"

	"rdrec/internal/gguf"
	"rdrec/internal/llama"
)

// TestReadConfig compares the number of weights with those of the tensors of a model in two files.
func TestReadConfig(t *testing.T) {
	t.Parallel()
	path := filepath.Join("..", "..", "testdata", "cases", "16-gguf-split", "m-00001-of-00002.gguf")
	config, err := llama.ReadConfig(llama.GGUF, path)
	if err != nil {
		t.Fatal(err)
	}
	file, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	want := 0
	for _, tensor := range file.Tensors {
		if !strings.HasPrefix(tensor.Name, "rope_freqs") {
			want += tensor.Len()
		}
	}
	if got := config.Parameters(); got != int64(want) {
		t.Errorf("%d parameters, want %d", got, want)
	}
	if got, want := config.TokenWeights(), int64(2*config.Layers*config.Groups*config.Head); got != want {
		t.Errorf("%d keys and values of a token, want %d", got, want)
	}
	if _, err := llama.ReadConfig(llama.GGUF, "no such file"); err == nil {
		t.Error("a missing file has a configuration")
	}
}
