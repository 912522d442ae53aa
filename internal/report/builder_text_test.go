package report_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/dataset"
	"rdrec/internal/prediction"
	"rdrec/internal/report"
)

// TestBuilderScoresTexts: every trial is scored, and texts of the first one are shown.
func TestBuilderScoresTexts(t *testing.T) {
	b := newBuilder(t, shopRun())
	first := []prediction.Text{{User: 1, Item: 4, Reference: "a fine brush", Generated: "a fine comb"}}
	for _, id := range []report.TrialID{
		{Method: "rdrec", Seed: 1}, {Method: "rdrec", Seed: 2}, {Method: "rdrec", Variant: "skip_pads off", Seed: 1},
	} {
		if err := b.AddTexts(id, first); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.AddTexts(report.TrialID{Method: "pod", Seed: 1}, []prediction.Text{{User: 1, Item: 1}}); err != nil {
		t.Errorf("texts without words: %v", err)
	}
	r := b.Report()
	if len(r.Explanations) != 3 || r.Explanations[2].Method != "rdrec, skip_pads off" {
		t.Errorf("scored %+v", r.Explanations)
	}
	want := []report.Explanation{{
		User: "ada", Method: "rdrec", Item: report.Item{ID: 4, Title: "brush"}, Reference: "a fine brush",
		Generated: "a fine comb",
	}}
	if diff := cmp.Diff(want, r.Explained); diff != "" {
		t.Error(diff)
	}
}

// TestBuilderScoresFeatures: features are those of the data, found by user and item.
func TestBuilderScoresFeatures(t *testing.T) {
	run := shopRun()
	run.Dataset.Explanations = dataset.Splits{
		Train: []dataset.Explanation{{User: 1, Item: 1, Feature: "scent"}, {User: 2, Item: 2, Feature: "teeth"}},
		Val:   []dataset.Explanation{{User: 2, Item: 1, Feature: "price"}},
		Test: []dataset.Explanation{
			{User: 1, Item: 4, Feature: "hair"}, {User: 2, Item: 4, Feature: "scent"}, {User: 3, Item: 5},
		},
	}
	b := newBuilder(t, run)
	// The first mentions its feature, the second another one, the third's text has none.
	err := b.AddTexts(report.TrialID{Method: "pod", Seed: 1}, []prediction.Text{
		{User: 1, Item: 4, Reference: "soft hair", Generated: "for my hair."},
		{User: 2, Item: 4, Reference: "a scent", Generated: "for my hair."},
		{User: 3, Item: 5, Reference: "it works", Generated: "it works"},
	})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, score := range b.Report().Explanations[0].Scores {
		got[score.Metric] = score.Value
	}
	for name, want := range map[string]float64{"USR": 2. / 3, "FMR": 0.5, "FCR": 0.25, "DIV": 1. / 3} {
		if got[name] != want {
			t.Errorf("%s %v, want %v", name, got[name], want)
		}
	}
}

// TestRepeatedTextsAreACaveat: of three test explanations, the first user wrote one in training,
// the second wrote another user's, and the third a held-out one.
func TestRepeatedTextsAreACaveat(t *testing.T) {
	run := shopRun()
	run.Dataset.Explanations = dataset.Splits{
		Train: []dataset.Explanation{
			{User: 1, Item: 1, Explanation: "a fine brush"}, {User: 3, Item: 5, Explanation: "held out"},
		},
		Test: []dataset.Explanation{
			{User: 1, Item: 4, Explanation: "a fine brush"},
			{User: 2, Item: 4, Explanation: "a fine brush"},
			{User: 3, Item: 5, Explanation: "held out"},
		},
	}
	caveat := "33% of the test explanations are, word for word, texts that the same user wrote about a training " +
		"item: scores of explanations show what is copied, not what is understood."
	for explains, want := range map[bool]bool{true: true, false: false} {
		b := newBuilder(t, run)
		texts := []prediction.Text{{User: 1, Item: 4, Reference: "a fine brush", Generated: "a brush"}}
		if !explains {
			texts = nil
		}
		if err := b.AddTexts(report.TrialID{Method: "rdrec", Seed: 1}, texts); err != nil {
			t.Fatal(err)
		}
		r := b.Report()
		if slices.Contains(r.Caveats, report.Caveat{Concern: report.Caution, Text: caveat}) != want {
			t.Errorf("explains %t: share %v, caveats %+v", explains, r.RepeatedTexts, r.Caveats)
		}
	}
}

// TestEmptyTextsAreAFinding: a student that writes nothing has no score, but a caveat.
func TestEmptyTextsAreAFinding(t *testing.T) {
	b := newBuilder(t, shopRun())
	texts := slices.Repeat([]prediction.Text{{User: 1, Item: 4, Reference: "a fine brush"}}, 10)
	if err := b.AddTexts(report.TrialID{Method: "rdrec", Seed: 1}, texts); err != nil {
		t.Fatal(err)
	}
	r := b.Report()
	want := report.Caveat{
		Concern: report.Degenerate, Text: "The explanations of rdrec are degenerate: 100% of 10 texts are empty " +
			"(limit 10%); 100% of 10 texts are the same (limit 50%).",
	}
	if !slices.Contains(r.Caveats, want) {
		t.Errorf("caveats %+v, want %q", r.Caveats, want.Text)
	}
	if text := plainText(t, r); !strings.Contains(text, "rdrec (seed 1) - - - - - ") {
		t.Errorf("the table lacks the student's row:\n%s", text)
	}
}

// TestATrialWithoutScoresIsNotCompared: the mean over trials of a text needs all of them.
func TestATrialWithoutScoresIsNotCompared(t *testing.T) {
	b := newBuilder(t, shopRun())
	for method, generated := range map[string][2]string{"rdrec": {"soft hair", ""}, "pod": {"hair", "soft"}} {
		for seed, words := range generated {
			text := prediction.Text{User: 1, Item: 4, Reference: "soft hair", Generated: words}
			id := report.TrialID{Method: method, Seed: int64(seed + 1)}
			if err := b.AddTexts(id, []prediction.Text{text, text}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, c := range b.Report().TextComparisons {
		if c.Over == "texts" && c.Note == "" {
			t.Errorf("compared over %d texts: %+v", c.N, c)
		}
	}
}

// TestExplanationsAreCompared: every pair of students on the same texts and seeds, and an ablation
// with its student.
func TestExplanationsAreCompared(t *testing.T) {
	run := shopRun()
	run.Dataset.Explanations.Test = []dataset.Explanation{
		{User: 1, Item: 4, Feature: "hair"}, {User: 2, Item: 4, Feature: "hair"},
	}
	b := newBuilder(t, run)
	add := func(id report.TrialID, generated ...string) {
		texts := make([]prediction.Text, len(generated))
		for i, words := range generated {
			texts[i] = prediction.Text{User: i + 1, Item: 4, Reference: "soft hair", Generated: words}
		}
		if err := b.AddTexts(id, texts); err != nil {
			t.Fatal(err)
		}
	}
	// ROUGE-1 F of "soft hair" with itself is 100, with "soft skin" 50, with "skin" 0.
	add(report.TrialID{Method: "rdrec", Seed: 1}, "soft hair", "soft hair")
	add(report.TrialID{Method: "rdrec", Seed: 2}, "soft hair", "soft skin")
	add(report.TrialID{Method: "pod", Seed: 1}, "soft skin", "soft skin")
	add(report.TrialID{Method: "pod", Seed: 2}, "soft hair", "skin")
	add(report.TrialID{Method: "rdrec", Variant: "skip_pads off", Seed: 1}, "soft skin", "skin")
	r := b.Report()
	var got []string
	for _, c := range slices.Concat(r.TextComparisons, r.TextAblations) {
		if c.Note == "" {
			got = append(got, fmt.Sprintf("%s against %s, %s, %s, %d %s: %.2f",
				c.Student, c.Other, c.Metric, c.Test, c.N, c.Over, c.Difference))
		}
	}
	want := []string{
		"rdrec against pod, FMR, paired bootstrap, 2 texts: 0.50", // 100% and 50% against 0% and 50%
		"rdrec against pod, FMR, Welch's t, 2 seeds: 0.50",
		"rdrec against pod, FMR, paired t, 2 seeds: 0.50",
		"rdrec against pod, ROUGE-1 F, paired bootstrap, 2 texts: 37.50",
		"rdrec against pod, ROUGE-1 F, Welch's t, 2 seeds: 37.50",
		"rdrec against pod, ROUGE-1 F, paired t, 2 seeds: 37.50", // 100 and 75 against 50 and 50
		"rdrec, skip_pads off against rdrec, FMR, paired bootstrap, 2 texts: -0.75",
		"rdrec, skip_pads off against rdrec, ROUGE-1 F, paired bootstrap, 2 texts: -62.50",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	text := plainText(t, r)
	for _, words := range []string{"rdrec (2 seeds) ", "rdrec against pod ROUGE-1 F paired bootstrap 2 texts"} {
		if !strings.Contains(text, words) {
			t.Errorf("the page lacks %q:\n%s", words, text)
		}
	}
}

// TestRankedStatementsAreAMethod: statements are those of training rows, without held-out pairs,
// for the users and items of the students' texts.
func TestRankedStatementsAreAMethod(t *testing.T) {
	run := shopRun()
	run.Dataset.Explanations.Train = []dataset.Explanation{
		{User: 1, Item: 1, Explanation: "a gentle soap", Preference: "wants gentle soap", Attribution: "it is gentle"},
		{User: 3, Item: 5, Explanation: "held out", Preference: "wants a leak", Attribution: "it leaks"},
		{User: 3, Item: 1, Explanation: "strong", Preference: "wants strong combs", Attribution: "it is strong"},
		{User: 2, Item: 2, Explanation: "soap again"},
	}
	texts := []prediction.Text{
		{User: 2, Item: 1, Reference: "a gentle soap", Generated: "soap"},
		{User: 3, Item: 5, Reference: "it leaks", Generated: "soap"},
	}
	b := newBuilder(t, run)
	for _, method := range []string{"rdrec", "pod"} {
		if err := b.AddTexts(report.TrialID{Method: method, Seed: 1}, texts); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.AddStatements(); err != nil {
		t.Fatal(err)
	}
	r := b.Report()
	got := r.Explanations[len(r.Explanations)-1]
	if got.Method != report.RankedStatements || got.Kind != report.BaselineRow || got.Diversity.Texts != 2 {
		t.Errorf("the last row is %+v", got)
	}
	var shown []string
	for _, e := range r.Explained {
		if e.Method == report.RankedStatements {
			shown = append(shown, e.Generated+" / "+e.Reference)
		}
	}
	// Nobody else's statement about item 5 is to train on, so user 3 reads their own preference.
	want := []string{"wants gentle soap / a gentle soap", "wants strong combs / it leaks"}
	if diff := cmp.Diff(want, shown); diff != "" {
		t.Error(diff)
	}
	compared := slices.ContainsFunc(r.TextComparisons, func(c report.Comparison) bool {
		return c.Student == "rdrec" && c.Other == report.RankedStatements && c.Over == "texts"
	})
	if text := plainText(t, r); !compared || !strings.Contains(text, "ranked statements (no seed) ") {
		t.Errorf("compared: %t; the page:\n%s", compared, text)
	}
}

// TestNoStatementsWithoutRationales: neither data without rationales nor a run without texts has
// them.
func TestNoStatementsWithoutRationales(t *testing.T) {
	rationale := dataset.Explanation{User: 1, Item: 1, Preference: "p", Attribution: "a"}
	for name, c := range map[string]struct {
		train []dataset.Explanation
		texts []prediction.Text
		want  int // rows
	}{
		"no rationales": {nil, []prediction.Text{{User: 1, Item: 4, Reference: "a b", Generated: "a"}}, 1},
		"no texts":      {[]dataset.Explanation{rationale}, nil, 0},
	} {
		run := shopRun()
		run.Dataset.Explanations.Train = c.train
		b := newBuilder(t, run)
		if err := b.AddTexts(report.TrialID{Method: "rdrec", Seed: 1}, c.texts); err != nil {
			t.Fatal(err)
		}
		if err := b.AddStatements(); err != nil || len(b.Report().Explanations) != c.want {
			t.Errorf("%s: %v, %+v", name, err, b.Report().Explanations)
		}
	}
}
