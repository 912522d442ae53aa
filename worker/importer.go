package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"sync"

	"rdrec/activities"
	"rdrec/internal/progress"
	"rdrec/internal/review"
	"rdrec/internal/spec"
)

// importer imports reviews with DuckDB.
type importer struct {
	review.Resources
	quarantined func(rows int)
}

// importResources are the flags of a command that imports. Imports run beside each other and beside
// tensor work, so that the default is a quarter of the memory that is free at the start.
type importResources struct {
	ImportMemory  int `help:"${help_import_memory}" env:"RDREC_IMPORT_MEMORY"`
	ImportThreads int `help:"Processors that an import may use; 0 means all." env:"RDREC_IMPORT_THREADS"`
}

// Validate rejects negative numbers; kong calls it.
func (f importResources) Validate() error {
	if f.ImportMemory < 0 || f.ImportThreads < 0 {
		return errors.New("--import-memory and --import-threads must not be negative")
	}
	return nil
}

// minimumImportMB is the least memory that the default gives an import.
const minimumImportMB = 1024

// importer returns the importer with these resources on a machine with a number of free bytes.
func (f importResources) importer(free int64) importer {
	quarter := max(int(free/4>>20), minimumImportMB)
	return importer{Resources: review.Resources{
		MemoryMB: cmp.Or(f.ImportMemory, quarter), Threads: cmp.Or(f.ImportThreads, runtime.NumCPU()),
	}}
}

// Import converts raw reviews to a dataset folder.
func (i importer) Import(ctx context.Context, job activities.ImportJob) error {
	report := importProgress(func(p progress.Progress, step string) {
		if job.Progress != nil {
			job.Progress(activities.Progress{Progress: p, Note: step})
		}
	})
	if job.Tables != "" {
		tables := review.Tables{Folder: job.Tables, Dir: job.Dir, Resources: i.Resources, Progress: report}
		return importError(tables.Run(ctx))
	}
	summary, err := review.Importer{
		Options: job.Reviews, Appearance: job.Appearance, Seed: job.Seed, UserKey: job.UserKey, Dir: job.Dir,
		Resources: i.Resources, Progress: report,
	}.Run(ctx)
	i.quarantined(summary.Bad)
	return importError(err)
}

// importProgress returns a function that reports the rows that were read, and the step.
func importProgress(report func(p progress.Progress, step string)) func(review.Progress) {
	var mutex sync.Mutex // files are read side by side
	rows := 0
	return func(p review.Progress) {
		mutex.Lock()
		defer mutex.Unlock()
		rows = max(rows, p.Rows)
		report(progress.Progress{Done: rows, Unit: "rows"}, p.Step)
	}
}

// Check reads a file of raw reviews.
func (i importer) Check(ctx context.Context, job activities.CheckJob) error {
	options := job.Reviews
	options.Path = job.File
	_, err := review.Importer{
		Options: options, UserKey: job.UserKey, Copy: job.Copy, Dir: job.Dir, Resources: i.Resources,
	}.Check(ctx)
	return importError(err)
}

// IngestSource writes the new rows of a source to a file.
func (i importer) IngestSource(ctx context.Context, job activities.IngestSourceJob) (spec.Ingested, error) {
	ingester := review.Ingester{Resources: i.Resources, UserKey: job.UserKey, Columns: job.Columns}
	result, err := ingester.Ingest(ctx, job.Source, job.After, job.File)
	return result, importError(err)
}

// importError wraps an import's error in the corresponding error of activities.
func importError(err error) error {
	switch {
	case errors.Is(err, review.ErrData):
		return fmt.Errorf("%w: %w", activities.ErrData, err)
	case errors.Is(err, review.ErrSettings), errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: %w", activities.ErrInvalid, err)
	default:
		return err
	}
}
