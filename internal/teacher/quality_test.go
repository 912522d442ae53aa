package teacher_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/teacher"
)

func TestMeasureCounts(t *testing.T) {
	rows := []teacher.Rationale{
		{Attempts: 1, PromptTokens: 10, Tokens: 3, Words: 4, Grounded: 3},
		{Attempts: 2, PromptTokens: 20, Tokens: 5, Words: 4, Grounded: 1, Leaks: 1},
		{Attempts: 3, PromptTokens: 30, Tokens: 7, Leaks: 2, Failed: "leaked: trumpet"},
		{Attempts: 3, Failed: "leaked: tent"},
		{Attempts: 0, Failed: "too long"},
		{Attempts: 1, FellBack: true, Words: 2, Grounded: 2},
	}
	want := teacher.Quality{
		Rationales:   6,
		Parsed:       2,
		Quarantined:  3,
		Retried:      3,
		Leaked:       2,
		FellBack:     1,
		Grounded:     0.6,
		PromptTokens: 60,
		Tokens:       15,
		Reasons:      []teacher.Reason{{Reason: "leaked", Count: 2}, {Reason: "too long", Count: 1}},
	}
	if diff := cmp.Diff(want, teacher.Measure(rows)); diff != "" {
		t.Errorf("quality (-want +got):\n%s", diff)
	}
	if got := teacher.Measure(nil); got.Grounded != 0 || got.Reasons != nil {
		t.Errorf("without rationales: %+v", got)
	}
	if got := teacher.Measure([]teacher.Rationale{{Words: 1, Grounded: 1}}); got.Grounded != 1 {
		t.Errorf("one grounded word: %v", got.Grounded)
	}
	if got, want := (teacher.Reason{Reason: "too long", Count: 4}).String(), "too long (4 times)"; got != want {
		t.Errorf("reason %q, want %q", got, want)
	}
}

// TestEqualReasonsAreInAlphabeticalOrder has enough reasons with equal counts to reveal map order.
func TestEqualReasonsAreInAlphabeticalOrder(t *testing.T) {
	rows := []teacher.Rationale{{Failed: "z"}, {Failed: "z"}}
	want := []teacher.Reason{{Reason: "z", Count: 2}}
	for _, reason := range []string{"h", "d", "b", "j", "a", "g", "c", "i", "e", "f"} {
		rows = append(rows, teacher.Rationale{Failed: reason})
	}
	for _, reason := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"} {
		want = append(want, teacher.Reason{Reason: reason, Count: 1})
	}
	if diff := cmp.Diff(want, teacher.Measure(rows).Reasons); diff != "" {
		t.Errorf("reasons (-want +got):\n%s", diff)
	}
}
