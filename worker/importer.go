package main

import (
	"context"

	"rdrec/internal/review"
	"rdrec/internal/spec"
)

// importer is DuckDB's.
type importer struct{}

// Import makes a dataset folder of raw reviews.
func (importer) Import(ctx context.Context, reviews spec.Reviews, seed int64, dir string) error {
	_, err := review.Import(ctx, reviews, seed, dir)
	return err
}
