package recommend

import (
	"context"
	"fmt"
	"strings"

	"rdrec/internal/beam"
	"rdrec/internal/task"
	"rdrec/internal/token"
)

// Text is an explanation that the student wrote, beside the one that the user did.
type Text struct {
	// Index is the record's among those examined, from 0, in the data's order.
	Index int `json:"index"`
	User  int `json:"user"`
	Item  int `json:"item"`
	// Reference and Generated are words with single blanks between them, as BLEU and ROUGE see
	// them; Reference is cut as [spec.Evaluate] says.
	Reference string `json:"reference"`
	Generated string `json:"generated"`
}

func (t Text) index() int { return t.Index }

// Explain writes why the users of the test explanations chose their items: the reference's exp.py.
func Explain(ctx context.Context, job Job) ([]Text, error) {
	if job.Evaluate.Explanations < 0 {
		return nil, nil
	}
	list, err := job.testList(task.Explanation, job.Evaluate.Explanations)
	if err != nil {
		return nil, fmt.Errorf("explanation: %w", err)
	}
	return job.explain(ctx, list)
}

// explain writes the explanations of a list.
func (j Job) explain(ctx context.Context, list task.List) ([]Text, error) {
	p, err := j.plan(list)
	if err != nil {
		return nil, fmt.Errorf("explanation: %w", err)
	}
	e, config := j.Evaluate, beam.DefaultConfig()
	config.NumBeams, config.NumBeamGroups, config.NumReturnSequences = e.ExplanationNumBeams, e.ExplanationNumBeamGroups, 1
	config.MinLength, config.MaxLength = e.MinLength, e.MaxLength
	var all []Text
	err = p.each(ctx, j.Progress, func(b task.Batch, first int) error {
		found, err := beam.Search(ctx, j.Model, b, config, j.Settings.Protocol.MaskCross)
		if err != nil {
			return err
		}
		for i, hypotheses := range found {
			example := p.list.Examples[first+i]
			t := Text{Index: p.order[first+i], User: example.User, Item: example.Item}
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
	return Merge(all), err
}

// text decodes what was generated. The student's vocabulary is a little larger than the
// tokenizer's; the reference fails on the ids between them, here they are no text.
func (j Job) text(h beam.Hypothesis) (string, error) {
	var ids []int32
	for _, id := range h.Tokens {
		if int(id) < j.Tokenizer.Size() {
			ids = append(ids, id)
		}
	}
	return j.Tokenizer.Decode(ids)
}
