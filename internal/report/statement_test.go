package report_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/dataset"
	"rdrec/internal/prediction"
	"rdrec/internal/report"
)

// TestStatementsBetterThanStudentsAreACaveat: twelve users wrote what another user's statement
// is.
func TestStatementsBetterThanStudentsAreACaveat(t *testing.T) {
	run := shopRun()
	run.Dataset.Explanations.Train = []dataset.Explanation{
		{User: 9, Item: 1, Preference: "likes soap", Attribution: "is soft"},
	}
	good := slices.Repeat([]prediction.Text{{User: 2, Item: 1, Reference: "is soft", Generated: "is soft"}}, 12)
	bad := slices.Clone(good)
	for i := range bad {
		bad[i].Generated = "bad"
	}
	b := newBuilder(t, run)
	for method, texts := range map[string][]prediction.Text{"rdrec": bad, "pod": good} {
		if err := b.AddTexts(report.TrialID{Method: method, Seed: 1}, texts); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.AddStatements(); err != nil {
		t.Fatal(err)
	}
	var weak []string
	for _, caveat := range b.Report().Caveats {
		if caveat.Concern == report.WeakStudent {
			weak = append(weak, caveat.Text)
		}
	}
	want := []string{"The explanations of rdrec have less in common with the users' own texts than ranked " +
		"statements, which need no student (ROUGE-1 F 100.00 lower on the same 12 texts)."}
	if diff := cmp.Diff(want, weak); diff != "" {
		t.Error(diff)
	}
}
