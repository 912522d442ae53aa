package activities

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"rdrec/internal/baseline"
	"rdrec/internal/dataset"
	"rdrec/internal/metric"
	"rdrec/internal/spec"
	"rdrec/internal/task"
	"rdrec/storage"
)

// BaselineInput is the settings of [Activities.Baseline].
type BaselineInput struct {
	Examples storage.Ref
	Evaluate spec.Evaluate
}

// Baseline ranks the same users' items with every method of the baselines' table and stores the rankings as JSON lines, one file
// for each method and kind.
func (a *Activities) Baseline(ctx context.Context, in BaselineInput) (ref storage.Ref, err error) {
	ctx, work, err := a.begin(ctx, "baseline")
	defer work.end(&err)
	if err != nil {
		return ref, err
	}
	data, err := a.readDataset(ctx, in.Examples, filepath.Join(work.dir, "examples"))
	if err != nil {
		return ref, err
	}
	out := filepath.Join(work.dir, "baseline")
	if err := os.MkdirAll(out, 0o750); err != nil {
		return ref, fmt.Errorf("make folder for rankings: %w", err)
	}
	rows := baseline.Table()
	for i, row := range rows {
		if err := ctx.Err(); err != nil {
			return ref, err
		}
		if row.Fit == nil {
			continue
		}
		work.report(Progress{Done: i, Total: len(rows), Unit: "methods", Note: row.Name})
		if err := rank(out, data, row, in.Evaluate); err != nil {
			return ref, err
		}
	}
	return a.Bucket.PutFolder(ctx, "baseline", out)
}

// rank writes what one baseline ranks for the users that the student is examined on.
func rank(dir string, data *dataset.Dataset, row baseline.Baseline, settings spec.Evaluate) error {
	fitted := row.Fit(data)
	users := baseline.Users(data, settings.SequentialUsers)
	if err := writeRanking(dir, row.Name, task.KindSequential, users, baseline.Sequential(users, fitted, settings.TopN)); err != nil {
		return err
	}
	users = baseline.Users(data, settings.TopNUsers)
	return writeRanking(dir, row.Name, task.KindTopN, users, baseline.TopN(data, users, fitted, settings.TopN))
}

func writeRanking(dir, name string, kind task.Kind, users []dataset.User, lists []metric.List) error {
	predictions := make([]Prediction, len(users))
	for i, user := range users {
		predictions[i] = Prediction{User: user.ID, Truth: user.Test(), Items: lists[i].Items}
	}
	return writeLines(filepath.Join(dir, rankingFile(name, kind)), predictions)
}

// rankingFile names a method's rankings in the baseline artefact.
func rankingFile(name string, kind task.Kind) string { return name + "." + kind.String() + ".jsonl" }
