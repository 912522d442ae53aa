package llama_test

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/llama"
	"rdrec/internal/teacher"
	"rdrec/internal/torch"
)

// TestOutOfMemoryHalvesTheBatch checks that running out of memory loses, changes and repeats no
// reply, and that the batch is halved until memory suffices.
func TestOutOfMemoryHalvesTheBatch(t *testing.T) {
	path := newTiny(false).write(t)
	prompts := append(
		chatPrompts(40, teacher.Sampling{MaxTokens: 12, RepetitionPenalty: 1.3}),
		chatPrompts(40, teacher.Sampling{MaxTokens: 20, Temperature: 0.9, TopP: 0.95, RepetitionPenalty: 1})...,
	)
	prompts[3].TwoLines, prompts[3].MaxLines, prompts[3].Sampling.MaxTokens = true, 2, 16
	want := complete(t, open(t, path, testOptions(16)), prompts)
	const row = 258 * 8 // bytes of a row of logits in float64, whose number shows the batch size
	for name, c := range map[string]struct {
		lack   func(bytes int64, seen int64) bool
		halved []int
	}{
		"at once, for 64 rows": {func(bytes, _ int64) bool { return bytes == 64*row }, []int{32}},
		"for more than 16 rows": {
			func(bytes, _ int64) bool { return bytes == 64*row || bytes == 32*row },
			[]int{32, 16},
		},
		"after a while":       {func(bytes, seen int64) bool { return bytes == 64*row && seen > 25 }, []int{32}},
		"once, in the middle": {func(_, seen int64) bool { return seen == 1500 }, []int{32}},
	} {
		t.Run(name, func(t *testing.T) {
			var halvings []int
			options := testOptions(64)
			options.OnBatchHalved = func(batch int, err error) {
				if !errors.Is(err, torch.ErrOutOfMemory) {
					t.Error(err)
				}
				halvings = append(halvings, batch)
			}
			engine := open(t, path, options)
			before := torch.Live()
			var seen atomic.Int64
			end := torch.InjectOOM(func(bytes int64) bool { return c.lack(bytes, seen.Add(1)) })
			defer end()
			got, replies := make([]teacher.Reply, len(prompts)), make([]int, len(prompts))
			err := engine.Complete(t.Context(), prompts, func(i int, reply teacher.Reply) error {
				got[i] = reply
				replies[i]++
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			for i, n := range replies {
				if n != 1 {
					t.Errorf("reply %d was emitted %d times", i, n)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-undisturbed +this):\n%s", diff)
			}
			if diff := cmp.Diff(c.halved, halvings); diff != "" || engine.BatchHalvings() != len(halvings) {
				t.Errorf("halved %d times to %v, want %v", engine.BatchHalvings(), halvings, c.halved)
			}
			if now := torch.Live(); now != before+1 { // the two-line masks
				t.Errorf("%d tensors live, %d before", now, before)
			}
		})
	}
}

// TestTooLittleMemoryFails checks that a batch that does not fit with the fewest rows returns an
// error and leaks no tensor.
func TestTooLittleMemoryFails(t *testing.T) {
	path := newTiny(false).write(t)
	for _, at := range []int64{1, 5, 20} { // while reading the weights
		live, seen := torch.Live(), int64(0)
		end := torch.InjectOOM(func(int64) bool { seen++; return seen == at })
		_, err := llama.Open(path, testOptions(64))
		end()
		if now := torch.Live(); !errors.Is(err, torch.ErrOutOfMemory) || now != live {
			t.Errorf("at operation %d of loading: error %v; %d tensors live, %d before", at, err, now, live)
		}
	}
	engine := open(t, path, testOptions(64))
	before := torch.Live()
	defer torch.InjectOOM(func(bytes int64) bool { return bytes >= 16*258*4 })()
	prompts := chatPrompts(40, teacher.Sampling{MaxTokens: 12, RepetitionPenalty: 1})
	err := engine.Complete(t.Context(), prompts, func(int, teacher.Reply) error { return nil })
	if !errors.Is(err, torch.ErrOutOfMemory) {
		t.Errorf("error %v", err)
	}
	if now := torch.Live(); now != before {
		t.Errorf("%d tensors live, %d before", now, before)
	}
}

// TestDefaultBatchSize checks that the default batch size works, and that the free memory changes
// no text.
func TestDefaultBatchSize(t *testing.T) {
	path := newTiny(false).write(t)
	prompts := chatPrompts(40, teacher.Sampling{MaxTokens: 12, RepetitionPenalty: 1.3})
	want := complete(t, open(t, path, testOptions(16)), prompts)
	for _, memory := range []int64{0, 1, 100_000} {
		t.Run(fmt.Sprint(memory), func(t *testing.T) {
			engine := open(t, path, llama.Options{Device: "cpu", Threads: 1, Memory: memory})
			if diff := cmp.Diff(want, complete(t, engine, prompts)); diff != "" {
				t.Errorf("(-16 at a time +this):\n%s", diff)
			}
		})
	}
}
