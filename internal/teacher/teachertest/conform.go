// Package teachertest is the suite that every teacher's engine passes. In: a way to make the
// engine; out: a test's verdict. It asks for what [teacher.Engine] promises: each prompt answered
// once, the same prompt alike in any company, and an end when it is told to.
package teachertest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/teacher"
)

// Conform examines an engine.
func Conform(t *testing.T, engine teacher.Engine) {
	t.Helper()
	t.Run("no prompts", func(t *testing.T) {
		if err := engine.Complete(t.Context(), nil, failEmit); err != nil {
			t.Error(err)
		}
	})
	t.Run("each prompt is answered once", func(t *testing.T) {
		for i, reply := range complete(t, engine, prompts(5)) {
			if reply.Text == "" || reply.Failed != "" {
				t.Errorf("prompt %d: %+v", i, reply)
			}
		}
	})
	t.Run("a prompt's reply does not hang on its company", func(t *testing.T) {
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
	t.Run("a cancelled context ends the work", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := engine.Complete(ctx, prompts(2), failEmit); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v, want %v", err, context.Canceled)
		}
	})
}

// prompts are n different prompts that begin alike; every second one is sampled.
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
	answered := make([]int, len(prompts))
	err := engine.Complete(t.Context(), prompts, func(i int, reply teacher.Reply) error {
		replies[i] = reply
		answered[i]++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, n := range answered {
		if n != 1 {
			t.Fatalf("prompt %d was answered %d times", i, n)
		}
	}
	return replies
}

func failEmit(i int, _ teacher.Reply) error {
	return fmt.Errorf("an answer to prompt %d, and none was due", i)
}
