package activities

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"rdrec/internal/dataset"
	"rdrec/internal/recommender"
	"rdrec/internal/spec"
	"rdrec/registry"
	"rdrec/storage"
)

// RecommenderJob names a student.
type RecommenderJob struct {
	Method string
	// Evaluate says how it is searched; Beams is how many paths go on, at least as many as items
	// are asked for.
	Evaluate spec.Evaluate
	Data     *dataset.Dataset
	// Model is its folder.
	Model string
}

// Formats of an export.
const (
	FormatParquet = "parquet"
	FormatJSONL   = "jsonl"
	FormatCSV     = "csv"
)

// ExportFormats lists the formats of an export.
func ExportFormats() []string { return []string{FormatParquet, FormatJSONL, FormatCSV} }

// ExportFile names the table in an export's artifact.
func ExportFile(format string) string { return "recommendations." + format }

// ExportSummaryFile stands beside the table: an [ExportSummary].
const ExportSummaryFile = "export.json"

// ExportInput says what is exported.
type ExportInput struct {
	Model registry.Model `json:"model"`
	// Top is how many items a user gets, at most; Explain adds the student's explanations.
	Top     int  `json:"top"`
	Explain bool `json:"explain"`
}

// MaxTop bounds how many items a user gets.
const MaxTop = 100

func (in ExportInput) check() error {
	if in.Top < 1 || in.Top > MaxTop {
		return fmt.Errorf("%w: %d items per user: want 1 to %d", ErrInvalid, in.Top, MaxTop)
	}
	method, err := spec.MethodNamed(in.Model.Method)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if in.Explain && !method.Explanation {
		return fmt.Errorf("%w: method %q does not train on explanations", ErrInvalid, method.Name)
	}
	return nil
}

// minBeams is how many paths go on in a search at the least. A search of so many paths finds the
// same first items however many are asked for, up to that number: so a table, a single answer and a
// served one agree.
const minBeams = 20

// recommender brings a model here and opens it.
func (a *Activities) recommender(ctx context.Context, m registry.Model, top int, dir string) (*recommender.Recommender, *dataset.Dataset, error) {
	data, err := a.readDataset(ctx, m.Preprocessed, filepath.Join(dir, "preprocessed"))
	if err != nil {
		return nil, nil, err
	}
	if err := a.fetch(ctx, dir, map[string]storage.Ref{"model": m.Student}); err != nil {
		return nil, nil, err
	}
	job := RecommenderJob{Method: m.Method, Evaluate: m.Spec.Evaluate, Data: data, Model: filepath.Join(dir, "model")}
	job.Evaluate.NumBeams = max(job.Evaluate.NumBeams, top, minBeams)
	student, err := a.Recommenders.Open(ctx, job)
	if err != nil {
		return nil, nil, err
	}
	rec, err := recommender.New(data, student)
	if err != nil {
		student.Close()
	}
	return rec, data, err
}

// OpenRecommender brings a model to the folder dir and opens it, to be asked for as many items as
// top: for programs that answer without a workflow.
func OpenRecommender(ctx context.Context, b *storage.Bucket, recommenders Recommenders, m registry.Model, options RecommenderOptions) (*recommender.Recommender, error) {
	a := &Activities{Bucket: b, Recommenders: recommenders}
	rec, _, err := a.recommender(ctx, m, options.Top, options.Dir)
	return rec, err
}

// RecommenderOptions say how many items a desk is asked for, at most, and in which folder its files
// are put.
type RecommenderOptions struct {
	Top int
	Dir string
}

// store makes an export's artifact of the files that write leaves in a new folder.
func (a *Activities) store(ctx context.Context, dir string, write func(dir string) error) (storage.Ref, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return storage.Ref{}, fmt.Errorf("make folder for recommendations: %w", err)
	}
	if err := write(dir); err != nil {
		return storage.Ref{}, err
	}
	return a.Bucket.PutFolder(ctx, "export", dir)
}
