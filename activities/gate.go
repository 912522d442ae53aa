package activities

import (
	"context"
	"errors"
	"fmt"

	"gonum.org/v1/gonum/stat/distuv"

	"rdrec/internal/metric"
	"rdrec/internal/spec"
	"rdrec/internal/task"
	"rdrec/storage"
)

// InspectInput is what a night made of the reviews that came in.
type InspectInput struct {
	Gate spec.Gate
	// Before are the counts of the model in use; nil where there is none.
	Before              map[string]int
	Dataset, Rationales storage.Ref
}

// Inspected says whether it is sane.
type Inspected struct {
	Counts  map[string]int
	Reasons []string
}

// Inspect counts what came in and holds it against the gate: before the teacher is asked, and again when it was. Where no model is in use
// there is nothing to keep, and only the counts are made.
func (a *Activities) Inspect(ctx context.Context, in InspectInput) (out Inspected, err error) {
	ctx, beat := a.beat(ctx, "inspect")
	defer beat.stop()
	defer func() { err = fail(ctx, err) }()
	w := &reporting{Activities: a}
	var rows struct{ Rows, Bad, Users, Items, Interactions int }
	if err := w.decode(ctx, in.Dataset, "import.json", &rows); err != nil {
		return out, err
	}
	out.Counts = map[string]int{
		CountRows: rows.Rows, CountBad: rows.Bad, CountUsers: rows.Users, CountItems: rows.Items, CountEvents: rows.Interactions,
	}
	news := map[string]string{CountNewRows: CountRows, CountNewBad: CountBad, CountNewUsers: CountUsers, CountNewItems: CountItems}
	if !in.Rationales.IsZero() {
		var d Distillation
		if err := w.decode(ctx, in.Rationales, "distillation.json", &d); err != nil {
			return out, err
		}
		out.Counts[CountReplies], out.Counts[CountParsed] = d.Quality.Rationales, d.Quality.Parsed
		news[CountNewReplies], news[CountNewParsed] = CountReplies, CountParsed
	}
	for name, of := range news {
		out.Counts[name] = out.Counts[of] - in.Before[of]
	}
	if in.Before != nil {
		out.Reasons = insane(in.Gate, out.Counts)
	}
	return out, nil
}

// insane says what of the counts is outside the gate.
func insane(g spec.Gate, counts map[string]int) (reasons []string) {
	rows, bad := counts[CountNewRows], counts[CountNewBad]
	if rows < g.MinRows {
		reasons = append(reasons, fmt.Sprintf("%d rows came in, fewer than nightly.gate.min_rows %d", rows, g.MinRows))
	}
	if g.MaxRows > 0 && rows > g.MaxRows {
		reasons = append(reasons, fmt.Sprintf("%d rows came in, more than nightly.gate.max_rows %d", rows, g.MaxRows))
	}
	if float64(bad) > g.MaxBad*float64(rows) {
		reasons = append(reasons, fmt.Sprintf("%d of the %d rows that came in cannot be read, more than nightly.gate.max_bad %g allows",
			bad, rows, g.MaxBad))
	}
	replies, parsed := counts[CountNewReplies], counts[CountNewParsed]
	if float64(parsed) < g.MinParsed*float64(replies) {
		reasons = append(reasons, fmt.Sprintf("%d of the teacher's %d new replies parse, fewer than nightly.gate.min_parsed %g wants",
			parsed, replies, g.MinParsed))
	}
	return reasons
}

// JudgeInput is a new student beside the one in use, both examined on the same examples.
type JudgeInput struct {
	Gate spec.Gate
	// Items is how many the dataset has. Strict counts as the spec's protocol does; Seed draws the intervals.
	Items  int
	Strict bool
	Seed   int64
	// New are the answers of the new student, Old those of the student in use; none where there is none. Against is its number.
	New, Old []storage.Ref
	Against  int
}

// Judged is the verdict on the metrics.
type Judged struct {
	Metrics  []storage.Measure
	Compared *storage.Comparison
	Coverage float64
	Reasons  []string
}

// Judge compares the two on the same users.
func (a *Activities) Judge(ctx context.Context, in JudgeInput) (out Judged, err error) {
	ctx, beat := a.beat(ctx, "judge")
	defer beat.stop()
	defer func() { err = fail(ctx, err) }()
	kind := GateKind(in.Gate)
	w := &reporting{Activities: a}
	latest, err := w.answers(ctx, TrialResult{Evaluations: in.New}, kind)
	if err != nil {
		return out, err
	}
	scores := metric.Rank(lists(latest), in.Strict, in.Seed)
	for _, s := range scores {
		out.Metrics = append(out.Metrics, storage.Measure{Name: s.Metric, Value: s.Value, Low: s.Interval.Low, High: s.Interval.High})
	}
	out.Coverage = coverage(latest, in.Items)
	if len(in.Old) == 0 {
		return out, nil
	}
	if out.Coverage < in.Gate.MinCoverage {
		out.Reasons = append(out.Reasons, fmt.Sprintf("the lists name %.2f%% of all items, less than nightly.gate.min_coverage %g wants",
			100*out.Coverage, in.Gate.MinCoverage))
	}
	before, err := w.answers(ctx, TrialResult{Evaluations: in.Old}, kind)
	if err != nil {
		return out, err
	}
	if err := sameUsers(latest, before); err != nil {
		return out, err
	}
	out.Compared, err = compare(in, scores, metric.Rank(lists(before), in.Strict, in.Seed))
	if err != nil {
		return out, err
	}
	if c := out.Compared; c.P > in.Gate.Alpha {
		out.Reasons = append(out.Reasons, fmt.Sprintf(
			"%s of the same %d users is %.4f after %.4f: it is not shown to be at most %g worse (p %.3f, more than nightly.gate.alpha %g)",
			c.Metric, c.Users, c.New, c.Old, in.Gate.Margin, c.P, in.Gate.Alpha))
	}
	return out, nil
}

// GateKind is the ranking that a gate compares.
func GateKind(g spec.Gate) task.Kind {
	return map[string]task.Kind{"sequential": task.KindSequential, "topn": task.KindTopN}[g.Task]
}

// coverage is the share of all items that the lists name.
func coverage(answers []Prediction, items int) float64 {
	named := map[int]bool{}
	for _, p := range answers {
		for _, item := range p.Items {
			named[item] = true
		}
	}
	return float64(len(named)) / float64(max(items, 1))
}

func sameUsers(a, b []Prediction) error {
	if len(a) != len(b) || len(a) == 0 {
		return fmt.Errorf("%w: %d users were examined with the new model and %d with the one in use", ErrData, len(a), len(b))
	}
	for i := range a {
		if a[i].User != b[i].User || a[i].Truth != b[i].Truth {
			return fmt.Errorf("%w: place %d has user %d with the new model and user %d with the one in use", ErrData, i+1, a[i].User, b[i].User)
		}
	}
	return nil
}

// compare is the paired test: the hypothesis is that the new student is worse by the margin or more, on average over users.
func compare(in JudgeInput, latest, before []metric.Score) (*storage.Comparison, error) {
	for i, score := range latest {
		if score.Metric != in.Gate.Metric {
			continue
		}
		c := &storage.Comparison{
			Metric: score.Metric, Against: in.Against, Users: score.N, New: score.Value, Old: before[i].Value,
			Difference: score.Value - before[i].Value, Low: -1, High: 1, P: 1,
		}
		d, err := metric.BootstrapPaired(score.Each, before[i].Each, metric.Rounds, in.Seed)
		if errors.Is(err, metric.ErrTooFew) {
			return c, nil // one user shows nothing
		}
		if err != nil {
			return nil, err
		}
		c.Low, c.High = d.Interval.Low, d.Interval.High
		c.P, err = noWorse(score.Each, before[i].Each, in.Gate.Margin)
		return c, err
	}
	return nil, fmt.Errorf("%w: nightly.gate.metric %q is no ranking metric", ErrInvalid, in.Gate.Metric)
}

// noWorse is the one-sided p-value of a paired t-test that latest is better than before minus the margin.
func noWorse(latest, before []float64, margin float64) (float64, error) {
	shifted := make([]float64, len(before))
	for i, value := range before {
		shifted[i] = value - margin
	}
	test, err := metric.Paired(latest, shifted)
	switch {
	case err != nil:
		return 1, err
	case test.Error > 0:
		return distuv.StudentsT{Mu: 0, Sigma: 1, Nu: test.DF}.CDF(-test.T), nil
	case test.Difference >= 0: // each user's figure moved as much: there is no chance in it
		return 0, nil
	default:
		return 1, nil
	}
}
