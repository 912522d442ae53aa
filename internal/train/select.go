package train

import (
	"context"
	"slices"

	"rdrec/internal/metric"
	"rdrec/internal/recommend"
	"rdrec/internal/spec"
	"rdrec/internal/task"
)

// Settings of the ranking that selects the best epoch.
const (
	selectionUsers = 1000 // where the spec names no number
	selectionItems = 10
	selectionBatch = 64
)

// rankValidation returns the NDCG@10 of the validation items of a sample of users, the same in
// every epoch.
func (t *trainer) rankValidation(ctx context.Context) (float64, error) {
	list, err := t.corpus.Validation(task.Sequential, t.job.Seed, 1)
	if err != nil {
		return 0, err
	}
	users := t.job.Spec.Train.SelectionUsers
	if users == 0 {
		users = selectionUsers
	}
	list = list.SampleEvenly(users)
	job := recommend.Job{
		Model: t.model, Tokenizer: t.tokenizer, Data: t.job.Data, Validation: true, Seed: t.job.Seed,
		Settings: task.Settings{Method: t.job.Method, Protocol: t.job.Protocol, Negatives: t.job.Spec.Data.Negatives},
		Evaluate: spec.Evaluate{
			Batch: selectionBatch, NumBeams: 2 * selectionItems, NumReturnSequences: selectionItems,
			MaxReferenceTokens: t.job.Spec.Train.MaxTargetTokens,
		},
		Progress: func(int, int) {
			p := t.progress()
			p.Validating = true
			t.report(p)
		},
	}
	rank := recommend.Rank
	if t.job.Spec.Train.SelectBy == spec.SelectHeadNDCG {
		rank = recommend.RankByHead
	}
	predictions, err := rank(ctx, job, list)
	if err != nil {
		return 0, err
	}
	sum := 0.0
	for _, p := range predictions {
		if at := slices.Index(p.Items, p.Truth); at >= 0 && at < selectionItems {
			sum += metric.Discount(at)
		}
	}
	return sum / float64(max(len(predictions), 1)), nil
}
