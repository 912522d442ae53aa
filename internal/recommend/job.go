// Package recommend evaluates a trained student. In: a student, a dataset and the settings of an
// evaluation ([Job]); out: what it recommends to each user ([Sequential], [TopN]) and how it
// explains ([Explain]), in the order of the data. The job's test examples are encoded in batches,
// each batch is decoded, and the decoded texts are parsed. In protocol paper, decoding is the beam
// search of package beam, and texts are parsed as by the reference's scripts ([ParseItem]). In
// protocol clean, decoding is constrained to a trie of the allowed items ([SearchItems]), so every
// text is an item. A job can be split into shards for several workers; their predictions merge
// exactly (package prediction).
package recommend

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"rdrec/internal/dataset"
	"rdrec/internal/spec"
	"rdrec/internal/t5"
	"rdrec/internal/task"
	"rdrec/internal/token"
	"rdrec/internal/torch"
)

// Job is an evaluation of a student, or a shard of one.
type Job struct {
	Model     *t5.Model
	Tokenizer *token.T5
	Data      *dataset.Dataset
	// Settings are the settings of the training.
	Settings task.Settings
	Evaluate spec.Evaluate
	// Validation ranks the validation items: a user's items to exclude are then the training items.
	Validation bool
	// Seed is the seed of the order of top-N candidates and, in protocol paper, of the random items
	// that replace texts that are not a number.
	Seed int64
	// Shard, from 0, is the shard to evaluate of Shards contiguous, equal parts of the batches;
	// Shards 0 means 1. The batches do not depend on Shards, so the merged predictions equal those
	// of a single shard.
	Shard, Shards int
	// Progress is called after each batch with the number of finished rows of the shard; it may be
	// nil.
	Progress func(done, total int)
}

// plan is the rows of a job in decoding order.
type plan struct {
	list    task.List
	encoder *task.Encoder
	order   []int // the index of each row in the order of the data
	// from and to bound the shard's rows within order; batch is the number of rows in a batch.
	from, to, batch int
}

// settings returns the settings of the examples, with the model's item tokens.
func (j Job) settings() task.Settings {
	settings := j.Settings
	settings.Items = j.Model.ItemTokens()
	return settings
}

// testList returns limit test examples of a task, or all if limit is 0.
func (j Job) testList(tk task.Task, limit int) (task.List, error) {
	corpus, err := task.New(j.Data, j.settings())
	if err != nil {
		return task.List{}, err
	}
	list, err := corpus.Test(tk, j.Seed)
	return list.SampleEvenly(limit), err
}

// plan selects the job's shard of a list, at batch boundaries.
func (j Job) plan(list task.List) (*plan, error) {
	p := &plan{list: list, batch: j.Evaluate.Batch, order: make([]int, len(list.Examples))}
	for i := range p.order {
		p.order[i] = i
	}
	if j.Settings.Protocol.MaskCross {
		p.sortByLength()
	}
	var err error
	if p.encoder, err = task.NewEncoder(j.Tokenizer, j.settings(), j.Evaluate.MaxReferenceTokens); err != nil {
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

// sortByLength sorts rows by length, which minimizes padding. It requires a protocol in which a
// row's result does not depend on its batch.
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

// each calls f with every batch of the shard and the index of its first row in order. If memory
// runs out, the number of rows is halved from there on. A part of a batch keeps the batch's
// padding, so no result depends on it.
func (p *plan) each(ctx context.Context, progress func(done, total int), f func(b task.Batch, first int) error) error {
	list, first := p.list, 0
	if list.Task != task.Explanation { // explanations can be padded to the longest of the whole list
		list.Examples, first = list.Examples[p.from:p.to], p.from
	}
	rows := p.batch
	for b := range list.Batches(p.encoder, p.batch) {
		for from := 0; p.from <= first && first < p.to && from < b.Size; {
			part := b.Rows(from, min(from+rows, b.Size))
			err := ctx.Err()
			if err == nil {
				err = f(part, first+from)
			}
			if errors.Is(err, torch.ErrOutOfMemory) && part.Size > 1 {
				rows = (part.Size + 1) / 2
				continue
			}
			if err != nil {
				return fmt.Errorf("%s rows %d to %d: %w", list.Task, first+from+1, first+from+part.Size, err)
			}
			from += part.Size
			if progress != nil {
				progress(first+from-p.from, p.to-p.from)
			}
		}
		first += b.Size
	}
	return nil
}
