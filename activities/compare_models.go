package activities

import (
	"context"
	"errors"
	"fmt"

	"gonum.org/v1/gonum/stat/distuv"

	"rdrec/internal/metric"
	"rdrec/internal/prediction"
	"rdrec/internal/spec"
	"rdrec/internal/task"
	"rdrec/registry"
	"rdrec/storage"
)

// CompareModelsInput is a new student and the one in use, both evaluated on the same examples.
type CompareModelsInput struct {
	Gate spec.Gate `json:"gate"`
	// Items is the number of items in the dataset. Strict is the spec's protocol's way of counting
	// hits; Seed is the seed of the bootstrap intervals.
	Items  int   `json:"items"`
	Strict bool  `json:"strict"`
	Seed   int64 `json:"seed"`
	// New are the evaluations of the new student, Old those of the one in use; none where no model
	// is in use. CurrentPromotion is the number of the promotion in use.
	New              []storage.Ref `json:"new"`
	Old              []storage.Ref `json:"old"`
	CurrentPromotion int           `json:"current_promotion"`
}

// CompareModelsResult is the result of the comparison. Reasons say why the new model is rejected.
type CompareModelsResult struct {
	Metrics    []metric.Score       `json:"metrics"`
	Comparison *registry.Comparison `json:"comparison"`
	Coverage   float64              `json:"coverage"`
	Reasons    []string             `json:"reasons"`
}

// CompareModels compares the two students on the same users.
func (a *Activities) CompareModels(ctx context.Context, in CompareModelsInput) (out CompareModelsResult, err error) {
	ctx, hb := a.startHeartbeat(ctx, "compare models")
	defer hb.stop()
	defer func() { err = temporalError(ctx, err) }()
	task := GateTask(in.Gate)
	candidate, err := readPredictions[prediction.Prediction](ctx, a.Bucket, in.New, task)
	if err != nil {
		return out, err
	}
	out.Metrics = metric.ScoreRankings(prediction.Lists(candidate), in.Strict, in.Seed)
	out.Coverage = coverage(candidate, in.Items)
	if len(in.Old) == 0 {
		return out, nil
	}
	if out.Coverage < in.Gate.MinCoverage {
		out.Reasons = append(out.Reasons, fmt.Sprintf(
			"catalog coverage is %.2f%%, less than nightly.gate.min_coverage %g requires",
			100*out.Coverage, in.Gate.MinCoverage))
	}
	current, err := readPredictions[prediction.Prediction](ctx, a.Bucket, in.Old, task)
	if err != nil {
		return out, err
	}
	if err := sameUsers(candidate, current); err != nil {
		return out, err
	}
	out.Comparison, err = compare(in, out.Metrics, metric.ScoreRankings(prediction.Lists(current), in.Strict, in.Seed))
	if err != nil {
		return out, err
	}
	if c := out.Comparison; c.P > in.Gate.Alpha {
		out.Reasons = append(out.Reasons, fmt.Sprintf(
			"%s over the same %d users is %.4f, before %.4f: non-inferiority with margin %g is not shown "+
				"(p %.3f, more than nightly.gate.alpha %g)",
			c.Metric, c.Users, c.Candidate, c.Current, in.Gate.Margin, c.P, in.Gate.Alpha))
	}
	return out, nil
}

// GateTask returns the ranking task that a gate compares.
func GateTask(g spec.Gate) task.Task {
	return map[string]task.Task{"sequential": task.Sequential, "topn": task.TopN}[g.Task]
}

// coverage returns the share of all items that occur in the lists.
func coverage(predictions []prediction.Prediction, items int) float64 {
	recommended := map[int]bool{}
	for _, p := range predictions {
		for _, item := range p.Items {
			recommended[item] = true
		}
	}
	return float64(len(recommended)) / float64(max(items, 1))
}

func sameUsers(a, b []prediction.Prediction) error {
	if len(a) != len(b) || len(a) == 0 {
		return fmt.Errorf(
			"%w: %d users were evaluated with the new model and %d with the current one", ErrData, len(a), len(b),
		)
	}
	for i := range a {
		if a[i].User != b[i].User || a[i].Truth != b[i].Truth {
			return fmt.Errorf(
				"%w: prediction %d is of user %d with the new model and of user %d with the current one", ErrData,
				i+1, a[i].User, b[i].User,
			)
		}
	}
	return nil
}

// compare runs the paired test of the hypothesis that the new student is worse by the margin or
// more, on average over the users.
func compare(in CompareModelsInput, candidate, current []metric.Score) (*registry.Comparison, error) {
	for i, score := range candidate {
		if score.Metric != in.Gate.Metric {
			continue
		}
		c := &registry.Comparison{
			Metric: score.Metric, CurrentPromotion: in.CurrentPromotion, Users: score.N, Candidate: score.Value,
			Current:    current[i].Value,
			Difference: score.Value - current[i].Value, Interval: metric.Interval{Low: -1, High: 1}, P: 1,
		}
		d, err := metric.BootstrapPaired(score.Each, current[i].Each, metric.Resamples, in.Seed)
		if errors.Is(err, metric.ErrTooFew) {
			return c, nil // one user is too few for a test
		}
		if err != nil {
			return nil, err
		}
		c.Interval = d.Interval
		c.P, err = nonInferiority(score.Each, current[i].Each, in.Gate.Margin)
		return c, err
	}
	return nil, fmt.Errorf("%w: nightly.gate.metric %q is not a ranking metric", ErrInvalid, in.Gate.Metric)
}

// nonInferiority returns the one-sided p-value of a paired t-test for the candidate being better
// than the current model minus the margin.
func nonInferiority(candidate, current []float64, margin float64) (float64, error) {
	shifted := make([]float64, len(current))
	for i, value := range current {
		shifted[i] = value - margin
	}
	test, err := metric.Paired(candidate, shifted)
	switch {
	case err != nil:
		return 1, err
	case test.Error > 0:
		return distuv.StudentsT{Mu: 0, Sigma: 1, Nu: test.DF}.CDF(-test.T), nil
	case test.Difference >= 0: // the difference is the same for every user: no variance, no chance
		return 0, nil
	default:
		return 1, nil
	}
}
