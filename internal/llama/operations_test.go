package llama_test

import (
	"testing"

	"rdrec/internal/llama"
	"rdrec/internal/teacher"
	"rdrec/internal/torch"
)

// A step writes a token for each row of the batch. On a GPU its operations are what a small batch
// waits for (docs/performance.md), so their number may only fall: in a layer, and beside the
// layers.
func TestOperationsPerStep(t *testing.T) {
	for kind, most := range map[string]struct{ layer, rest int64 }{"f32": {80, 26}, "bf16": {76, 25}} {
		t.Run(kind, func(t *testing.T) {
			two, four := operationsPerStep(t, kind, 2), operationsPerStep(t, kind, 4)
			layer := (four - two) / 2
			rest := two - 2*layer
			t.Logf("%d operations in each layer, %d beside them", layer, rest)
			if layer > most.layer || rest > most.rest {
				t.Errorf("%d operations in each layer and %d beside them, want at most %d and %d", layer, rest, most.layer, most.rest)
			}
		})
	}
}

// operationsPerStep counts those of a step of a model with so many layers, whose rows share a
// prefix.
func operationsPerStep(t *testing.T, kind string, layers int) int64 {
	t.Helper()
	engine := open(t, newTinyLayers(false, layers).write(t), llama.Options{Device: "cpu", Type: kind, Threads: 1, Batch: 16})
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
