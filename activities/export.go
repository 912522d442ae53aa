package activities

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"rdrec/internal/advice"
	"rdrec/internal/dataset"
	"rdrec/internal/spec"
	"rdrec/storage"
)

// Advisors opens trained students to ask them.
type Advisors interface {
	Open(ctx context.Context, job AdviseJob) (advice.Student, error)
}

// AdviseJob names a student.
type AdviseJob struct {
	Method string
	// Evaluate says how it is searched; Beams is how many paths go on, at least as many as items are asked for.
	Evaluate spec.Evaluate
	Data     *dataset.Dataset
	// Model is its folder.
	Model string
}

// Tables writes tables in forms that need DuckDB.
type Tables interface {
	Write(ctx context.Context, job TableJob) error
}

// TableJob turns JSON lines of [advice.Row] into another format.
type TableJob struct {
	// Lines is the file to read, Out the one to write, Scratch a folder for what does not fit into memory.
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

// ExportFile names the table in an export's artefact.
func ExportFile(format string) string { return "recommendations." + format }

// ExportSummaryFile stands beside the table: an [ExportSummary].
const ExportSummaryFile = "export.json"

// ExportInput says what is exported.
type ExportInput struct {
	Model Model
	// Top is how many items a user gets, at most; Explain adds the student's explanations.
	Top     int
	Explain bool
}

// ExportPlan is how many users there are.
type ExportPlan struct {
	Users int `json:"users"`
}

// ExportPlan counts the users, and refuses what the model cannot do.
func (a *Activities) ExportPlan(ctx context.Context, in ExportInput) (plan ExportPlan, err error) {
	ctx, work, err := a.begin(ctx, "export")
	defer work.end(&err)
	if err != nil {
		return plan, err
	}
	if err := in.check(); err != nil {
		return plan, err
	}
	data, err := a.readDataset(ctx, in.Model.Examples, filepath.Join(work.dir, "examples"))
	if err != nil {
		return plan, err
	}
	return ExportPlan{Users: len(data.Users)}, nil
}

// MostTop bounds how many items a user gets.
const MostTop = 100

func (in ExportInput) check() error {
	if in.Top < 1 || in.Top > MostTop {
		return fmt.Errorf("%w: %d items a user: want 1 to %d", ErrInvalid, in.Top, MostTop)
	}
	method, err := spec.MethodNamed(in.Model.Method)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if in.Explain && !method.Explanation {
		return fmt.Errorf("%w: method %q does not learn to explain", ErrInvalid, method.Name)
	}
	return nil
}

// leastBeams is how many paths go on in a search at the least. A search of so many paths finds the same first items however many are
// asked for, up to that number: so a table, a single answer and a served one agree.
const leastBeams = 20

// desk brings a model here and opens it.
func (a *Activities) desk(ctx context.Context, m Model, top int, dir string) (*advice.Desk, *dataset.Dataset, error) {
	data, err := a.readDataset(ctx, m.Examples, filepath.Join(dir, "examples"))
	if err != nil {
		return nil, nil, err
	}
	if err := a.fetch(ctx, dir, map[string]storage.Ref{"model": m.Student}); err != nil {
		return nil, nil, err
	}
	job := AdviseJob{Method: m.Method, Evaluate: m.Spec.Evaluate, Data: data, Model: filepath.Join(dir, "model")}
	job.Evaluate.Beams = max(job.Evaluate.Beams, top, leastBeams)
	student, err := a.Advisors.Open(ctx, job)
	if err != nil {
		return nil, nil, err
	}
	desk, err := advice.NewDesk(data, student)
	if err != nil {
		student.Close()
	}
	return desk, data, err
}

// OpenDesk brings a model to the folder dir and opens it, to be asked for as many items as top: for programs that answer without a
// workflow.
func OpenDesk(ctx context.Context, b *storage.Bucket, by Advisors, m Model, ask DeskOptions) (*advice.Desk, error) {
	a := &Activities{Bucket: b, Advisors: by}
	desk, _, err := a.desk(ctx, m, ask.Top, ask.Dir)
	return desk, err
}

// DeskOptions say how many items a desk is asked for, at most, and in which folder its files are put.
type DeskOptions struct {
	Top int
	Dir string
}

// ExportShardInput is some of the users, by their places in the data.
type ExportShardInput struct {
	ExportInput
	From, To int
}

// ExportShard recommends to some of the users and stores that as JSON lines.
func (a *Activities) ExportShard(ctx context.Context, in ExportShardInput) (ref storage.Ref, err error) {
	ctx, work, err := a.begin(ctx, "export")
	defer work.end(&err)
	if err != nil {
		return ref, err
	}
	desk, data, err := a.desk(ctx, in.Model, in.Top, work.dir)
	if err != nil {
		return ref, err
	}
	defer desk.Close()
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
	answers, err := desk.Histories(working, data.Users[in.From:in.To], advice.Options{
		Top: in.Top, Explain: in.Explain, Progress: func(done, total int) {
			work.report(Progress{Done: done, Total: total, Unit: unit, Rate: float64(done) / max(a.Now().Sub(started).Seconds(), 1e-3)})
		},
	})
	if errors.Is(context.Cause(working), ErrDrained) {
		return ref, fmt.Errorf("%w: these users begin anew elsewhere", ErrDrained)
	}
	if err != nil {
		return ref, err
	}
	var rows []advice.Row
	for _, answer := range answers {
		rows = append(rows, answer...)
	}
	return a.store(ctx, filepath.Join(work.dir, "part"), func(dir string) error {
		return writeLines(filepath.Join(dir, ExportFile(FormatJSONL)), rows)
	})
}

// store makes an export's artefact of the files that write leaves in a new folder.
func (a *Activities) store(ctx context.Context, dir string, write func(dir string) error) (storage.Ref, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return storage.Ref{}, fmt.Errorf("make folder for recommendations: %w", err)
	}
	if err := write(dir); err != nil {
		return storage.Ref{}, err
	}
	return a.Bucket.PutFolder(ctx, "export", dir)
}

// ExportMergeInput is the finished shards, in the users' order.
type ExportMergeInput struct {
	ExportInput
	Parts []storage.Ref
	Users int
}

// ExportSummary is what an export says of itself, in export.json.
type ExportSummary struct {
	Model   string `json:"model"`
	Method  string `json:"method"`
	Users   int    `json:"users"`
	Top     int    `json:"top"`
	Explain bool   `json:"explain"`
}

// ExportMerge puts the shards into one table.
func (a *Activities) ExportMerge(ctx context.Context, in ExportMergeInput) (ref storage.Ref, err error) {
	ctx, work, err := a.begin(ctx, "export")
	defer work.end(&err)
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
		return a.concatenate(ctx, in.Parts, work, filepath.Join(dir, ExportFile(FormatJSONL)))
	})
}

// concatenate writes the parts' lines one after the other.
func (a *Activities) concatenate(ctx context.Context, parts []storage.Ref, work attempt, path string) (err error) {
	out, err := os.Create(path) //nolint:gosec // a file of our own scratch folder
	if err != nil {
		return fmt.Errorf("merge the table: %w", err)
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	for i, part := range parts {
		work.report(Progress{Done: i, Total: len(parts), Unit: "parts"})
		dir := filepath.Join(work.dir, "part")
		if err := a.Bucket.GetFolder(ctx, part, dir); err != nil {
			return err
		}
		lines, err := os.Open(filepath.Join(dir, ExportFile(FormatJSONL)))
		if err != nil {
			return fmt.Errorf("merge the table: part %d: %w", i+1, err)
		}
		_, err = io.Copy(out, lines)
		if err := errors.Join(err, lines.Close()); err != nil {
			return fmt.Errorf("merge the table: part %d: %w", i+1, err)
		}
	}
	return nil
}

// ExportFormatInput is a merged table and the format that it is wanted in.
type ExportFormatInput struct {
	Table  storage.Ref
	Format string
}

// ExportFormat writes a merged table in another format.
func (a *Activities) ExportFormat(ctx context.Context, in ExportFormatInput) (ref storage.Ref, err error) {
	ctx, work, err := a.begin(ctx, "export")
	defer work.end(&err)
	if err != nil {
		return ref, err
	}
	table := filepath.Join(work.dir, "table")
	if err := a.Bucket.GetFolder(ctx, in.Table, table); err != nil {
		return ref, err
	}
	return a.store(ctx, filepath.Join(work.dir, in.Format), func(dir string) error {
		return a.Tables.Write(ctx, TableJob{
			Lines: filepath.Join(table, ExportFile(FormatJSONL)), Out: filepath.Join(dir, ExportFile(in.Format)),
			Scratch: filepath.Join(work.dir, "spill"), Format: in.Format,
		})
	})
}

// ExportPublishInput is a merged table.
type ExportPublishInput struct {
	ExportInput
	Table storage.Ref
}

// ExportPublish makes the table the one that is served for its model.
func (a *Activities) ExportPublish(ctx context.Context, in ExportPublishInput) (err error) {
	ctx, work, err := a.begin(ctx, "export")
	defer work.end(&err)
	if err != nil {
		return err
	}
	id, err := in.Model.ID()
	if err != nil {
		return err
	}
	return a.Bucket.PutTable(ctx, id, storage.Table{Artefact: in.Table, Top: in.Top, Explained: in.Explain})
}
