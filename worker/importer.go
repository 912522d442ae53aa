package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"rdrec/activities"
	"rdrec/internal/review"
	"rdrec/storage"
)

// importer is DuckDB's.
type importer struct{}

// Import makes a dataset folder of raw reviews.
func (importer) Import(ctx context.Context, job activities.ImportJob) error {
	_, err := review.Importer{Options: job.Reviews, Appearance: job.Appearance, Seed: job.Seed, Dir: job.Dir}.Run(ctx)
	return imported(err)
}

// Draw writes what is new in a source into a file.
func (importer) Draw(ctx context.Context, job activities.DrawJob) (activities.Drawn, error) {
	drawn, err := review.Draw(ctx, job.Source, job.After, job.File)
	return activities.Drawn(drawn), imported(err)
}

// imported is an import's error in the activities' words.
func imported(err error) error {
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
