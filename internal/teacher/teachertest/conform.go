// Package teachertest is the conformance suite for engines of teachers. In: an engine; out: test
// failures. It checks what [teacher.Engine] promises: one reply per prompt, the same reply whatever
// other prompts are completed together, and an end when the context or emit demands it.
package teachertest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/teacher"
)

// Conform tests an engine.
func Conform(t *testing.T, engine teacher.Engine) {
	t.Helper()
	t.Run("no prompts", func(t *testing.T) {
		if err := engine.Complete(t.Context(), nil, failEmit); err != nil {
			t.Error(err)
		}
	})
	t.Run("each prompt gets one reply", func(t *testing.T) {
		for i, reply := range complete(t, engine, prompts(5)) {
			if reply.Text == "" || reply.Failed != "" {
				t.Errorf("prompt %d: %+v", i, reply)
			}
		}
	})
	t.Run("a reply does not depend on the other prompts", func(t *testing.T) {
		all := prompts(5)
		together := complete(t, engine, all)
		for i := range all {
			if diff := cmp.Diff(together[i:i+1], complete(t, engine, all[i:i+1])); diff != "" {
				t.Errorf("prompt %d alone (-together +alone):\n%s", i, diff)
			}
		}
	})
	t.Run("emit's error ends the work", func(t *testing.T) {
		calls := 0
		stop := errors.New("stop")
		err := engine.Complete(t.Context(), prompts(5), func(int, teacher.Reply) error {
			calls++
			return stop
		})
		if !errors.Is(err, stop) || calls != 1 {
			t.Errorf("error %v after %d calls, want %v after 1", err, calls, stop)
		}
	})
	t.Run("a canceled context ends the work", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := engine.Complete(ctx, prompts(2), failEmit); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v, want %v", err, context.Canceled)
		}
	})
}

// prompts returns n different prompts with a shared prefix; every second one is sampled.
func prompts(n int) []teacher.Prompt {
	out := make([]teacher.Prompt, n)
	for i := range out {
		const lead = "A user bought an item and said \""
		out[i] = teacher.Prompt{
			Messages: []teacher.Message{
				{Role: teacher.System, Content: "You repeat in one short sentence what a customer says about an item."},
				{Role: teacher.User, Content: fmt.Sprintf("%sit lasted %d days and smells of roses\".", lead, i+2)},
			},
			SharedPrefix: len(lead), MaxLines: 1,
			Sampling: teacher.Sampling{
				MaxTokens: 12, Temperature: float64(i%2) * 0.6, TopP: 0.9, RepetitionPenalty: 1.1, Seed: uint64(i),
			},
		}
	}
	return out
}

func complete(t *testing.T, engine teacher.Engine, prompts []teacher.Prompt) []teacher.Reply {
	t.Helper()
	replies := make([]teacher.Reply, len(prompts))
	count := make([]int, len(prompts))
	err := engine.Complete(t.Context(), prompts, func(i int, reply teacher.Reply) error {
		replies[i] = reply
		count[i]++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, n := range count {
		if n != 1 {
			t.Fatalf("prompt %d got %d replies", i, n)
		}
	}
	return replies
}

func failEmit(i int, _ teacher.Reply) error {
	return fmt.Errorf("unexpected reply to prompt %d", i)
}
