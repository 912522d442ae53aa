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

// TestSampling pins how each attempt is sampled: the seeds are the first eight bytes of SHA-256
// over "0 soft hair", "1 soft hair" and "2 soft hair".
func TestSampling(t *testing.T) {
	seeds := []uint64{14696357547814894580, 10265406397329273911, 16205842440435111336}
	for name, c := range map[string]struct {
		temperature, topP           float64
		retryTemperature, retryTopP float64
	}{
		"greedy":                  {0, 1, 0.7, 0.9},
		"the reference's":         {0.6, 0.9, 0.7, 0.9},
		"wider than a retry's":    {1.5, 0.95, 1.5, 0.9},
		"narrower than a retry's": {0.7, 0.5, 0.7, 0.5},
	} {
		t.Run(name, func(t *testing.T) {
			s := settings("few-shot", "strict")
			s.MaxTokens, s.Temperature, s.TopP, s.RepetitionPenalty = 33, c.temperature, c.topP, 1.25
			engine := &scriptedEngine{replies: map[string][]string{"soft hair": {"chat"}}}
			distill(t, engine, s, "soft hair")
			var got []teacher.Sampling
			for _, p := range engine.prompts {
				got = append(got, p.Sampling)
			}
			want := []teacher.Sampling{
				{MaxTokens: 33, Temperature: c.temperature, TopP: c.topP, RepetitionPenalty: 1.25, Seed: seeds[0]},
				{
					MaxTokens: 33, Temperature: c.retryTemperature, TopP: c.retryTopP, RepetitionPenalty: 1.25,
					Seed: seeds[1],
				},
				{
					MaxTokens: 33, Temperature: c.retryTemperature, TopP: c.retryTopP, RepetitionPenalty: 1.25,
					Seed: seeds[2],
				},
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("sampling (-want +got):\n%s", diff)
			}
		})
	}
}

// TestPromptsEndAsTheyAreParsed covers the number of lines after which a reply is complete, its
// prefix and its constraint.
func TestPromptsEndAsTheyAreParsed(t *testing.T) {
	for name, c := range map[string]struct {
		prompt, parse, constrain string
		lines                    int
		twoLines                 bool
		begin                    string
		messages                 int
	}{
		"paper, paper parser":             {"paper", "paper", "", 3, false, "", 2},
		"paper, strict parser":            {"paper", "strict", "", 0, false, "", 2},
		"few-shot, paper parser":          {"few-shot", "paper", "", 3, false, "1. The user prefers", 10},
		"few-shot, strict parser":         {"few-shot", "strict", "", 2, false, "1. The user prefers", 10},
		"paper, strict parser, two lines": {"paper", "strict", spec.TwoLines, 2, true, "", 2},
		"few-shot, two lines":             {"few-shot", "strict", spec.TwoLines, 2, true, "1. The user prefers", 10},
	} {
		t.Run(name, func(t *testing.T) {
			s := settings(c.prompt, c.parse)
			s.Constrain = c.constrain
			engine := &scriptedEngine{replies: map[string][]string{"soft hair": {"1. Soft hair.\n2. It softens.\n"}}}
			distill(t, engine, s, "soft hair")
			p := engine.prompts[0]
			if p.MaxLines != c.lines || p.TwoLines != c.twoLines || p.ReplyPrefix != c.begin ||
				len(p.Messages) != c.messages {
				t.Errorf("%d lines, two lines %t, prefix %q, %d messages",
					p.MaxLines, p.TwoLines, p.ReplyPrefix, len(p.Messages))
			}
			last := p.Messages[len(p.Messages)-1].Content
			if last[:p.SharedPrefix] != `A user bought an item and said "` {
				t.Errorf("the first %d bytes of %q are not the shared prefix", p.SharedPrefix, last)
			}
		})
	}
}

// TestTruncatedReplies: a reply is truncated if the engine reports so or if it has the maximum
// number of tokens; then the second sentence must be complete.
func TestTruncatedReplies(t *testing.T) {
	const limit = 10
	for name, c := range map[string]struct {
		reply     string
		tokens    int
		truncated bool
		failed    string
	}{
		"one token left": {"1. Soft hair.\n2. It softens and", limit - 1, false, ""},
		"no token left": {
			"1. Soft hair.\n2. It softens and", limit, false, "reached its maximum length",
		},
		"truncated early":                 {"1. Soft hair.\n2. It softens and", 1, true, "reached its maximum length"},
		"truncated after a full stop":     {"1. Soft hair.\n2. It softens.", limit, true, ""},
		"truncated after an exclamation":  {"1. Soft hair.\n2. It softens!", limit, true, ""},
		"truncated in a third line":       {"1. Soft hair.\n2. It softens\nand", limit, true, ""},
		"truncated in the first line":     {"1. Soft", limit, true, "reached its maximum length"},
		"truncated before the first line": {"Well", limit, true, "no line begins with number 1"},
		"truncated after a wrong number": {
			"1. Soft hair.\n3. It softens", limit, true, "does not begin with number 2",
		},
		"one complete line": {"1. Soft", limit - 1, false, "does not begin with number 2"},
	} {
		t.Run(name, func(t *testing.T) {
			s := settings("few-shot", "strict")
			s.MaxTokens = limit
			engine := engineFunc(func(emit func(int, teacher.Reply) error) error {
				return emit(0, teacher.Reply{Text: c.reply, Tokens: c.tokens, Truncated: c.truncated})
			})
			row := distill(t, engine, s, "soft hair")[0]
			if !strings.Contains(row.Failed, c.failed) || (row.Failed == "") != (c.failed == "") {
				t.Errorf("failed: %q, want %q", row.Failed, c.failed)
			}
		})
	}
}

// TestRationalesCountTokensOfAllAttempts also covers leaks and grounded words.
func TestRationalesCountTokensOfAllAttempts(t *testing.T) {
	engine := &scriptedEngine{replies: map[string][]string{
		"soft hair": {
			"1. A trumpet.\n2. Hair.",
			"1. A tent.\n2. Hair.",
			"1. The user prefers soft hair.\n2. It smells.",
		},
		"shine": {"1. A trumpet.\n2. Hair."},
	}}
	want := []teacher.Rationale{
		{
			ID:           "id of soft hair",
			Text:         "soft hair",
			Preference:   "The user prefers soft hair.",
			Attribution:  "It smells.",
			Reply:        "1. The user prefers soft hair.\n2. It smells.",
			Attempts:     3,
			PromptTokens: 30,
			Tokens:       5 + 5 + 9,
			Leaks:        2,
			Words:        3,
			Grounded:     2,
		},
		{
			ID:           "id of shine",
			Text:         "shine",
			Reply:        "1. A trumpet.\n2. Hair.",
			Attempts:     3,
			PromptTokens: 30,
			Tokens:       15,
			Leaks:        3,
			Failed:       "the reply leaks words of the prompt's examples: trumpet",
		},
	}
	if diff := cmp.Diff(want, distill(t, engine, settings("few-shot", "strict"), "soft hair", "shine")); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

// TestPaperModeSendsEmptyExplanations: only the strict parser rejects them without a request.
func TestPaperModeSendsEmptyExplanations(t *testing.T) {
	engine := &scriptedEngine{replies: map[string][]string{" . ": {"a\n1. b\n2. c"}}}
	row := distill(t, engine, settings("paper", "paper"), " . ")[0]
	if row.Attempts != 1 || row.Preference != "b" || row.Attribution != "c" {
		t.Errorf("got %+v", row)
	}
}

// TestPaperParserWithShortReplies: a line of up to three characters is empty, and two lines are too
// few.
func TestPaperParserWithShortReplies(t *testing.T) {
	for reply, want := range map[string][3]any{
		"a\n1.\né–½":      {"", "", false},
		"a\n1. b\né–½d":   {"b", "d", false},
		"1. b\n2. c":      {"soft hair", "soft hair", true},
		"a\n1. b\n2. c\n": {"b", "c", false},
	} {
		engine := &scriptedEngine{replies: map[string][]string{"soft hair": {reply}}}
		row := distill(t, engine, settings("paper", "paper"), "soft hair")[0]
		if diff := cmp.Diff(want, [3]any{row.Preference, row.Attribution, row.FellBack}); diff != "" {
			t.Errorf("%q (-want +got):\n%s", reply, diff)
		}
	}
}

// TestEmitErrorEndsDistillation, whether the row was requested or copied.
func TestEmitErrorEndsDistillation(t *testing.T) {
	full := errors.New("the disk is full")
	good := engineFunc(func(emit func(int, teacher.Reply) error) error {
		return emit(0, teacher.Reply{Text: "1. Soft hair.\n2. It softens."})
	})
	for name, engine := range map[string]teacher.Engine{"requested": good, "copied": teacher.Copy{}} {
		t.Run(name, func(t *testing.T) {
			calls := 0
			err := teacher.Distill(t.Context(), engine, settings("few-shot", "strict"),
				[]teacher.Request{{ID: "1", Text: "soft hair"}, {ID: "2", Text: "shine"}},
				func(teacher.Rationale) error { calls++; return full })
			if !errors.Is(err, full) || calls != 1 {
				t.Errorf("error %v after %d rows, want %v after 1", err, calls, full)
			}
		})
	}
}

// indexEngine emits two good lines for each of its indices.
type indexEngine struct{ indices []int }

func (e indexEngine) Complete(_ context.Context, _ []teacher.Prompt, emit func(int, teacher.Reply) error) error {
	for _, i := range e.indices {
		if err := emit(i, teacher.Reply{Text: "1. Soft hair.\n2. It softens."}); err != nil {
			return err
		}
	}
	return nil
}

// TestMissingAndUnexpectedReplies: no reply, one to an unknown prompt, two to one prompt.
func TestMissingAndUnexpectedReplies(t *testing.T) {
	for name, c := range map[string]struct {
		indices []int
		want    string
	}{
		"the last one missing": {[]int{0}, `teacher "smollm2": no reply to prompt 1 of 2`},
		"before the first":     {[]int{-1}, `teacher "smollm2": unexpected reply to prompt -1 of 2`},
		"behind the last":      {[]int{1, 2}, `teacher "smollm2": unexpected reply to prompt 2 of 2`},
		"the first one twice":  {[]int{0, 0}, `teacher "smollm2": unexpected reply to prompt 0 of 2`},
		"both":                 {[]int{1, 0}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			err := teacher.Distill(t.Context(), indexEngine{c.indices}, settings("few-shot", "strict"),
				[]teacher.Request{{ID: "1", Text: "soft hair"}, {ID: "2", Text: "hair"}},
				func(teacher.Rationale) error { return nil })
			if got := errText(err); got != c.want {
				t.Errorf("error %q, want %q", got, c.want)
			}
		})
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// TestUnusableSentences: each sign of a placeholder in either sentence, a sentence without content
// words, identical sentences.
func TestUnusableSentences(t *testing.T) {
	wants := map[string]string{
		"1. Of the.\n2. It softens.":   "a sentence is empty",
		"1. Soft hair.\n2. It is.":     "a sentence is empty",
		"1. Soft hair.\n2. SOFT hair.": "both sentences are identical",
	}
	for _, sign := range []string{"xxx", "XXX", "[", "]", "<", ">", "{", "}"} {
		wants["1. Soft "+sign+" hair.\n2. It softens."] = "the reply repeats the template"
		wants["1. Soft hair.\n2. It softens "+sign+"."] = "the reply repeats the template"
	}
	for reply, want := range wants {
		engine := &scriptedEngine{replies: map[string][]string{"soft hair": {reply}}}
		if row := distill(t, engine, settings("few-shot", "strict"), "soft hair")[0]; row.Failed != want {
			t.Errorf("%q: failed %q, want %q", reply, row.Failed, want)
		}
	}
}

// TestCopyOmitsTheSharedPrefix expects the part of a prompt after the shared prefix.
func TestCopyOmitsTheSharedPrefix(t *testing.T) {
	var got []teacher.Reply
	err := teacher.Copy{}.Complete(t.Context(), []teacher.Prompt{
		{
			Messages: []teacher.Message{
				{Role: teacher.System, Content: "answer"},
				{Role: teacher.User, Content: "said: soft"},
			},
			SharedPrefix: 6,
		},
	}, func(_ int, reply teacher.Reply) error {
		got = append(got, reply)
		return nil
	})
	if diff := cmp.Diff([]teacher.Reply{{Text: "soft"}}, got); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
}
