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

// Recommender answers for a trained student when nobody knows the truth: what a user may like next,
// and why. It always searches among the items that the user has not had, with padding hidden,
// whatever protocol the student was trained in: an answer is an item of the shop, and does not
// depend on who else asks at the same time. It keeps what all answers need; it is for one goroutine
// at a time.
type Recommender struct {
	job     Job
	corpus  *task.Corpus
	catalog *Catalog
}

// NewRecommender returns the advisor of a student. The settings of method and evaluation are those
// that it was trained and examined with.
func NewRecommender(model *t5.Model, tokenizer *token.T5, data *dataset.Dataset, method spec.Method, settings spec.Evaluate) (*Recommender, error) {
	protocol, err := spec.ProtocolNamed(spec.Clean)
	if err != nil {
		return nil, err
	}
	a := &Recommender{job: Job{
		Model: model, Tokenizer: tokenizer, Data: data, Evaluate: settings,
		Settings: task.Settings{Method: method, Protocol: protocol, Negatives: data.Stats().Negatives},
	}}
	if a.corpus, err = task.New(data, a.job.Settings); err != nil {
		return nil, err
	}
	a.catalog, err = a.job.newCatalog()
	return a, err
}

// Recommend recommends up to k unseen items to each of the users, best first, in the users' order.
// A user who has had all but fewer gets those.
func (a *Recommender) Recommend(ctx context.Context, users []dataset.User, k int, progress func(done, total int)) ([]prediction.Prediction, error) {
	list, err := a.corpus.NextItemList(users)
	if err != nil {
		return nil, err
	}
	job := a.job
	job.Progress = progress
	p, err := job.plan(list)
	if err != nil {
		return nil, fmt.Errorf("next item: %w", err)
	}
	r := &ranker{Job: job, plan: p, numItems: k, seen: make(map[int][]int, len(users)), catalog: a.catalog}
	for _, user := range users {
		r.seen[user.ID] = user.Items
	}
	return r.run(ctx)
}

// Explain writes why each user would choose the item beside it, in the order of the pairs.
func (a *Recommender) Explain(ctx context.Context, pairs []task.Pair, progress func(done, total int)) ([]string, error) {
	list, err := a.corpus.ExplanationList(pairs)
	if err != nil {
		return nil, err
	}
	job := a.job
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
