package activities

import (
	"errors"
	"fmt"

	"gonum.org/v1/gonum/stat/distuv"

	"rdrec/internal/baseline"
	"rdrec/internal/metric"
	"rdrec/internal/prediction"
	"rdrec/internal/spec"
	"rdrec/registry"
)

// gateCheck is a running [Activities.CompareModels].
type gateCheck struct {
	CompareModelsInput
	candidate []prediction.Prediction
	// scores are the candidate's.
	scores []metric.Score
}

// score scores predictions by every ranking metric.
func (g *gateCheck) score(predictions []prediction.Prediction) ([]metric.Score, error) {
	if len(predictions) == 0 {
		return nil, fmt.Errorf("%w: no user was evaluated in nightly.gate.task %q", ErrData, g.Gate.Task)
	}
	return metric.ScoreRankings(prediction.Lists(predictions), g.Strict, g.Seed), nil
}

// baseline returns the baseline to compare with: the floor, or popularity where it is switched off.
func (g *gateCheck) baseline() string {
	if g.Gate.Floor == spec.FloorNone {
		return baseline.Popularity
	}
	return g.Gate.Floor
}

// compareCurrent tests whether the candidate is at most a margin worse than the model in use.
func (g *gateCheck) compareCurrent(current []prediction.Prediction) (*registry.Comparison, error) {
	if err := sameUsers(g.candidate, current, "the current one"); err != nil {
		return nil, err
	}
	c, err := g.compare(current, func(value float64) (float64, error) {
		return Margin(g.Gate, value)
	})
	if err == nil {
		c.CurrentPromotion = g.CurrentPromotion
	}
	return c, err
}

// compareBaseline compares the candidate with a baseline.
func (g *gateCheck) compareBaseline(ranked []prediction.Prediction) (*registry.Comparison, error) {
	if err := sameUsers(g.candidate, ranked, g.baseline()); err != nil {
		return nil, err
	}
	c, err := g.compare(ranked, func(float64) (float64, error) { return 0, nil })
	if err == nil {
		c.Baseline = g.baseline()
	}
	return c, err
}

// Margin returns the gate's margin in units of the metric. The current model's value is value. An
// absolute margin that is not smaller is [ErrInvalid]: a model that gets everything wrong would
// pass.
func Margin(g spec.Gate, value float64) (float64, error) {
	if g.MarginType != spec.AbsoluteMargin {
		return g.Margin * value, nil
	}
	if g.Margin >= value && g.Margin > 0 {
		return 0, fmt.Errorf(
			"%w: nightly.gate.margin %g is absolute and not less than the %s of the model in use, %.4f, "+
				"so that any model would pass: lower it, or set nightly.gate.margin_type to relative",
			ErrInvalid, g.Margin, g.Metric, value)
	}
	return g.Margin, nil
}

// compare runs the paired test of the hypothesis that the candidate is worse than the other model
// by the margin or more, on average over the users.
func (g *gateCheck) compare(
	other []prediction.Prediction, margin func(float64) (float64, error),
) (*registry.Comparison, error) {
	scores, err := g.score(other)
	if err != nil {
		return nil, err
	}
	for i, score := range g.scores {
		if score.Metric != g.Gate.Metric {
			continue
		}
		c := &registry.Comparison{
			Metric: score.Metric, Users: score.N, Candidate: score.Value, Current: scores[i].Value,
			Difference: score.Value - scores[i].Value, Interval: metric.Interval{Low: -1, High: 1}, P: 1,
		}
		if c.Margin, err = margin(c.Current); err != nil {
			return nil, err
		}
		d, err := metric.BootstrapPaired(score.Each, scores[i].Each, metric.Resamples, g.Seed)
		if errors.Is(err, metric.ErrTooFew) {
			return c, nil // one user is too few for a test
		}
		if err != nil {
			return nil, err
		}
		c.Interval = d.Interval
		c.P, err = nonInferiority(score.Each, scores[i].Each, c.Margin)
		return c, err
	}
	return nil, fmt.Errorf("%w: nightly.gate.metric %q is not a ranking metric", ErrInvalid, g.Gate.Metric)
}

// gateFailures returns a reason for each condition of the gate that the new model does not meet.
func gateFailures(g spec.Gate, out CompareModelsResult) (reasons []string) {
	if c := out.Comparison; c != nil && c.P > g.Alpha {
		allowed := fmt.Sprintf("%g%%", 100*g.Margin)
		if g.MarginType == spec.AbsoluteMargin {
			allowed = fmt.Sprintf("%g", g.Margin)
		}
		reasons = append(reasons, fmt.Sprintf(
			"%s is %.4f after %.4f on the same %d users: a fall by nightly.gate.margin, %s, or more is not ruled out "+
				"(p %.3f, more than nightly.gate.alpha %g)",
			c.Metric, c.Candidate, c.Current, c.Users, allowed, c.P, g.Alpha))
	}
	if c := out.Baseline; g.Floor != spec.FloorNone && c.Candidate < c.Current {
		reasons = append(reasons, fmt.Sprintf(
			"%s is %.4f, below the %.4f of nightly.gate.floor %s on the same %d users",
			c.Metric, c.Candidate, c.Current, c.Baseline, c.Users))
	}
	d := out.Lists
	if possible := min(d.Items, d.Positions); float64(d.Recommended) < g.MinCoverage*float64(possible) {
		reasons = append(reasons, fmt.Sprintf(
			"only %d of %d items are recommended to anyone, fewer than nightly.gate.min_coverage %g requires",
			d.Recommended, d.Items, g.MinCoverage))
	}
	if d.FirstShare > g.MaxFirstShare {
		reasons = append(reasons, fmt.Sprintf(
			"%.0f%% of %d users have the same first item, more than nightly.gate.max_first_share %g allows",
			100*d.FirstShare, d.Users, g.MaxFirstShare))
	}
	if out.Texts != nil {
		for _, finding := range out.Texts.Findings() {
			reasons = append(reasons, "the explanations are degenerate, which nightly.gate.explanations forbids: "+
				finding.Text)
		}
	}
	return reasons
}

// sameUsers returns an error unless both are predictions for the same users; other names the second
// model.
func sameUsers(a, b []prediction.Prediction, other string) error {
	if len(a) != len(b) || len(a) == 0 {
		return fmt.Errorf(
			"%w: %d users were evaluated with the new model and %d with %s", ErrData, len(a), len(b), other,
		)
	}
	for i := range a {
		if a[i].User != b[i].User || a[i].Truth != b[i].Truth {
			return fmt.Errorf(
				"%w: prediction %d is of user %d with the new model and of user %d with %s", ErrData,
				i+1, a[i].User, b[i].User, other,
			)
		}
	}
	return nil
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
