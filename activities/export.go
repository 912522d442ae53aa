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

// RecommenderJob names a student to open.
type RecommenderJob struct {
	Method string
	// Evaluate has the settings of the beam search; its beams are at least as many as the items per
	// user.
	Evaluate spec.Evaluate
	Data     *dataset.Dataset
	// Model is the model's folder, and Fusion that of its fusion; "" for none.
	Model, Fusion string
}

// Export formats.
const (
	FormatParquet = "parquet"
	FormatJSONL   = "jsonl"
	FormatCSV     = "csv"
)

// ExportFormats returns the export formats.
func ExportFormats() []string { return []string{FormatParquet, FormatJSONL, FormatCSV} }

// ExportFile names the table in an export's artifact.
func ExportFile(format string) string { return "recommendations." + format }

// ExportSummaryFile is the file beside the table that holds an [ExportSummary].
const ExportSummaryFile = "export.json"

// ExportInput names the model to export and the content of the table.
type ExportInput struct {
	Model registry.Model `json:"model"`
	// Top is the maximum number of items per user. Explain adds the student's explanations.
	Top     int  `json:"top"`
	Explain bool `json:"explain"`
}

// MaxTop is the maximum of Top.
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

// minBeams is the minimum number of beams. A search with this many beams finds the same first items
// for any smaller number of items, so an exported table, a single recommendation and a served one
// agree.
const minBeams = 20

// recommender fetches a model into dir and opens it.
func (a *Activities) recommender(
	ctx context.Context, m registry.Model, top int, dir string,
) (*recommender.Recommender, *dataset.Dataset, error) {
	data, err := a.readDatasetParts(ctx, m.Preprocessed, filepath.Join(dir, "preprocessed"), dataset.Titles)
	if err != nil {
		return nil, nil, err
	}
	if err := a.fetch(ctx, dir, map[string]storage.Ref{"model": m.Student}); err != nil {
		return nil, nil, err
	}
	job := RecommenderJob{Method: m.Method, Evaluate: m.Spec.Evaluate, Data: data, Model: filepath.Join(dir, "model")}
	if !m.Fusion.IsZero() {
		if err := a.fetch(ctx, dir, map[string]storage.Ref{"fusion": m.Fusion}); err != nil {
			return nil, nil, err
		}
		job.Fusion = filepath.Join(dir, "fusion")
	}
	job.Evaluate.NumBeams = max(job.Evaluate.NumBeams, top, minBeams)
	student, err := a.Recommenders.Open(ctx, job)
	if err != nil {
		return nil, nil, err
	}
	return recommender.New(data, student), data, nil
}

// OpenRecommender fetches a model into a folder and opens it, for programs that recommend without a
// workflow.
func OpenRecommender(
	ctx context.Context, b *storage.Bucket, recommenders Recommenders, m registry.Model, options RecommenderOptions,
) (*recommender.Recommender, error) {
	a := &Activities{Bucket: b, Recommenders: recommenders}
	rec, _, err := a.recommender(ctx, m, options.Top, options.Dir)
	return rec, err
}

// RecommenderOptions are the maximum number of items per user and the folder for the model's files.
type RecommenderOptions struct {
	Top int
	Dir string
}

// store stores the files that write leaves in a new folder as an export's artifact.
func (a *Activities) store(ctx context.Context, dir string, write func(dir string) error) (storage.Ref, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return storage.Ref{}, fmt.Errorf("make folder for recommendations: %w", err)
	}
	if err := write(dir); err != nil {
		return storage.Ref{}, err
	}
	return a.Bucket.PutFolder(ctx, "export", dir)
}
