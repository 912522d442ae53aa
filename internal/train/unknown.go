package train

import (
	"fmt"

	"rdrec/internal/dataset"
)

// minUnknownShare is the share of unknown tokens that a notice mentions.
const minUnknownShare = 0.001

// unknownNotices returns a notice for each text of the records of which the student's vocabulary
// lacks characters: it can neither read nor write them.
func (t *trainer) unknownNotices() []string {
	type text struct {
		name string
		of   func(e dataset.Explanation) string
		// consequence is what the reader of the scores has to know.
		consequence string
	}
	texts := []text{
		{
			"explanations", func(e dataset.Explanation) string { return e.Explanation },
			", and scores compare the texts without them",
		},
		{"rationales", func(e dataset.Explanation) string { return e.Preference + " " + e.Attribution }, ""},
	}
	all := t.job.Data.Explanations
	var notices []string
	for _, text := range texts {
		unknown, tokens := 0, 0
		for _, split := range [][]dataset.Explanation{all.Train, all.Val, all.Test} {
			for _, e := range split {
				u, n := t.tokenizer.CountUnknown(text.of(e))
				unknown, tokens = unknown+u, tokens+n
			}
		}
		if share := float64(unknown) / float64(max(tokens, 1)); share >= minUnknownShare {
			notices = append(notices, fmt.Sprintf("%.1f%% of the tokens of %s are unknown to the student "+
				"(%d of %d): its vocabulary lacks their characters%s", 100*share, text.name, unknown, tokens,
				text.consequence))
		}
	}
	return notices
}
