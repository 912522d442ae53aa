package recommend

import (
	"context"
	"fmt"

	"rdrec/internal/dataset"
	"rdrec/internal/spec"
	"rdrec/internal/t5"
	"rdrec/internal/task"
	"rdrec/internal/token"
)

// Advisor answers for a trained student when nobody knows the truth: what a user may like next, and why. It always searches among the
// items that the user has not had, with padding hidden, whatever protocol the student was trained in: an answer is an item of the
// shop, and does not depend on who else asks at the same time. It keeps what all answers need; it is for one goroutine at a time.
type Advisor struct {
	job       Job
	corpus    *task.Corpus
	catalogue *Catalogue
}

// NewAdvisor returns the advisor of a student. The settings of method and evaluation are those that it was trained and examined with.
func NewAdvisor(model *t5.Model, tokenizer *token.T5, data *dataset.Dataset, method spec.Method, evaluate spec.Evaluate) (*Advisor, error) {
	protocol, err := spec.ProtocolNamed(spec.Clean)
	if err != nil {
		return nil, err
	}
	a := &Advisor{job: Job{
		Model: model, Tokenizer: tokenizer, Data: data, Evaluate: evaluate,
		Settings: task.Settings{Method: method, Protocol: protocol, Negatives: data.Stats().Negatives},
	}}
	if a.corpus, err = task.New(data, a.job.Settings); err != nil {
		return nil, err
	}
	a.catalogue, err = a.job.catalogue()
	return a, err
}

// Next recommends up to k unseen items to each of the users, best first, in the users' order. A user who has had all but fewer gets
// those.
func (a *Advisor) Next(ctx context.Context, users []dataset.User, k int, progress func(done, total int)) ([]Ranking, error) {
	list, err := a.corpus.Next(users)
	if err != nil {
		return nil, err
	}
	job := a.job
	job.Progress = progress
	p, err := job.plan(list)
	if err != nil {
		return nil, fmt.Errorf("next item: %w", err)
	}
	r := &ranker{Job: job, plan: p, want: k, seen: make(map[int][]int, len(users)), catalogue: a.catalogue}
	for _, user := range users {
		r.seen[user.ID] = user.Items
	}
	return r.run(ctx)
}

// Why writes why each user would choose the item beside it, in the order of the pairs.
func (a *Advisor) Why(ctx context.Context, pairs []task.Pair, progress func(done, total int)) ([]string, error) {
	list, err := a.corpus.Why(pairs)
	if err != nil {
		return nil, err
	}
	job := a.job
	job.Progress = progress
	written, err := job.explain(ctx, list)
	if err != nil {
		return nil, err
	}
	texts := make([]string, len(written))
	for i, t := range written {
		texts[i] = t.Generated
	}
	return texts, nil
}
