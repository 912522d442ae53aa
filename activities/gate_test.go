package activities_test

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/temporal"

	"rdrec/activities"
	"rdrec/internal/metric"
	"rdrec/internal/report"
	"rdrec/internal/spec"
	"rdrec/registry"
	"rdrec/storage"
)

// TestTheGatesBounds has counts on each bound and one beyond it.
func TestTheGatesBounds(t *testing.T) {
	s := newInboxEnv(t)
	open := spec.Gate{MaxBad: 1} // nothing is outside of it
	with := func(change func(*spec.Gate)) spec.Gate {
		g := open
		change(&g)
		return g
	}
	minRows, maxRows := with(func(g *spec.Gate) { g.MinRows = 5 }), with(func(g *spec.Gate) { g.MaxRows = 5 })
	maxBad, noBad := with(func(g *spec.Gate) { g.MaxBad = 0.25 }), with(func(g *spec.Gate) { g.MaxBad = 0 })
	minParsed, allParsed := with(func(g *spec.Gate) { g.MinParsed = 0.5 }), with(func(g *spec.Gate) { g.MinParsed = 1 })
	for _, c := range []struct {
		name                       string
		gate                       spec.Gate
		rows, bad, replies, parsed int
		refusals                   int
	}{
		{"nothing came in", open, 0, 0, 0, 0, 0},
		{"exactly min_rows", minRows, 5, 0, 0, 0, 0},
		{"one below min_rows", minRows, 4, 0, 0, 0, 1},
		{"exactly max_rows", maxRows, 5, 0, 0, 0, 0},
		{"one above max_rows", maxRows, 6, 0, 0, 0, 1},
		{"max_rows 0 is no bound", open, 1_000_000, 0, 0, 0, 0},
		{"exactly max_bad", maxBad, 8, 2, 0, 0, 0},
		{"one above max_bad", maxBad, 8, 3, 0, 0, 1},
		{"max_bad 0 and none", noBad, 8, 0, 0, 0, 0},
		{"max_bad 0 and one", noBad, 8, 1, 0, 0, 1},
		{"exactly min_parsed", minParsed, 8, 0, 10, 5, 0},
		{"one below min_parsed", minParsed, 8, 0, 10, 4, 1},
		{"min_parsed without replies", allParsed, 8, 0, 0, 0, 0},
		{"min_parsed 1 and one reply less", allParsed, 8, 0, 10, 9, 1},
		{
			"each bound at once",
			with(func(g *spec.Gate) { *g = spec.Gate{MinRows: 9, MaxRows: 7, MinParsed: 1} }), 8, 1,
			1, 0, 4,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := activities.SanityCheckInput{
				Gate: c.gate, Dataset: s.importedDataset(100+c.rows, 10+c.bad),
				Rationales: s.putArtifact(
					"distillation.json",
					fmt.Sprintf(`{"quality":{"rationales":%d,"parsed":%d}}`, 20+c.replies, 7+c.parsed),
				),
				Previous: &report.NightlyCounts{Rows: 100, Bad: 10, Rationales: 20, Parsed: 7, Users: 4, Items: 5},
			}
			out, err := run[activities.SanityCheckResult](s, s.SanityCheck, in)
			if err != nil || len(out.Reasons) != c.refusals {
				t.Errorf("refused for %q, %v; want %d reasons", out.Reasons, err, c.refusals)
			}
			want := report.NightlyCounts{
				Rows: 100 + c.rows, Bad: 10 + c.bad, Users: 10, Items: 5, Interactions: 90 + c.rows - c.bad,
				Rationales: 20 + c.replies, Parsed: 7 + c.parsed, NewRows: c.rows, NewBad: c.bad,
				NewUsers: 6, NewItems: 0, NewRationales: c.replies, NewParsed: c.parsed,
			}
			equal(t, "counts", want, out.Counts)
		})
	}
}

// predict is one user's list, with the item that is looked for.
type fixedPrediction struct {
	user, truth int
	items       []int
}

// predictions stores an evaluation with these predictions.
func (s *inboxEnv) predictions(file string, predictions ...fixedPrediction) []storage.Ref {
	s.t.Helper()
	var lines strings.Builder
	for _, a := range predictions {
		items := strings.ReplaceAll(fmt.Sprint(a.items), " ", ",")
		fmt.Fprintf(&lines, `{"user":%d,"truth":%d,"items":%s}`+"\n", a.user, a.truth, items)
	}
	return []storage.Ref{s.putArtifact(file, lines.String())}
}

func TestOnlyTheSameUsersAreCompared(t *testing.T) {
	s := newInboxEnv(t)
	now := []fixedPrediction{{1, 10, []int{10}}, {2, 20, []int{20}}, {3, 30, []int{30}}}
	for _, c := range []struct {
		name     string
		old, now []fixedPrediction
		want     string
	}{
		{"the same", []fixedPrediction{{1, 10, nil}, {2, 20, nil}, {3, 30, nil}}, now, ""},
		{
			"one truth changed",
			[]fixedPrediction{{1, 10, nil}, {2, 21, nil}, {3, 30, nil}},
			now,
			"prediction 2 is of user 2 with the new model and of user 2",
		},
		{
			"one user changed",
			[]fixedPrediction{{1, 10, nil}, {2, 20, nil}, {4, 30, nil}},
			now,
			"prediction 3 is of user 3 with the new model and of user 4",
		},
		{
			"the first changed",
			[]fixedPrediction{{7, 10, nil}, {2, 20, nil}, {3, 30, nil}},
			now,
			"prediction 1 is of user 1",
		},
		{"one less", now[:2], now, "3 users were evaluated with the new model and 2"},
		{"one more", now, now[:2], "2 users were evaluated with the new model and 3"},
		{"none", nil, nil, "no user was evaluated in nightly.gate.task \"sequential\""},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := activities.CompareModelsInput{
				Gate:  spec.Gate{Task: "sequential", Metric: "HR@1", Margin: 1, Alpha: 0.5, Floor: "popularity"},
				Items: 10, Strict: true,
				New: s.predictions("sequential.jsonl", c.now...), Old: s.predictions("sequential.jsonl", c.old...),
				Baselines: s.predictions("popularity.sequential.jsonl", now...)[0],
			}
			_, err := run[activities.CompareModelsResult](s, s.CompareModels, in)
			if c.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var failed *temporal.ApplicationError
			if !errors.As(err, &failed) || failed.Type() != activities.TypeDataCorrupt ||
				!strings.Contains(failed.Message(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

// TestTheVerdictsFigures compares four users: the new model has three first items right, the old
// one two.
func TestTheVerdictsFigures(t *testing.T) {
	s := newInboxEnv(t)
	wrong := []int{7, 8}
	now := s.predictions(
		"sequential.jsonl",
		fixedPrediction{1, 1, []int{1}},
		fixedPrediction{2, 2, wrong},
		fixedPrediction{3, 3, []int{3}},
		fixedPrediction{4, 4, []int{4}},
	)
	old := s.predictions(
		"sequential.jsonl",
		fixedPrediction{1, 1, wrong},
		fixedPrediction{2, 2, wrong},
		fixedPrediction{3, 3, []int{3}},
		fixedPrediction{4, 4, []int{4}},
	)
	in := activities.CompareModelsInput{
		Gate: spec.Gate{
			Task: "sequential", Metric: "HR@1", MarginType: "absolute", Alpha: 0.5, Floor: "none", MaxFirstShare: 1,
		},
		Items: 10, Strict: true, Seed: 1, New: now, Old: old, CurrentPromotion: 3,
		Baselines: s.predictions(
			"popularity.sequential.jsonl",
			fixedPrediction{1, 1, []int{1}}, fixedPrediction{2, 2, wrong},
			fixedPrediction{3, 3, wrong}, fixedPrediction{4, 4, wrong},
		)[0],
	}
	compareModels := func(change func(*activities.CompareModelsInput)) activities.CompareModelsResult {
		t.Helper()
		changed := in
		change(&changed)
		out, err := run[activities.CompareModelsResult](s, s.CompareModels, changed)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	out := compareModels(func(*activities.CompareModelsInput) {})
	// The differences are 1, 0, 0 and 0: t is 1 with 3 degrees of freedom.
	p := 0.5 - (math.Sqrt(3)/4+math.Pi/6)/math.Pi
	c := *out.Comparison
	if math.Abs(c.P-p) > 1e-9 {
		t.Errorf("p is %g, want %g", c.P, p)
	}
	if c.Interval.Low != 0 || c.Interval.High <= 0.25 || c.Interval.High > 1 {
		t.Errorf("the difference's interval is %g to %g", c.Interval.Low, c.Interval.High)
	}
	c.P, c.Interval = 0, metric.Interval{}
	equal(
		t,
		"compared",
		registry.Comparison{
			Metric: "HR@1", CurrentPromotion: 3, Users: 4, Candidate: 0.75, Current: 0.5, Difference: 0.25,
		},
		c,
	)
	if m := out.Metrics[0]; m.Metric != "HR@1" || m.Value != 0.75 || m.Interval.Low >= 0.75 || m.Interval.High != 1 {
		t.Errorf("measured %+v", m)
	}
	// With a margin of a quarter the differences are 1.25 and three times 0.25: t is 2.
	root := 2 / math.Sqrt(3)
	p = 0.5 - (root/(7.0/3)+math.Atan(root))/math.Pi
	for _, change := range []func(*spec.Gate){
		func(g *spec.Gate) { g.Margin = 0.25 },
		func(g *spec.Gate) { g.MarginType, g.Margin = "relative", 0.5 }, // half of the 0.5 of the old model
	} {
		wide := compareModels(func(in *activities.CompareModelsInput) { change(&in.Gate) }).Comparison
		if math.Abs(wide.P-p) > 1e-9 || wide.Margin != 0.25 {
			t.Errorf("with a margin of %g p is %g, want %g", wide.Margin, wide.P, p)
		}
	}

	exactly := out.Comparison.P
	for alpha, refusals := range map[float64]int{
		exactly: 0, math.Nextafter(exactly, 0): 1,
		math.Nextafter(exactly, 1): 0,
	} {
		if out := compareModels(
			func(in *activities.CompareModelsInput) { in.Gate.Alpha = alpha },
		); len(out.Reasons) != refusals {
			t.Errorf("p %g, alpha %g: %q", exactly, alpha, out.Reasons)
		}
	}
	// Popularity has one first item right: the differences are 0, 0, 1 and 1.
	if b := out.Baseline; b.Baseline != "popularity" || b.Current != 0.25 || b.Candidate != 0.75 || b.Users != 4 {
		t.Errorf("the floor's comparison: %+v", b)
	}
	first := compareModels(func(in *activities.CompareModelsInput) { in.Old = nil })
	if first.Comparison != nil || len(first.Reasons) > 0 || len(first.Metrics) != 5 {
		t.Errorf("the first model: %+v", first)
	}
}

// TestTheGatesListChecks has lists of three users over a catalog of 10 items: they name 1, 2, 3 and
// 4, in 6 positions, and 1 is first for two of them.
func TestTheGatesListChecks(t *testing.T) {
	s := newInboxEnv(t)
	predicted := []fixedPrediction{{1, 1, []int{1, 2}}, {2, 1, []int{1, 3}}, {3, 1, []int{4, 1}}}
	for _, c := range []struct {
		name     string
		coverage float64
		first    float64
		want     []string
	}{
		{"both at the bound", 4.0 / 6, 2.0 / 3, nil},
		{"too few items", 0.67, 1, []string{
			"only 4 of 10 items are recommended to anyone, fewer than nightly.gate.min_coverage 0.67 requires",
		}},
		{"the same first item", 0, 0.66, []string{
			"67% of 3 users have the same first item, more than nightly.gate.max_first_share 0.66 allows",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, err := run[activities.CompareModelsResult](s, s.CompareModels, activities.CompareModelsInput{
				Gate: spec.Gate{
					Task: "sequential", Metric: "HR@1", Alpha: 0.5, Floor: "none", MinCoverage: c.coverage,
					MaxFirstShare: c.first,
				},
				Items: 10, Strict: true, New: s.predictions("sequential.jsonl", predicted...),
				Baselines: s.predictions("popularity.sequential.jsonl", predicted...)[0],
			})
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "reasons", c.want, out.Reasons)
			equal(t, "lists", metric.ListDiversity{
				Users: 3, Positions: 6, Items: 10, Recommended: 4, Coverage: 0.4, DistinctFirst: 2, FirstShare: 2.0 / 3,
				DistinctLists: 3, ListShare: 1.0 / 3,
			}, out.Lists)
		})
	}
}

// TestTheGateChecksExplanations has ten explanations that are all the same, with and without the
// key.
func TestTheGateChecksExplanations(t *testing.T) {
	s := newInboxEnv(t)
	ranked := []fixedPrediction{{1, 1, []int{1}}, {2, 2, []int{2}}}
	texts := strings.Repeat(`{"user":1,"item":1,"reference":"soft hair","generated":"it is nice"}`+"\n", 10)
	for checked, want := range map[bool][]string{false: nil, true: {
		"the explanations are degenerate, which nightly.gate.explanations forbids: 100% of 10 texts are the same " +
			"(limit 50%)",
	}} {
		out, err := run[activities.CompareModelsResult](s, s.CompareModels, activities.CompareModelsInput{
			Gate: spec.Gate{
				Task: "sequential", Metric: "HR@1", Alpha: 0.5, Floor: "none", MaxFirstShare: 1, Explanations: checked,
			},
			Items: 2, Strict: true,
			New:       append(s.predictions("sequential.jsonl", ranked...), s.putArtifact("explanation.jsonl", texts)),
			Baselines: s.predictions("popularity.sequential.jsonl", ranked...)[0],
		})
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "reasons", want, out.Reasons)
		if (out.Texts != nil) != checked {
			t.Errorf("texts measured: %v, want %t", out.Texts, checked)
		}
	}
}

// TestTheGatesFloor has a new model with 30 of 100 first items right, and none in use.
func TestTheGatesFloor(t *testing.T) {
	s := newInboxEnv(t)
	for _, c := range []struct {
		floor string
		hits  int // of the floor
		want  []string
	}{
		{"popularity", 29, nil},
		{"popularity", 30, nil},
		{"popularity", 31, []string{
			"HR@1 is 0.3000, below the 0.3100 of nightly.gate.floor popularity on the same 100 users",
		}},
		{"markov", 31, []string{"HR@1 is 0.3000, below the 0.3100 of nightly.gate.floor markov on the same 100 users"}},
		{"none", 31, nil},
	} {
		name := c.floor
		if name == "none" {
			name = "popularity"
		}
		out, err := run[activities.CompareModelsResult](s, s.CompareModels, activities.CompareModelsInput{
			Gate:  spec.Gate{Task: "sequential", Metric: "HR@1", Alpha: 0.05, Floor: c.floor, MaxFirstShare: 1},
			Items: 10, Strict: true, New: s.evaluation(30), Baselines: s.ranked(name, c.hits),
		})
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "reasons", c.want, out.Reasons)
		equal(t, "the baseline", name, out.Baseline.Baseline)
	}
}

// TestAbsoluteMarginMustBeBelowTheMetric has a model in use with 30 of 100 first items right.
func TestAbsoluteMarginMustBeBelowTheMetric(t *testing.T) {
	s := newInboxEnv(t)
	for margin, refused := range map[float64]bool{0: false, 0.29: false, 0.3: true, 0.5: true} {
		in := activities.CompareModelsInput{
			Gate: spec.Gate{
				Task: "sequential", Metric: "HR@1", Margin: margin, MarginType: "absolute", Alpha: 0.5, Floor: "none",
				MaxFirstShare: 1,
			},
			Items: 10, Strict: true, New: s.evaluation(30), Old: s.evaluation(30), Baselines: s.ranked("popularity", 0),
		}
		_, err := run[activities.CompareModelsResult](s, s.CompareModels, in)
		var failed *temporal.ApplicationError
		if errors.As(err, &failed) != refused || refused && failed.Type() != activities.TypeInvalidConfig {
			t.Errorf("margin %g: %v", margin, err)
		}
		in.Gate.MarginType = "relative"
		if _, err := run[activities.CompareModelsResult](s, s.CompareModels, in); err != nil {
			t.Errorf("relative margin %g: %v", margin, err)
		}
	}
}

// TestTheGatesDefaultsAreTheReportsLimits keeps the gate from passing what the report calls
// degenerate.
func TestTheGatesDefaultsAreTheReportsLimits(t *testing.T) {
	g := spec.DefaultNightly().Gate
	equal(t, "defaults", []float64{metric.MinCoverage, metric.MaxFirstShare}, []float64{g.MinCoverage, g.MaxFirstShare})
}

// TestIdenticalPredictionsAreNoWorse has no chance in it: each user's figure is what it was.
func TestIdenticalPredictionsAreNoWorse(t *testing.T) {
	s := newInboxEnv(t)
	for _, margin := range []float64{0, 0.25} {
		in := activities.CompareModelsInput{
			Gate: spec.Gate{
				Task: "sequential", Metric: "HR@1", Margin: margin, Alpha: 0.01, Floor: "popularity", MaxFirstShare: 1,
			},
			Items: 10, Strict: true, New: s.evaluation(30), Old: s.evaluation(30),
			Baselines: s.ranked("popularity", 30),
		}
		out, err := run[activities.CompareModelsResult](s, s.CompareModels, in)
		if err != nil || len(out.Reasons) > 0 || out.Comparison.P != 0 ||
			out.Comparison.Interval != (metric.Interval{}) {
			t.Errorf("margin %g: %+v, %q, %v; want p 0", margin, out.Comparison, out.Reasons, err)
		}
	}
	all := activities.CompareModelsInput{
		Gate: spec.Gate{
			Task: "sequential", Metric: "HR@1", Margin: 0.5, Alpha: 0.5, Floor: "none", MaxFirstShare: 1,
		},
		Items: 10, Strict: true, New: s.evaluation(0), Old: s.evaluation(100), Baselines: s.ranked("popularity", 0),
	}
	if out, err := run[activities.CompareModelsResult](s, s.CompareModels, all); err != nil || len(out.Reasons) != 1 ||
		out.Comparison.P != 1 {
		t.Errorf("each user's figure is worse by 1: %+v, %q, %v; want p 1", out.Comparison, out.Reasons, err)
	}
}

// TestOneUserShowsNothing has no standard deviation.
func TestOneUserShowsNothing(t *testing.T) {
	s := newInboxEnv(t)
	in := activities.CompareModelsInput{
		Gate:  spec.Gate{Task: "topn", Metric: "HR@1", Alpha: 0.5, Floor: "none", MaxFirstShare: 1},
		Items: 10, Strict: true,
		New:       s.predictions("topn.jsonl", fixedPrediction{1, 1, []int{1}}),
		Old:       s.predictions("topn.jsonl", fixedPrediction{1, 1, []int{2}}),
		Baselines: s.predictions("popularity.topn.jsonl", fixedPrediction{1, 1, []int{2}})[0],
	}
	out, err := run[activities.CompareModelsResult](s, s.CompareModels, in)
	if err != nil {
		t.Fatal(err)
	}
	want := &registry.Comparison{
		Metric: "HR@1", Users: 1, Candidate: 1, Difference: 1, Interval: metric.Interval{Low: -1, High: 1}, P: 1,
	}
	if diff := cmp.Diff(want, out.Comparison); diff != "" || len(out.Reasons) != 1 {
		t.Errorf("%s %q", diff, out.Reasons)
	}
	in.Gate.Metric = "BLEU-4"
	var failed *temporal.ApplicationError
	if _, err := run[activities.CompareModelsResult](s, s.CompareModels, in); !errors.As(err, &failed) ||
		failed.Type() != activities.TypeInvalidConfig {
		t.Errorf("a metric that is no ranking's: %v", err)
	}
}
