package llama_test

import (
	"testing"

	"rdrec/internal/llama"
	"rdrec/internal/torch"
)

func TestRandomWeightsHaveTheShape(t *testing.T) {
	path := newTiny(false).write(t)
	shape := llama.Config{
		Layers: 3, Model: 32, FeedForward: 56, Vocabulary: 300, Heads: 4, Groups: 2, Head: 8, Context: 64,
		Epsilon: 1e-5, RopeBase: 10_000, RopeScale: 1,
	}
	before := torch.Live()
	engine, err := llama.OpenRandom(path, shape, testOptions(4))
	if err != nil {
		t.Fatal(err)
	}
	logits, err := engine.Logits([]int32{65, 66, 67}, 2)
	if err != nil {
		t.Fatal(err)
	}
	if len(logits) != 2 || len(logits[0]) != shape.Vocabulary {
		t.Errorf("%d rows of %d logits, want 2 of %d", len(logits), len(logits[0]), shape.Vocabulary)
	}
	values := map[float32]bool{}
	for _, x := range logits[0] {
		values[x] = true
	}
	if len(values) < shape.Vocabulary/2 || !(logits[0][0]*0 == 0) {
		t.Errorf("%d different logits, the first %g", len(values), logits[0][0])
	}
	if err := engine.Close(); err != nil {
		t.Fatal(err)
	}
	if left := torch.Live() - before; left != 0 {
		t.Errorf("%d tensors left", left)
	}
	shape.Heads = 3
	if _, err := llama.OpenRandom(path, shape, testOptions(4)); err == nil {
		t.Error("three heads for two key/value heads were accepted")
	}
	shape.Heads, shape.Vocabulary = 4, 100
	if _, err := llama.OpenRandom(path, shape, testOptions(4)); err == nil {
		t.Error("a vocabulary smaller than the tokenizer's was accepted")
	}
}
