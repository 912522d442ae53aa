package statement

import (
	"slices"
	"strings"

	"rdrec/internal/dataset"
	"rdrec/internal/prediction"
)

// Explain returns the texts with the best statement about each item for its user in the place of
// what was generated. The ranker is fitted on the training explanations, without held-out pairs if
// heldOut is set.
func Explain(d *dataset.Dataset, heldOut bool, texts []prediction.Text) []prediction.Text {
	rows := d.Explanations.Train
	if heldOut {
		rows = d.WithoutHeldOut().Train
	}
	ranker := NewRanker(rows)
	explained := slices.Clone(texts)
	for i, t := range explained {
		best := strings.Join(ranker.Rank(t.User, t.Item, 1), " ")
		explained[i].Generated = strings.Join(strings.Fields(best), " ")
	}
	return explained
}
