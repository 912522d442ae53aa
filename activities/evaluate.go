package activities

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"rdrec/internal/spec"
	"rdrec/internal/task"
	"rdrec/storage"
)

// EvaluateInput is the settings of [Activities.Evaluate].
type EvaluateInput struct {
	Examples storage.Ref
	Model    storage.Ref
	// Kind is what is examined: sequential, top-N or explanation.
	Kind task.Kind
	// Protocol has its switches as far as these answers depend on them, and no name.
	Protocol spec.Protocol
	Method   string
	Evaluate spec.Evaluate
	Seed     int64
	// Part, from 0, is which of so many Parts is answered; Parts 0 is the whole. Rows are decoded in the same batches either way.
	Part  int `json:",omitempty"`
	Parts int `json:",omitempty"`
}

// Prediction is what the student recommended to one user.
type Prediction struct {
	// Place is where it stands among all parts' answers; the whole, which is in that order, does not say it.
	Place int `json:"place,omitempty"`
	User  int `json:"user"`
	Truth int `json:"truth"`
	// Items are item ids, best first; Texts and Scores are what the student wrote and its score for each beam.
	Items  []int     `json:"items"`
	Texts  []string  `json:"texts,omitempty"`
	Scores []float64 `json:"scores,omitempty"`
	// Random counts texts that were no item, in whose place protocol paper puts a random one; Seen counts items of the history,
	// which were dropped.
	Random int `json:"random,omitempty"`
	Seen   int `json:"seen,omitempty"`
}

// Text is an explanation that the student wrote, beside the user's own.
type Text struct {
	// Place is as in [Prediction].
	Place     int    `json:"place,omitempty"`
	User      int    `json:"user"`
	Item      int    `json:"item"`
	Reference string `json:"reference"`
	Generated string `json:"generated"`
}

// Evaluate lets the student answer the test examples of one kind and stores its answers as JSON lines.
func (a *Activities) Evaluate(ctx context.Context, in EvaluateInput) (ref storage.Ref, err error) {
	ctx, work, err := a.begin(ctx, "evaluate "+in.Kind.String())
	defer work.end(&err)
	if err != nil {
		return ref, err
	}
	if err := a.fetch(ctx, work.dir, map[string]storage.Ref{"examples": in.Examples, "model": in.Model}); err != nil {
		return ref, err
	}
	started := a.Now()
	job := RecommendJob{
		EvaluateInput: in, Data: filepath.Join(work.dir, "examples"), Model: filepath.Join(work.dir, "model"),
		Progress: func(done, total int) {
			work.report(Progress{Done: done, Total: total, Unit: "rows", Rate: float64(done) / max(a.Now().Sub(started).Seconds(), 1e-3)})
		},
	}
	out := filepath.Join(work.dir, "evaluation")
	if err := os.MkdirAll(out, 0o750); err != nil {
		return ref, fmt.Errorf("make folder for answers: %w", err)
	}
	working, cancel := drainable(ctx)
	defer cancel()
	err = a.answer(working, job, filepath.Join(out, answerFile(in.Kind)))
	if errors.Is(context.Cause(working), ErrDrained) {
		return ref, fmt.Errorf("%w: answers begin anew elsewhere", ErrDrained)
	}
	if err != nil {
		return ref, err
	}
	return a.Bucket.PutFolder(ctx, "evaluation", out)
}

func (a *Activities) answer(ctx context.Context, job RecommendJob, path string) error {
	if job.Kind == task.KindExplanation {
		texts, err := a.Students.Explain(ctx, job)
		if err != nil {
			return err
		}
		if job.Parts == 0 {
			texts = inOrder(texts, placeOfText)
		}
		return writeLines(path, texts)
	}
	predictions, err := a.Students.Recommend(ctx, job)
	if err != nil {
		return err
	}
	if job.Parts == 0 {
		predictions = inOrder(predictions, placeOfPrediction)
	}
	return writeLines(path, predictions)
}

// answerFile names the answers of a kind in their artefact.
func answerFile(kind task.Kind) string { return kind.String() + ".jsonl" }

// MergeInput is the answers of all parts of one examination.
type MergeInput struct {
	Kind  task.Kind
	Parts []storage.Ref
}

// MergeAnswers puts parts together: byte for byte what [Activities.Evaluate] makes of the whole.
func (a *Activities) MergeAnswers(ctx context.Context, in MergeInput) (ref storage.Ref, err error) {
	ctx, work, err := a.begin(ctx, "merge")
	defer work.end(&err)
	if err != nil {
		return ref, err
	}
	path := filepath.Join(work.dir, "evaluation", answerFile(in.Kind))
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return ref, fmt.Errorf("make folder for answers: %w", err)
	}
	if in.Kind == task.KindExplanation {
		err = merge(ctx, a.Bucket, in, path, placeOfText)
	} else {
		err = merge(ctx, a.Bucket, in, path, placeOfPrediction)
	}
	if err != nil {
		return ref, err
	}
	return a.Bucket.PutFolder(ctx, "evaluation", filepath.Dir(path))
}

func merge[Row any](ctx context.Context, b *storage.Bucket, in MergeInput, path string, place func(*Row) *int) error {
	var all []Row
	for _, part := range in.Parts {
		data, err := b.GetNamed(ctx, part, answerFile(in.Kind))
		if err != nil {
			return err
		}
		rows, err := readLines[Row](data)
		if err != nil {
			return fmt.Errorf("read answers %s: %w: %w", part.Digest, ErrData, err)
		}
		all = append(all, rows...)
	}
	return writeLines(path, inOrder(all, place))
}

// inOrder sorts answers by their places, which then go without saying.
func inOrder[Row any](rows []Row, place func(*Row) *int) []Row {
	slices.SortStableFunc(rows, func(a, b Row) int { return *place(&a) - *place(&b) })
	for i := range rows {
		*place(&rows[i]) = 0
	}
	return rows
}

func placeOfPrediction(p *Prediction) *int { return &p.Place }

func placeOfText(t *Text) *int { return &t.Place }
