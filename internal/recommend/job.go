// Package recommend examines a trained student. In: a student, a dataset and the settings of an
// evaluation ([Job]); out: what it recommends to each user ([Sequential], [TopN]) and how it
// explains ([Explain]), in the data's order. The steps: the job's test examples are cut into
// batches, a batch is decoded, and what was decoded is read. In protocol paper decoding is beam
// search as transformers 4.36.2 has it ([Search]) and texts are read as the reference's scripts do
// ([ParseItem]); in protocol clean it walks a trie of the items that may be recommended
// ([SearchItems]), so that every answer is one. A job may be cut into parts for several workers;
// their answers merge exactly ([rdrec/internal/prediction.Merge]).
package recommend

import (
	"context"
	"fmt"
	"slices"

	"rdrec/internal/dataset"
	"rdrec/internal/spec"
	"rdrec/internal/t5"
	"rdrec/internal/task"
	"rdrec/internal/token"
)

// Job is an examination of a student, or a part of one.
type Job struct {
	Model     *t5.Model
	Tokenizer *token.T5
	Data      *dataset.Dataset
	// Settings are those that the student was trained with.
	Settings task.Settings
	Evaluate spec.Evaluate
	// Seed draws the order of top-N candidates, and in protocol paper the items that stand for
	// texts that are no number.
	Seed int64
	// Shard, from 0, is which of Parts equal runs of batches is examined; Parts 0 means 1. Batches
	// are the same however many parts there are, so that the parts' answers put together by [rdrec/internal/prediction.Merge]
	// are those of a single one.
	Shard, Shards int
	// Progress, where set, is told after each batch how many of the part's rows are done.
	Progress func(done, total int)
}

// plan is the rows of a job in the order in which they are decoded.
type plan struct {
	list    task.List
	encoder *task.Encoder
	order   []int // elements in the data's order
	// from and to bound the part's rows within order; batch is how many of them make a batch.
	from, to, batch int
}

// testList lists limit test examples of a kind, all where limit is 0.
func (j Job) testList(tk task.Task, limit int) (task.List, error) {
	corpus, err := task.New(j.Data, j.Settings)
	if err != nil {
		return task.List{}, err
	}
	list, err := corpus.Test(tk, j.Seed)
	return list.SampleEvenly(limit), err
}

// plan cuts the job's part out of a list, at a batch's edge.
func (j Job) plan(list task.List) (*plan, error) {
	p := &plan{list: list, batch: j.Evaluate.Batch, order: make([]int, len(list.Examples))}
	for i := range p.order {
		p.order[i] = i
	}
	if j.Settings.Protocol.MaskCross {
		p.sortByLength()
	}
	var err error
	if p.encoder, err = task.NewEncoder(j.Tokenizer, j.Settings, j.Evaluate.MaxReferenceTokens); err != nil {
		return nil, err
	}
	if p.batch < 1 {
		return nil, fmt.Errorf("batches of %d rows: at least 1 is needed", p.batch)
	}
	shards := max(j.Shards, 1)
	if j.Shard < 0 || j.Shard >= shards {
		return nil, fmt.Errorf("shard %d of %d is out of range (shards start at 0)", j.Shard, shards)
	}
	batches := (len(p.order) + p.batch - 1) / p.batch
	p.from = min(batches*j.Shard/shards*p.batch, len(p.order))
	p.to = min(batches*(j.Shard+1)/shards*p.batch, len(p.order))
	return p, nil
}

// sortByLength puts rows of like lengths together, so that little padding is read. It is for
// protocols in which a row's result does not depend on its batch.
func (p *plan) sortByLength() {
	slices.SortStableFunc(p.order, func(a, b int) int {
		return len(p.list.Examples[a].Source) - len(p.list.Examples[b].Source)
	})
	examples := make([]task.Example, len(p.order))
	for i, index := range p.order {
		examples[i] = p.list.Examples[index]
	}
	p.list.Examples = examples
}

// each calls f with every batch of the part and the place of its first row in order.
func (p *plan) each(ctx context.Context, progress func(done, total int), f func(b task.Batch, first int) error) error {
	list, first := p.list, 0
	if list.Task != task.Explanation { // explanations may be padded to the longest of the whole list
		list.Examples, first = list.Examples[p.from:p.to], p.from
	}
	for b := range list.Batches(p.encoder, p.batch) {
		if p.from <= first && first < p.to {
			err := ctx.Err()
			if err == nil {
				err = f(b, first)
			}
			if err != nil {
				return fmt.Errorf("%s rows %d to %d: %w", list.Task, first+1, first+b.Size, err)
			}
			if progress != nil {
				progress(first+b.Size-p.from, p.to-p.from)
			}
		}
		first += b.Size
	}
	return nil
}
