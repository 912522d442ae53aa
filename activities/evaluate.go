package activities

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"rdrec/internal/prediction"
	"rdrec/internal/progress"
	"rdrec/internal/spec"
	"rdrec/internal/task"
	"rdrec/storage"
)

// EvaluateInput is the settings of [Activities.Evaluate].
type EvaluateInput struct {
	Preprocessed storage.Ref `json:"preprocessed"`
	Model        storage.Ref `json:"model"`
	// Task is the task to evaluate: sequential, top-N or explanation.
	Task task.Task `json:"task"`
	// Protocol has only the switches on which the predictions depend, and no name.
	Protocol spec.Protocol `json:"protocol"`
	Method   string        `json:"method"`
	Evaluate spec.Evaluate `json:"evaluate"`
	Seed     int64         `json:"seed"`
	// Shard, from 0, is which of Shards parts to evaluate; Shards 0 is everything. Rows are decoded
	// in the same batches either way.
	Shard  int `json:"shard,omitempty"`
	Shards int `json:"shards,omitempty"`
}

// Evaluate lets the student predict the test examples of one task and stores the predictions as
// JSON lines.
func (a *Activities) Evaluate(ctx context.Context, in EvaluateInput) (ref storage.Ref, err error) {
	ctx, work, err := a.begin(ctx, "evaluate "+in.Task.String())
	defer work.finish(&err)
	if err != nil {
		return ref, err
	}
	if err := a.fetch(
		ctx, work.dir, map[string]storage.Ref{"preprocessed": in.Preprocessed, "model": in.Model},
	); err != nil {
		return ref, err
	}
	job := RecommendJob{
		EvaluateInput: in, Data: filepath.Join(work.dir, "preprocessed"), Model: filepath.Join(work.dir, "model"),
		Progress: func(done, total int) {
			work.report(Progress{Progress: progress.Progress{Done: done, Total: total, Unit: "rows"}})
		},
	}
	out := filepath.Join(work.dir, "evaluation")
	if err := os.MkdirAll(out, 0o750); err != nil {
		return ref, fmt.Errorf("make folder for predictions: %w", err)
	}
	working, cancel := drainable(ctx)
	defer cancel()
	err = a.predict(working, job, filepath.Join(out, predictionsFile(in.Task)))
	if errors.Is(context.Cause(working), ErrDrained) {
		return ref, fmt.Errorf("%w: the evaluation restarts on another worker", ErrDrained)
	}
	if err != nil {
		return ref, err
	}
	return a.Bucket.PutFolder(ctx, "evaluation", out)
}

func (a *Activities) predict(ctx context.Context, job RecommendJob, path string) error {
	if job.Task == task.Explanation {
		texts, err := a.Students.Explain(ctx, job)
		if err != nil {
			return err
		}
		if job.Shards == 0 {
			texts = prediction.Complete(texts)
		}
		return writeJSONL(path, texts)
	}
	predictions, err := a.Students.Recommend(ctx, job)
	if err != nil {
		return err
	}
	if err := writePredictions(path, job, predictions); err != nil || job.Task != task.Sequential {
		return err
	}
	job.Head = true
	if predictions, err = a.Students.Recommend(ctx, job); err != nil || predictions == nil {
		return err
	}
	return writePredictions(filepath.Join(filepath.Dir(path), headFile), job, predictions)
}

// writePredictions writes rankings, without their indices if they are all there are.
func writePredictions(path string, job RecommendJob, predictions []prediction.Prediction) error {
	if job.Shards == 0 {
		predictions = prediction.Complete(predictions)
	}
	return writeJSONL(path, predictions)
}

// RecommendJob evaluates a trained student on one task.
type RecommendJob struct {
	EvaluateInput
	// Data is the dataset folder, Model the student's.
	Data, Model string
	// Head ranks by the student's item head. There is no result if it has none.
	Head bool
	// Progress is called after every batch.
	Progress func(done, total int)
}
