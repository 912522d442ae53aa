package activities

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"rdrec/internal/dataset"
	"rdrec/internal/progress"
	"rdrec/internal/spec"
	"rdrec/internal/task"
	"rdrec/internal/teacher"
	"rdrec/internal/token"
	"rdrec/storage"
)

// PreprocessInput is the settings of [Activities.Preprocess].
type PreprocessInput struct {
	Dataset storage.Ref `json:"dataset"`
	// Rationales is zero when the dataset has its own or no method trains on them.
	Rationales storage.Ref `json:"rationales"`
	// Negatives is the number of negative items per user in the top-N test.
	Negatives int   `json:"negatives"`
	Seed      int64 `json:"seed"`
}

// samplesPerTask is how many examples of each task are written for people to read.
const samplesPerTask = 20

// Preprocess joins the dataset with its rationales, samples the negatives of the top-N test, and
// writes the folder that training and evaluation read: a dataset folder, and examples.jsonl with
// some examples of each task as the student sees them.
func (a *Activities) Preprocess(ctx context.Context, in PreprocessInput) (ref storage.Ref, err error) {
	ctx, work, err := a.begin(ctx, "preprocess")
	defer work.finish(&err)
	if err != nil {
		return ref, err
	}
	data, err := a.readDataset(ctx, in.Dataset, filepath.Join(work.dir, "dataset"))
	if err != nil {
		return ref, err
	}
	if !in.Rationales.IsZero() {
		if err := a.joinRationales(ctx, data, in.Rationales); err != nil {
			return ref, err
		}
	}
	if len(data.Negatives) == 0 {
		progress.Step(ctx, "sample negatives")
		if err := data.FillNegatives(in.Negatives, in.Seed); err != nil {
			return ref, fmt.Errorf("%w: %w", ErrInvalid, err)
		}
	}
	countUnits(ctx, data.Stats().Users, "users")
	progress.Step(ctx, "write the dataset")
	out := filepath.Join(work.dir, "preprocessed")
	if err := dataset.Write(out, data); err != nil {
		return ref, err
	}
	progress.Step(ctx, "write examples")
	if err := writeSamples(filepath.Join(out, "examples.jsonl"), data, in); err != nil {
		return ref, err
	}
	return a.Bucket.PutFolder(ctx, "dataset", out)
}

// joinRationales gives each explanation the rationale of its text. Explanations that were not
// distilled get none.
func (a *Activities) joinRationales(ctx context.Context, data *dataset.Dataset, ref storage.Ref) error {
	rows, err := readArtifactJSONL[teacher.Rationale](ctx, a.Bucket, ref, rationalesFile)
	if err != nil {
		return err
	}
	byText := make(map[string]teacher.Rationale, len(rows))
	for _, row := range rows {
		byText[row.Text] = row
	}
	for _, split := range [][]dataset.Explanation{
		data.Explanations.Train, data.Explanations.Val, data.Explanations.Test,
	} {
		for i := range split {
			if row, ok := byText[split[i].Explanation]; ok && row.Failed == "" {
				split[i].Preference, split[i].Attribution = row.Preference, row.Attribution
			}
		}
	}
	return nil
}

// writeSamples writes some examples of each task in the form of the first method, which has all
// tasks.
func writeSamples(path string, data *dataset.Dataset, in PreprocessInput) (err error) {
	settings := task.Settings{Method: spec.Methods()[0], Protocol: spec.Protocols()[0], Negatives: in.Negatives}
	corpus, err := task.New(data, settings)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	tokenizer, err := token.NewT5()
	if err != nil {
		return err
	}
	encoder, err := task.NewEncoder(tokenizer, settings, spec.Default().Train.MaxTargetTokens)
	if err != nil {
		return err
	}
	f, err := os.Create(path) //nolint:gosec // a file of our own scratch folder
	if err != nil {
		return fmt.Errorf("write examples: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	_, err = corpus.Dump(f, encoder, in.Seed, samplesPerTask)
	return err
}
