package llama_test

import (
	"testing"

	"rdrec/internal/llama"
	"rdrec/internal/teacher"
	"rdrec/internal/torch"
)

// TestOperationsPerStep bounds the number of operations of a step, per layer and besides the
// layers. A step generates a token for each row. On a GPU, a small batch waits for its operations
// (docs/performance.md), so their number may only fall.
func TestOperationsPerStep(t *testing.T) {
	for kind, most := range map[string]struct{ layer, rest int64 }{"f32": {80, 26}, "bf16": {76, 25}} {
		t.Run(kind, func(t *testing.T) {
			two, four := operationsPerStep(t, kind, 2), operationsPerStep(t, kind, 4)
			layer := (four - two) / 2
			rest := two - 2*layer
			t.Logf("%d operations in each layer, %d besides", layer, rest)
			if layer > most.layer || rest > most.rest {
				t.Errorf("%d operations in each layer and %d besides, want at most %d and %d",
					layer, rest, most.layer, most.rest)
			}
		})
	}
}

// operationsPerStep returns the number of operations of a step of a model with the given number of
// layers, whose rows share a prefix.
func operationsPerStep(t *testing.T, dtype string, layers int) int64 {
	t.Helper()
	options := llama.Options{Device: "cpu", Type: dtype, Threads: 1, Batch: 16}
	engine := open(t, newTinyLayers(false, layers).write(t), options)
	count := func(tokens int) int64 {
		prompts := chatPrompts(16, teacher.Sampling{MaxTokens: tokens, RepetitionPenalty: 1})
		before := torch.Made()
		longest := 0
		for _, reply := range complete(t, engine, prompts) {
			longest = max(longest, reply.Tokens)
		}
		if longest != tokens {
			t.Fatalf("%d steps, want %d: all replies ended by themselves", longest, tokens)
		}
		return torch.Made() - before
	}
	return (count(6) - count(4)) / 2
}
