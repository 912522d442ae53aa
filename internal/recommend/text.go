package recommend

import (
	"context"
	"fmt"
	"strings"

	"rdrec/internal/beam"
	"rdrec/internal/prediction"
	"rdrec/internal/task"
	"rdrec/internal/token"
)

// Explain generates the explanations of the test records, as the reference's exp.py does.
func Explain(ctx context.Context, job Job) ([]prediction.Text, error) {
	if job.Evaluate.Explanations < 0 {
		return nil, nil
	}
	list, err := job.testList(task.Explanation, job.Evaluate.Explanations)
	if err != nil {
		return nil, fmt.Errorf("explanation: %w", err)
	}
	return job.explain(ctx, list)
}

// explain generates the explanations of a list.
func (j Job) explain(ctx context.Context, list task.List) ([]prediction.Text, error) {
	p, err := j.plan(list)
	if err != nil {
		return nil, fmt.Errorf("explanation: %w", err)
	}
	e, config := j.Evaluate, beam.DefaultConfig()
	config.NumBeams, config.NumBeamGroups = e.ExplanationNumBeams, e.ExplanationNumBeamGroups
	config.NumReturnSequences = 1
	config.MinLength, config.MaxLength = e.MinLength, e.MaxLength
	var all []prediction.Text
	err = p.each(ctx, j.Progress, func(b task.Batch, first int) error {
		found, err := beam.Search(ctx, j.Model, b, config, j.Settings.Protocol.MaskCross)
		if err != nil {
			return err
		}
		for i, hypotheses := range found {
			example := p.list.Examples[first+i]
			t := prediction.Text{Index: p.order[first+i], User: example.User, Item: example.Item}
			if t.Generated, err = j.text(hypotheses[0]); err != nil {
				return fmt.Errorf("user %d, item %d: %w", t.User, t.Item, err)
			}
			t.Generated = strings.Join(token.Fields(t.Generated), " ")
			if t.Reference, err = task.Reference(j.Tokenizer, example.Target, e.MaxReferenceTokens); err != nil {
				return fmt.Errorf("user %d, item %d: %w", t.User, t.Item, err)
			}
			all = append(all, t)
		}
		return nil
	})
	return prediction.Merge(all), err
}

// text decodes a hypothesis. The student's vocabulary is slightly larger than the tokenizer's; the
// reference fails on the additional ids, which are dropped here.
func (j Job) text(h beam.Hypothesis) (string, error) {
	var ids []int32
	for _, id := range h.Tokens {
		if int(id) < j.Tokenizer.Size() {
			ids = append(ids, id)
		}
	}
	return j.Tokenizer.Decode(ids)
}
