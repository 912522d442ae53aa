package registry

import (
	"fmt"
	"math"
	"strings"
)

// Sentence returns the verdict in one sentence: "NDCG@10 fell by 57% (95% -71% to -43%): rejected".
func (n *NightlyRun) Sentence() string {
	verdict := n.Verdict
	if verdict == VerdictFirst {
		verdict = VerdictPromoted
	}
	switch {
	case n.Verdict == VerdictIdle:
		return "nothing new to train on"
	case n.Verdict == VerdictFailed:
		return "failed: " + strings.Join(n.Reasons, "; ")
	case n.Verdict == VerdictPaused:
		return fmt.Sprintf("paused until \"starter resume\": %s", strings.Join(n.Reasons, "; "))
	case n.Comparison != nil:
		return n.Comparison.Change() + ": " + verdict
	case n.Baseline != nil:
		c := n.Baseline
		return fmt.Sprintf("%s is %.4f, that of %s %.4f: %s", c.Metric, c.Candidate, c.Baseline, c.Current, verdict)
	case len(n.Reasons) > 0:
		return strings.Join(n.Reasons, "; ") + ": " + verdict
	default:
		return verdict
	}
}

// maxChange is the greatest factor that is shown as a relative change.
const maxChange = 10

// Change returns how the metric changed, relative to the model in use: "NDCG@10 fell by 57% (95%
// -71% to -43%)". The change is absolute where the metric of the model in use is too small for a
// relative change to mean anything.
func (c *Comparison) Change() string {
	word := "rose"
	switch {
	case c.Difference == 0:
		return fmt.Sprintf("%s did not change (%.4f)", c.Metric, c.Current)
	case c.Difference < 0:
		word = "fell"
	}
	if c.Candidate > maxChange*c.Current {
		text := fmt.Sprintf("%s %s from %.4f to %.4f", c.Metric, word, c.Current, c.Candidate)
		if c.Users > 1 {
			text += fmt.Sprintf(" (95%% %+.4f to %+.4f)", c.Interval.Low, c.Interval.High)
		}
		return text
	}
	text := fmt.Sprintf("%s %s by %s", c.Metric, word, percent(math.Abs(c.Difference)/c.Current))
	if c.Users > 1 {
		low, high := c.Interval.Low/c.Current, c.Interval.High/c.Current
		text += fmt.Sprintf(" (95%% %s to %s)", signedPercent(low), signedPercent(high))
	}
	return text
}

// percent formats a share: with one decimal below 10%.
func percent(share float64) string {
	if math.Abs(share) < 0.0995 {
		return fmt.Sprintf("%.1f%%", 100*share)
	}
	return fmt.Sprintf("%.0f%%", 100*share)
}

func signedPercent(share float64) string {
	if share < 0 {
		return percent(share)
	}
	return "+" + percent(share)
}

// Sentences returns the verdict on a new model for its report.
func (n *NightlyRun) Sentences() []string {
	words := map[string]string{
		VerdictFirst:    "The new model is the first and is now in use.",
		VerdictPromoted: "The new model is now in use as promotion %d.",
		VerdictRejected: "The new model is rejected: promotion %d stays in use.",
	}[n.Verdict]
	switch {
	case n.Verdict == VerdictRejected && n.Promotion == 0:
		words = "The new model is rejected: no model is in use."
	case n.Verdict == VerdictPromoted || n.Verdict == VerdictRejected:
		words = fmt.Sprintf(words, n.Promotion)
	}
	lines := []string{words}
	if c := n.Comparison; c != nil {
		lines = append(lines, fmt.Sprintf("%s: %.4f after %.4f on the same %d users.",
			c.Change(), c.Candidate, c.Current, c.Users))
	}
	if c := n.Baseline; c != nil {
		lines = append(lines, fmt.Sprintf("The %s of %s on these users is %.4f.", c.Metric, c.Baseline, c.Current))
	}
	if n.Lists != nil {
		lines = append(lines, n.Lists.String()+".")
	}
	for _, bad := range n.SetAside {
		lines = append(lines, "The run "+bad.String())
	}
	return append(lines, n.Reasons...)
}
