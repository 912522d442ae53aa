package recommend

import (
	"context"
	"fmt"

	"rdrec/internal/dataset"
	"rdrec/internal/prediction"
	"rdrec/internal/spec"
	"rdrec/internal/t5"
	"rdrec/internal/task"
	"rdrec/internal/token"
)

// Recommender recommends and explains items for users whose next item is unknown. It always
// searches among the items that the user has not had, with padding masked, whatever the protocol of
// the training: every recommendation is an item of the shop, and does not depend on the other users
// of the request. It caches the catalog. Use it from one goroutine at a time, and free it with
// [Recommender.Free].
type Recommender struct {
	job     Job
	corpus  *task.Corpus
	catalog *Catalog
}

// NewRecommender returns the recommender of a student. Method and settings are those of its
// training and its evaluation.
func NewRecommender(
	model *t5.Model, tokenizer *token.T5, data *dataset.Dataset, method spec.Method, settings spec.Evaluate,
) (*Recommender, error) {
	protocol, err := spec.ProtocolNamed(spec.Clean)
	if err != nil {
		return nil, err
	}
	r := &Recommender{job: Job{
		Model: model, Tokenizer: tokenizer, Data: data, Evaluate: settings,
		Settings: task.Settings{Method: method, Protocol: protocol, Negatives: data.Stats().Negatives},
	}}
	if r.corpus, err = task.New(data, r.job.settings()); err != nil {
		return nil, err
	}
	r.catalog, err = r.job.newCatalog()
	return r, err
}

// Free frees what the recommender keeps on the student's device, but not the student.
func (r *Recommender) Free() { r.catalog.Free() }

// Recommend recommends up to k unseen items to each of the users, best first, in the order of the
// users. A user with fewer unseen items gets all of them.
func (r *Recommender) Recommend(
	ctx context.Context, users []dataset.User, k int, progress func(done, total int),
) ([]prediction.Prediction, error) {
	ranker, err := r.ranker(users, k, progress)
	if err != nil {
		return nil, err
	}
	return ranker.run(ctx)
}

// RecommendByHead is [Recommender.Recommend] by the item head: one pass of the encoder scores all
// items, and nothing is searched. The scores are log-probabilities among all items.
func (r *Recommender) RecommendByHead(
	ctx context.Context, users []dataset.User, k int, progress func(done, total int),
) ([]prediction.Prediction, error) {
	ranker, err := r.ranker(users, k, progress)
	if err != nil {
		return nil, err
	}
	return ranker.runBy(ctx, ranker.byHead)
}

// ranker returns the ranker of users whose next item is unknown.
func (r *Recommender) ranker(users []dataset.User, k int, progress func(done, total int)) (*ranker, error) {
	list, err := r.corpus.NextItemList(users)
	if err != nil {
		return nil, err
	}
	job := r.job
	job.Progress = progress
	p, err := job.plan(list)
	if err != nil {
		return nil, fmt.Errorf("next item: %w", err)
	}
	ranker := &ranker{Job: job, plan: p, numItems: k, seen: make(map[int][]int, len(users)), catalog: r.catalog}
	for _, user := range users {
		ranker.seen[user.ID] = user.Items
	}
	return ranker, nil
}

// Explain generates an explanation for each pair of user and item, in the order of the pairs.
func (r *Recommender) Explain(
	ctx context.Context, pairs []task.Pair, progress func(done, total int),
) ([]string, error) {
	list, err := r.corpus.ExplanationList(pairs)
	if err != nil {
		return nil, err
	}
	job := r.job
	job.Progress = progress
	generated, err := job.explain(ctx, list)
	if err != nil {
		return nil, err
	}
	texts := make([]string, len(generated))
	for i, t := range generated {
		texts[i] = t.Generated
	}
	return texts, nil
}
