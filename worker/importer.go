package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"rdrec/activities"
	"rdrec/internal/review"
	"rdrec/internal/spec"
	"rdrec/storage"
)

// importer imports reviews with DuckDB.
type importer struct{}

// Import converts raw reviews to a dataset folder.
func (importer) Import(ctx context.Context, job activities.ImportJob) error {
	_, err := review.Importer{Options: job.Reviews, Appearance: job.Appearance, Seed: job.Seed, Dir: job.Dir}.Run(ctx)
	return importError(err)
}

// Check reads a file of raw reviews.
func (importer) Check(ctx context.Context, job activities.CheckJob) error {
	options := job.Reviews
	options.Path = job.File
	_, err := review.Importer{Options: options, Dir: job.Dir}.Check(ctx)
	return importError(err)
}

// IngestSource writes the new rows of a source to a file.
func (importer) IngestSource(ctx context.Context, job activities.IngestSourceJob) (spec.Ingested, error) {
	result, err := review.IngestSource(ctx, job.Source, job.After, job.File)
	return result, importError(err)
}

// importError wraps an import's error in the corresponding error of activities.
func importError(err error) error {
	switch {
	case errors.Is(err, review.ErrData):
		return fmt.Errorf("%w: %w", activities.ErrData, err)
	case errors.Is(err, review.ErrSettings), errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: %w", activities.ErrInvalid, err)
	case errors.Is(err, syscall.ENOSPC):
		return fmt.Errorf("%w: %w", storage.ErrFull, err)
	default:
		return err
	}
}
