package spec_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/spec"
)

// TestFusionParts: without a list, the item head takes the place of the search, and trained
// baselines take part if the spec has them.
func TestFusionParts(t *testing.T) {
	for name, c := range map[string]struct {
		overrides []string
		want      *spec.Fusion
	}{
		"no block": {nil, nil},
		"a block": {
			[]string{"evaluate.fusion.users=7"},
			&spec.Fusion{
				Parts: []string{"search", "decayed-mix"}, Candidates: 100, Users: 7, Groups: []int{4, 8},
			},
		},
		"an item head and SASRec": {
			[]string{
				"evaluate.fusion.users=7", "data.indexing=codes", "train.head_weight=2", "baselines=markov,sasrec",
			},
			&spec.Fusion{
				Parts: []string{"item-head", "decayed-mix", "sasrec"}, Candidates: 100, Users: 7, Groups: []int{4, 8},
			},
		},
		"a list": {
			[]string{"evaluate.fusion.parts=markov,search", "evaluate.fusion.groups=[]"},
			&spec.Fusion{Parts: []string{"markov", "search"}, Candidates: 100, Users: 5000, Groups: []int{}},
		},
	} {
		s, err := spec.Parse("shop.yaml", []byte(minimalSpec), append(c.overrides, "protocol=clean"))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(c.want, s.Fusion()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestFusionRules(t *testing.T) {
	keys := strings.NewReplacer("clean ", "protocol=clean ", "paper ", "protocol=paper ", "fusion.", "evaluate.fusion.")
	for overrides, want := range map[string]string{
		"paper fusion.users=5":                              "evaluate.fusion: mixes lists of valid items",
		"clean fusion.users=5":                              "",
		"clean fusion.users=5 evaluate.sequential_users=-1": "evaluate.fusion: mixes sequential rankings",
		"clean fusion.parts=item-head":                      "evaluate.fusion.parts: names an item head",
		"clean fusion.parts=sasrec":                         "evaluate.fusion.parts: names a baseline that is not",
		"clean fusion.parts=sasrec baselines=sasrec":        "",
		"clean fusion.parts=rule":                           "evaluate.fusion.parts[0]",
		"clean fusion.groups=8,4":                           "evaluate.fusion.groups: is not ascending",
		"clean fusion.candidates=0":                         "evaluate.fusion.candidates",
	} {
		_, err := spec.Parse("shop.yaml", []byte(minimalSpec), strings.Fields(
			keys.Replace(overrides),
		))
		if got := err != nil; got != (want != "") || got && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", overrides, err, want)
		}
	}
}

// TestPredictionsDoNotDependOnTheFusion: a fusion changes no fingerprint of a student's evaluation.
func TestPredictionsDoNotDependOnTheFusion(t *testing.T) {
	with := spec.Default().Evaluate
	with.Fusion = &spec.Fusion{Candidates: 3}
	if diff := cmp.Diff(spec.Default().Evaluate, with.ForPredictions()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
