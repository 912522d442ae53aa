package teacher_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/spec"
	"rdrec/internal/teacher"
)

// entailing replies to each pair by its hypothesis, in reverse order, and keeps the prompts.
type entailing struct {
	replies map[string]teacher.Reply
	prompts []teacher.Prompt
	silent  bool
	broken  error
}

func (e *entailing) Complete(
	_ context.Context, prompts []teacher.Prompt, emit func(int, teacher.Reply) error,
) error {
	e.prompts = append(e.prompts, prompts...)
	for i := len(prompts) - 1; i >= 0 && !e.silent; i-- {
		last := prompts[i].Messages[len(prompts[i].Messages)-1].Content
		for hypothesis, reply := range e.replies {
			if strings.Contains(last, `"`+hypothesis+`"`) {
				if err := emit(i, reply); err != nil {
					return err
				}
			}
		}
	}
	return e.broken
}

func TestCheckEntailment(t *testing.T) {
	engine := &entailing{replies: map[string]teacher.Reply{
		"a": {Text: "Yes"}, "b": {Text: " no, it does not"}, "c": {Text: "**Yes.**"}, "d": {Text: "Not at all"},
		"e": {Text: "maybe yes"}, "f": {Text: ""}, "g": {Failed: "too long"}, "h": {Text: "NO"},
	}}
	pairs := []teacher.Pair{{"soft", ""}, {" ", "soft"}}
	for _, hypothesis := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		pairs = append(pairs, teacher.Pair{Premise: "soft hair", Hypothesis: hypothesis})
	}
	got := map[string]string{}
	err := teacher.CheckEntailment(t.Context(), engine, spec.Teacher{}, pairs, func(e teacher.Entailment) error {
		found := "no"
		if e.Entailed {
			found = "yes"
		}
		if e.Failed != "" {
			found += ": " + e.Failed
		}
		got[e.Premise+"/"+e.Hypothesis] = found
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	const unclear = "no: the reply begins with neither yes nor no"
	want := map[string]string{
		"soft/": "no", " /soft": "no", "soft hair/a": "yes", "soft hair/b": "no", "soft hair/c": "yes",
		"soft hair/d": unclear, "soft hair/e": unclear, "soft hair/f": unclear, "soft hair/g": "no: too long",
		"soft hair/h": "no",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("entailments (-want +got):\n%s", diff)
	}
	if len(engine.prompts) != 8 {
		t.Errorf("%d requests, want none for pairs with an empty text", len(engine.prompts))
	}
}

// TestEntailmentPrompt: the pair comes last, after one example of each reply, and the shared part
// is the same in all.
func TestEntailmentPrompt(t *testing.T) {
	engine := &entailing{replies: map[string]teacher.Reply{"it is soft": {Text: "no"}}}
	emit := func(teacher.Entailment) error { return nil }
	if err := teacher.CheckEntailment(
		t.Context(), engine, spec.Teacher{}, []teacher.Pair{{"my hair", "it is soft"}}, emit,
	); err != nil {
		t.Fatal(err)
	}
	p := engine.prompts[0]
	last := p.Messages[len(p.Messages)-1]
	if want := `A customer wrote "my hair". Does that support the sentence "it is soft"?`; last.Content != want {
		t.Errorf("question %q, want %q", last.Content, want)
	}
	if last.Content[:p.SharedPrefix] != `A customer wrote "` || p.MaxLines != 1 || p.Sampling.Temperature != 0 {
		t.Errorf("prompt %+v", p)
	}
	var replies []string
	for _, m := range p.Messages {
		if m.Role == teacher.Assistant {
			replies = append(replies, m.Content)
		}
	}
	if diff := cmp.Diff([]string{"Yes", "No"}, replies); diff != "" {
		t.Error(diff)
	}
}

func TestEntailmentNeedsEachReplyOnce(t *testing.T) {
	emit := func(teacher.Entailment) error { return nil }
	ask := func(engine teacher.Engine, emit func(teacher.Entailment) error) error {
		return teacher.CheckEntailment(t.Context(), engine, spec.Teacher{Model: "m"}, []teacher.Pair{{"x", "a"}}, emit)
	}
	broken := errors.New("broken")
	yes := map[string]teacher.Reply{"a": {Text: "yes"}, "x": {Text: "yes"}}
	for want, err := range map[string]error{
		"no reply to pair 0 of 1":         ask(&entailing{silent: true}, emit),
		"unexpected reply to pair 0 of 1": ask(&entailing{replies: yes}, emit), // both match
		`teacher "m": broken`:             ask(&entailing{silent: true, broken: broken}, emit),
		"full": ask(&entailing{replies: map[string]teacher.Reply{"a": {}}}, func(teacher.Entailment) error {
			return errors.New("full")
		}),
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

// TestEntailmentFingerprint changes with the weights and the context, and with nothing that only
// distillation uses.
func TestEntailmentFingerprint(t *testing.T) {
	base := spec.Default().Teacher
	same, other := base, base
	same.Prompt, same.Parse, same.MaxTokens, other.MaxContext = "paper", "paper", 9, 77
	first := teacher.EntailmentFingerprint(base, "w")
	if teacher.EntailmentFingerprint(same, "w") != first || teacher.EntailmentFingerprint(other, "w") == first ||
		teacher.EntailmentFingerprint(base, "v") == first || teacher.Fingerprint(base, "w") == first {
		t.Error("the fingerprint depends on the wrong settings")
	}
}
