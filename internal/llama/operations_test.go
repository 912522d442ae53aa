package llama_test

import (
	"testing"

	"rdrec/internal/llama"
	"rdrec/internal/teacher"
	"rdrec/internal/torch"
)

// stepCounts are the numbers of operations of a step, in each layer and besides, and of its copies
// from and to the host.
type stepCounts struct{ layer, rest, uploads, reads int64 }

// TestOperationsPerStep bounds the counts of a step, which generates a token for each row. On a
// GPU, a small batch waits for its operations (docs/performance.md), and each copy waits for all of
// them, so the counts may only fall.
func TestOperationsPerStep(t *testing.T) {
	sampling := func(temperature, topP, penalty float64) teacher.Sampling {
		return teacher.Sampling{Temperature: temperature, TopP: topP, RepetitionPenalty: penalty}
	}
	for name, c := range map[string]struct {
		dtype    string
		sampling teacher.Sampling
		twoLines bool
		most     stepCounts
	}{
		"greedy, f32":        {"f32", sampling(0, 1, 1), false, stepCounts{80, 25, 1, 1}},
		"greedy, bf16":       {"bf16", sampling(0, 1, 1), false, stepCounts{76, 24, 1, 1}},
		"the paper's":        {"f32", sampling(0.6, 0.9, 1), false, stepCounts{80, 77, 1, 1}},
		"whole distribution": {"f32", sampling(1, 1, 1), false, stepCounts{80, 57, 1, 1}},
		"penalty":            {"f32", sampling(0, 1, 1.15), false, stepCounts{80, 44, 1, 1}},
		"two lines":          {"f32", sampling(0, 1, 1), true, stepCounts{80, 28, 1, 1}},
		"all of it":          {"f32", sampling(0.6, 0.9, 1.15), true, stepCounts{80, 99, 1, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			count := func(layers int) stepCounts {
				path := newTinyLayers(false, layers).write(t)
				engine := open(t, path, llama.Options{Device: "cpu", Type: c.dtype, Threads: 1, Batch: 16})
				return countStep(t, engine, c.sampling, c.twoLines)
			}
			two, four := count(2), count(4)
			got := two
			got.layer = (four.rest - two.rest) / 2
			got.rest -= 2 * got.layer
			t.Logf("%+v", got)
			if m := c.most; got.layer > m.layer || got.rest > m.rest || got.uploads > m.uploads || got.reads > m.reads {
				t.Errorf("%+v, want at most %+v", got, m)
			}
		})
	}
}

// countStep returns the counts of a step of 16 rows that share a prefix, with all operations in
// rest.
func countStep(t *testing.T, engine *llama.Engine, sampling teacher.Sampling, twoLines bool) stepCounts {
	t.Helper()
	const long, short = 20, 16
	count := func(tokens int) stepCounts {
		sampling.MaxTokens = tokens
		prompts := chatPrompts(16, sampling)
		for i := range prompts {
			if twoLines && i%2 == 0 { // the other replies have the maximum length
				prompts[i].TwoLines, prompts[i].MaxLines = true, 2
			}
		}
		made, uploads, reads := torch.Made(), torch.Uploads(), torch.Reads()
		longest := 0
		for _, reply := range complete(t, engine, prompts) {
			longest = max(longest, reply.Tokens)
		}
		if longest != tokens {
			t.Fatalf("%d steps, want %d: all replies ended by themselves", longest, tokens)
		}
		return stepCounts{rest: torch.Made() - made, uploads: torch.Uploads() - uploads, reads: torch.Reads() - reads}
	}
	a, b := count(long), count(short)
	return stepCounts{
		rest: (a.rest - b.rest) / (long - short), uploads: (a.uploads - b.uploads) / (long - short),
		reads: (a.reads - b.reads) / (long - short),
	}
}
