package activities

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"rdrec/internal/dataset"
	"rdrec/internal/recommender"
	"rdrec/internal/spec"
	"rdrec/storage"
)

// Recommenders opens trained students to ask them.
type Recommenders interface {
	Open(ctx context.Context, job RecommenderJob) (recommender.Student, error)
}

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

// TableWriter writes tables in forms that need DuckDB.
type TableWriter interface {
	Write(ctx context.Context, job TableJob) error
}

// TableJob turns JSON lines of [advice.Row] into another format.
type TableJob struct {
	// Lines is the file to read, Out the one to write, Scratch a folder for what does not fit into
	// memory.
	Lines, Out, Scratch string
	// Format is one of [ExportFormats].
	Format string
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
	Model Model `json:"model"`
	// Top is how many items a user gets, at most; Explain adds the student's explanations.
	Top     int  `json:"top"`
	Explain bool `json:"explain"`
}

// PlanExport is how many users there are.
type ExportPlan struct {
	Users int `json:"users"`
}

// PlanExport counts the users, and refuses what the model cannot do.
func (a *Activities) PlanExport(ctx context.Context, in ExportInput) (plan ExportPlan, err error) {
	ctx, work, err := a.begin(ctx, "export")
	defer work.finish(&err)
	if err != nil {
		return plan, err
	}
	if err := in.check(); err != nil {
		return plan, err
	}
	data, err := a.readDataset(ctx, in.Model.Preprocessed, filepath.Join(work.dir, "preprocessed"))
	if err != nil {
		return plan, err
	}
	return ExportPlan{Users: len(data.Users)}, nil
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
func (a *Activities) recommender(ctx context.Context, m Model, top int, dir string) (*recommender.Recommender, *dataset.Dataset, error) {
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
func OpenRecommender(ctx context.Context, b *storage.Bucket, recommenders Recommenders, m Model, options RecommenderOptions) (*recommender.Recommender, error) {
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

// ExportShardInput is some of the users, by their places in the data.
type ExportShardInput struct {
	ExportInput
	From int `json:"from"`
	To   int `json:"to"`
}

// ExportShard recommends to some of the users and stores that as JSON lines.
func (a *Activities) ExportShard(ctx context.Context, in ExportShardInput) (ref storage.Ref, err error) {
	ctx, work, err := a.begin(ctx, "export")
	defer work.finish(&err)
	if err != nil {
		return ref, err
	}
	rec, data, err := a.recommender(ctx, in.Model, in.Top, work.dir)
	if err != nil {
		return ref, err
	}
	defer rec.Close()
	if in.From < 0 || in.To > len(data.Users) || in.From >= in.To {
		return ref, fmt.Errorf("%w: users %d to %d of %d", ErrInvalid, in.From+1, in.To, len(data.Users))
	}
	unit := "users"
	if in.Explain {
		unit = "explanations"
	}
	working, cancel := drainable(ctx)
	defer cancel()
	started := a.Now()
	recommendations, err := rec.Histories(working, data.Users[in.From:in.To], recommender.Options{
		Top: in.Top, Explain: in.Explain, Progress: func(done, total int) {
			work.report(Progress{Done: done, Total: total, Unit: unit, Rate: float64(done) / max(a.Now().Sub(started).Seconds(), 1e-3)})
		},
	})
	if errors.Is(context.Cause(working), ErrDrained) {
		return ref, fmt.Errorf("%w: these users restart on another worker", ErrDrained)
	}
	if err != nil {
		return ref, err
	}
	var rows []recommender.Row
	for _, ranked := range recommendations {
		rows = append(rows, ranked...)
	}
	return a.store(ctx, filepath.Join(work.dir, "shard"), func(dir string) error {
		return writeJSONL(filepath.Join(dir, ExportFile(FormatJSONL)), rows)
	})
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

// MergeExportInput is the finished shards, in the users' order.
type MergeExportInput struct {
	ExportInput
	Shards []storage.Ref `json:"shards"`
	Users  int           `json:"users"`
}

// ExportSummary is what an export says of itself, in export.json.
type ExportSummary struct {
	Model   string `json:"model"`
	Method  string `json:"method"`
	Users   int    `json:"users"`
	Top     int    `json:"top"`
	Explain bool   `json:"explain"`
}

// MergeExport puts the shards into one table.
func (a *Activities) MergeExport(ctx context.Context, in MergeExportInput) (ref storage.Ref, err error) {
	ctx, work, err := a.begin(ctx, "export")
	defer work.finish(&err)
	if err != nil {
		return ref, err
	}
	id, err := in.Model.ID()
	if err != nil {
		return ref, err
	}
	return a.store(ctx, filepath.Join(work.dir, "table"), func(dir string) error {
		summary := ExportSummary{Model: id, Method: in.Model.Method, Users: in.Users, Top: in.Top, Explain: in.Explain}
		if err := writeJSON(filepath.Join(dir, ExportSummaryFile), summary); err != nil {
			return err
		}
		return a.concatenate(ctx, in.Shards, work, filepath.Join(dir, ExportFile(FormatJSONL)))
	})
}

// concatenate writes the parts' lines one after the other.
func (a *Activities) concatenate(ctx context.Context, shards []storage.Ref, work attempt, path string) (err error) {
	out, err := os.Create(path) //nolint:gosec // a file of our own scratch folder
	if err != nil {
		return fmt.Errorf("merge the table: %w", err)
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	for i, shard := range shards {
		work.report(Progress{Done: i, Total: len(shards), Unit: "parts"})
		dir := filepath.Join(work.dir, "shard")
		if err := a.Bucket.GetFolder(ctx, shard, dir); err != nil {
			return err
		}
		lines, err := os.Open(filepath.Join(dir, ExportFile(FormatJSONL)))
		if err != nil {
			return fmt.Errorf("merge the table: shard %d: %w", i+1, err)
		}
		_, err = io.Copy(out, lines)
		if err := errors.Join(err, lines.Close()); err != nil {
			return fmt.Errorf("merge the table: shard %d: %w", i+1, err)
		}
	}
	return nil
}

// FormatExportInput is a merged table and the format that it is wanted in.
type FormatExportInput struct {
	Table  storage.Ref `json:"table"`
	Format string      `json:"format"`
}

// FormatExport writes a merged table in another format.
func (a *Activities) FormatExport(ctx context.Context, in FormatExportInput) (ref storage.Ref, err error) {
	ctx, work, err := a.begin(ctx, "export")
	defer work.finish(&err)
	if err != nil {
		return ref, err
	}
	table := filepath.Join(work.dir, "table")
	if err := a.Bucket.GetFolder(ctx, in.Table, table); err != nil {
		return ref, err
	}
	return a.store(ctx, filepath.Join(work.dir, in.Format), func(dir string) error {
		return a.TableWriter.Write(ctx, TableJob{
			Lines: filepath.Join(table, ExportFile(FormatJSONL)), Out: filepath.Join(dir, ExportFile(in.Format)),
			Scratch: filepath.Join(work.dir, "spill"), Format: in.Format,
		})
	})
}

// PublishExportInput is a merged table.
type PublishExportInput struct {
	ExportInput
	Table storage.Ref `json:"table"`
}

// PublishExport makes the table the one that is served for its model.
func (a *Activities) PublishExport(ctx context.Context, in PublishExportInput) (err error) {
	ctx, work, err := a.begin(ctx, "export")
	defer work.finish(&err)
	if err != nil {
		return err
	}
	id, err := in.Model.ID()
	if err != nil {
		return err
	}
	return a.Bucket.PutTable(ctx, id, storage.Table{Artifact: in.Table, Top: in.Top, Explained: in.Explain})
}
