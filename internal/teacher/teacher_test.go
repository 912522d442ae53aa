package teacher_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/golden"
	"rdrec/internal/spec"
	"rdrec/internal/teacher"
	"rdrec/internal/teacher/teachertest"
)

// scriptedEngine is an engine with prepared replies: the n-th request for a prompt gets the n-th
// reply, by its last message.
type scriptedEngine struct {
	replies map[string][]string
	prompts []teacher.Prompt
}

func (s *scriptedEngine) Complete(
	_ context.Context, prompts []teacher.Prompt, emit func(int, teacher.Reply) error,
) error {
	for i := range slices.Backward(prompts) {
		p := prompts[i]
		s.prompts = append(s.prompts, p)
		text := p.Messages[len(p.Messages)-1].Content[p.SharedPrefix:]
		text, _, _ = strings.Cut(text, "\"")
		reply := s.replies[text][0]
		if len(s.replies[text]) > 1 {
			s.replies[text] = s.replies[text][1:]
		}
		err := emit(i, teacher.Reply{Text: reply, PromptTokens: 10, Tokens: len(strings.Fields(reply))})
		if err != nil {
			return err
		}
	}
	return nil
}

func settings(prompt, parse string) spec.Teacher {
	s := spec.Default().Teacher
	s.Prompt, s.Parse = prompt, parse
	return s
}

func distill(t *testing.T, engine teacher.Engine, settings spec.Teacher, texts ...string) []teacher.Rationale {
	t.Helper()
	var requests []teacher.Request
	for _, text := range texts {
		requests = append(requests, teacher.Request{ID: "id of " + text, Text: text})
	}
	var rows []teacher.Rationale
	err := teacher.Distill(t.Context(), engine, settings, requests, func(r teacher.Rationale) error {
		rows = append(rows, r)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(rows, func(a, b teacher.Rationale) int {
		return slices.Index(texts, a.Text) - slices.Index(texts, b.Text)
	})
	return rows
}

func TestPaperPromptsMatchTheReference(t *testing.T) {
	var file struct {
		Prompts []struct {
			Explanation, System, User string
			Refusal                   *string `json:"answer_replaced"`
		}
	}
	golden.Load(t, "distill.json", &file)
	for _, want := range file.Prompts {
		beforeQuote, _, _ := strings.Cut(want.Explanation, "\"")
		engine := &scriptedEngine{replies: map[string][]string{want.Explanation: {"x"}, beforeQuote: {"x"}}}
		row := distill(t, engine, settings("paper", "paper"), want.Explanation)[0]
		if want.Refusal != nil {
			if len(engine.prompts) != 0 || row.Reply != *want.Refusal || !row.FellBack {
				t.Errorf("%q was sent, or has the row %+v", want.Explanation, row)
			}
			continue
		}
		messages := []teacher.Message{
			{Role: teacher.System, Content: want.System}, {Role: teacher.User, Content: want.User},
		}
		if diff := cmp.Diff(messages, engine.prompts[0].Messages); diff != "" {
			t.Errorf("%q (-want +got):\n%s", want.Explanation, diff)
		}
	}
}

func TestPaperParserMatchesTheReference(t *testing.T) {
	var file struct {
		Answers []struct {
			Answer, Explanation string
			Preference          string `json:"user_preference"`
			Attribution         string `json:"item_attribution"`
			FellBack            bool   `json:"fell_back"`
		}
	}
	golden.Load(t, "distill.json", &file)
	for _, want := range file.Answers {
		engine := &scriptedEngine{replies: map[string][]string{want.Explanation: {want.Answer}}}
		row := distill(t, engine, settings("paper", "paper"), want.Explanation)[0]
		got := []any{row.Preference, row.Attribution, row.FellBack, row.Failed, row.Attempts}
		if diff := cmp.Diff([]any{want.Preference, want.Attribution, want.FellBack, "", 1}, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", want.Answer, diff)
		}
	}
}

func TestStrictParser(t *testing.T) {
	const text = "soft hair all day"
	for name, c := range map[string]struct{ reply, preference, attribution, failed string }{
		"two lines": {
			"1. The user prefers soft hair.\n2. The item's attributes are soft.", "The user prefers soft hair.",
			"The item's attributes are soft.", "",
		},
		"a greeting": {
			" Sure!\n\n1. Soft hair.\n2. It softens.\n\nI hope this helps!", "Soft hair.", "It softens.", "",
		},
		"blank between":          {"1. Soft hair.\n \n2. It softens.", "Soft hair.", "It softens.", ""},
		"carriage returns":       {"1. Soft hair.\r\n2. It softens.\r\n", "Soft hair.", "It softens.", ""},
		"carriage returns alone": {"1. Soft hair.\r2. It softens.\r", "Soft hair.", "It softens.", ""},
		"no blanks":              {"1.Soft hair.\n2.It softens.", "Soft hair.", "It softens.", ""},
		"chat":                   {"I'm glad to hear that!", "", "", "no line begins with number 1"},
		"empty":                  {"", "", "", "the reply has no text"},
		"one line":               {"1. Soft hair.", "", "", "does not begin with number 2"},
		"wrong number":           {"1. Soft hair.\n3. It softens.", "", "", "does not begin with number 2"},
		"empty sentence":         {"1. The user prefers\n2. It softens.", "", "", "a sentence is empty"},
		"template": {
			"1. The user prefers xxx.\n2. The item's attributes are xxx.", "", "", "repeats the template",
		},
		"placeholder": {"1. The user prefers [soft] hair.\n2. It softens.", "", "", "repeats the template"},
		"the same":    {"1. Soft hair.\n2. Soft hair.", "", "", "both sentences are identical"},
		"an example's words": {
			"1. The user prefers a trumpet.\n2. It softens.", "", "",
			"the reply leaks words of the prompt's examples: trumpet",
		},
	} {
		t.Run(name, func(t *testing.T) {
			engine := &scriptedEngine{replies: map[string][]string{text: {c.reply}}}
			row := distill(t, engine, settings("few-shot", "strict"), text)[0]
			if row.Preference != c.preference || row.Attribution != c.attribution {
				t.Errorf("got %q and %q", row.Preference, row.Attribution)
			}
			if !strings.Contains(row.Failed, c.failed) || (row.Failed == "") != (c.failed == "") {
				t.Errorf("failed: %q, want %q", row.Failed, c.failed)
			}
		})
	}
}

func TestTruncatedReplyIsUnfinished(t *testing.T) {
	s := settings("few-shot", "strict")
	s.MaxTokens = 8
	engine := &scriptedEngine{replies: map[string][]string{"soft hair": {"1. Soft hair.\n2. It softens hair and also"}}}
	if row := distill(t, engine, s, "soft hair")[0]; !strings.Contains(row.Failed, "reached its maximum length") {
		t.Errorf("got %+v", row)
	}
}

func TestWordsOfTheReviewAreNotLeaks(t *testing.T) {
	engine := &scriptedEngine{replies: map[string][]string{
		"this trumpet rolls": {"1. The user prefers a trumpet that is rolling.\n2. It rolls."},
	}}
	row := distill(t, engine, settings("few-shot", "strict"), "this trumpet rolls")[0]
	if row.Failed != "" || row.Leaks != 0 {
		t.Errorf("got %+v", row)
	}
}

func TestRetriesWithSamplingThenQuarantines(t *testing.T) {
	const good = "1. Soft hair.\n2. It softens."
	engine := &scriptedEngine{replies: map[string][]string{
		"right away": {good}, "finally": {"chat", "1. A trumpet.\n2. A tent.", good}, "never": {"chat"},
	}}
	rows := distill(t, engine, settings("few-shot", "strict"), "right away", "finally", "never")
	var got []int
	for _, row := range rows {
		got = append(got, row.Attempts)
	}
	if diff := cmp.Diff([]int{1, 3, 3}, got); diff != "" {
		t.Error(diff)
	}
	q := teacher.Measure(rows)
	want := teacher.Quality{
		Rationales: 3, Parsed: 2, Quarantined: 1, Retried: 2, Leaked: 1, PromptTokens: 70, Tokens: 22,
		Reasons: []teacher.Reason{{Reason: "no line begins with number 1", Count: 1}},
	}
	q.Grounded = 0
	if diff := cmp.Diff(want, q); diff != "" {
		t.Error(diff)
	}
	seeds := map[uint64]bool{}
	for _, p := range engine.prompts {
		seeds[p.Sampling.Seed] = true
		if first := p.Sampling.Temperature == 0; first != (p.Sampling.TopP == 1) {
			t.Errorf("sampling %+v", p.Sampling)
		}
	}
	if len(seeds) != 7 {
		t.Errorf("%d different seeds in 7 requests", len(seeds))
	}
}

func TestMisbehavingEngine(t *testing.T) {
	for name, complete := range map[string]func(emit func(int, teacher.Reply) error) error{
		"twice": func(emit func(int, teacher.Reply) error) error {
			return errors.Join(emit(0, teacher.Reply{}), emit(0, teacher.Reply{}))
		},
		"unknown index": func(emit func(int, teacher.Reply) error) error { return emit(1, teacher.Reply{}) },
		"no reply":      func(func(int, teacher.Reply) error) error { return nil },
		"error":         func(func(int, teacher.Reply) error) error { return errors.New("no memory") },
	} {
		t.Run(name, func(t *testing.T) {
			err := teacher.Distill(t.Context(), engineFunc(complete), settings("few-shot", "strict"),
				[]teacher.Request{{ID: "1", Text: "soft hair"}}, func(teacher.Rationale) error { return nil })
			if err == nil || !strings.Contains(err.Error(), `"smollm2"`) {
				t.Errorf("error %v", err)
			}
		})
	}
}

type engineFunc func(emit func(int, teacher.Reply) error) error

func (f engineFunc) Complete(_ context.Context, _ []teacher.Prompt, emit func(int, teacher.Reply) error) error {
	return f(emit)
}

func TestFailedRepliesAreNotRetried(t *testing.T) {
	calls := 0
	engine := engineFunc(func(emit func(int, teacher.Reply) error) error {
		calls++
		return emit(0, teacher.Reply{Failed: "the prompt is too long"})
	})
	row := distill(t, engine, settings("few-shot", "strict"), "soft hair")[0]
	if calls != 1 || row.Failed != "the prompt is too long" {
		t.Errorf("requested %d times: %+v", calls, row)
	}
}

func TestEmptyExplanationsAreNotSent(t *testing.T) {
	engine := &scriptedEngine{}
	row := distill(t, engine, settings("few-shot", "strict"), " . ")[0]
	if row.Failed == "" || row.Attempts != 0 || len(engine.prompts) != 0 {
		t.Errorf("got %+v", row)
	}
}

func TestCopyReturnsTheExplanation(t *testing.T) {
	teachertest.Conform(t, teacher.Copy{})
	s := settings("few-shot", "strict")
	s.Model = "copy"
	row := distill(t, teacher.Copy{}, s, "soft hair")[0]
	if row.Preference != "soft hair" || row.Attribution != "soft hair" || row.Failed != "" ||
		row.Grounded != row.Words {
		t.Errorf("got %+v", row)
	}
}

func TestFingerprintCoversEverythingThatChangesText(t *testing.T) {
	base := settings("few-shot", "strict")
	known := teacher.Fingerprint(base, "weights")
	equivalent := base
	equivalent.Batch, equivalent.ShardRows, equivalent.MaxReviews = 7, 9, 11
	equivalent.MaxBad, equivalent.Model = 0.9, "gguf:elsewhere"
	if teacher.Fingerprint(equivalent, "weights") != known {
		t.Error("batch, shard_rows, max_reviews, max_bad and the file's path change the fingerprint, but no text")
	}
	seen := map[string]string{known: "the base"}
	for name, change := range map[string]func(*spec.Teacher){
		"prompt":      func(s *spec.Teacher) { s.Prompt = "paper" },
		"parse":       func(s *spec.Teacher) { s.Parse = "paper" },
		"tokens":      func(s *spec.Teacher) { s.MaxTokens = 81 },
		"context":     func(s *spec.Teacher) { s.MaxContext = 1024 },
		"temperature": func(s *spec.Teacher) { s.Temperature = 0.6 },
		"top p":       func(s *spec.Teacher) { s.TopP = 0.9 },
		"penalty":     func(s *spec.Teacher) { s.RepetitionPenalty = 1.2 },
		"two lines":   func(s *spec.Teacher) { s.Constrain = spec.TwoLines },
	} {
		changed := base
		change(&changed)
		known := teacher.Fingerprint(changed, "weights")
		if other, twice := seen[known]; twice {
			t.Errorf("%s: the fingerprint is that of %s", name, other)
		}
		seen[known] = name
	}
	if teacher.Fingerprint(base, "other weights") == known {
		t.Error("the fingerprint does not depend on the weights")
	}
	// A changed fingerprint makes buckets distill again.
	const pinned = "e5d1ec3556d30274aa5637707a6af5dae6e3591bddcf5d94ca8d973d7da172dc"
	if got := teacher.Fingerprint(spec.Default().Teacher, "weights"); got != pinned {
		t.Errorf("the default's fingerprint is %s, want %s", got, pinned)
	}
}

func TestUnknownSettings(t *testing.T) {
	for want, s := range map[string]spec.Teacher{
		`prompt "long" is not one of paper, few-shot`: settings("long", "strict"),
		`parse "lax" is not one of paper, strict`:     settings("paper", "lax"),
	} {
		t.Run(want, func(t *testing.T) {
			if err := teacher.Distill(t.Context(), teacher.Copy{}, s, nil, nil); err == nil || err.Error() != want {
				t.Errorf("error %v, want %s", err, want)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add("1. The user prefers soft hair.\n2. The item's attributes are soft.", "soft hair")
	f.Add("Sure!\r\n1.\n2.", "a")
	f.Fuzz(func(t *testing.T, reply, text string) {
		for _, parse := range []string{"paper", "strict"} {
			engine := engineFunc(func(emit func(int, teacher.Reply) error) error {
				return emit(0, teacher.Reply{Text: reply, Tokens: 1})
			})
			row := distill(t, engine, settings("few-shot", parse), text)[0]
			if row.Failed == "" && parse == "strict" && (row.Words == 0 || row.Preference == "") {
				t.Errorf("%q gave %+v", reply, row)
			}
			if row.Grounded > row.Words {
				t.Errorf("%d of %d words are grounded", row.Grounded, row.Words)
			}
		}
	})
}
