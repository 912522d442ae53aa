package activities

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"rdrec/internal/baseline"
	"rdrec/internal/dataset"
	"rdrec/internal/metric"
	"rdrec/internal/prediction"
	"rdrec/internal/progress"
	"rdrec/internal/spec"
	"rdrec/internal/task"
	"rdrec/storage"
)

// RankBaselinesInput is the settings of [Activities.RankBaselines].
type RankBaselinesInput struct {
	Preprocessed storage.Ref   `json:"preprocessed"`
	Evaluate     spec.Evaluate `json:"evaluate"`
	// Baselines are the baselines to rank with; those with a training stage of their own are
	// skipped. Empty means the spec's default.
	Baselines []string `json:"baselines"`
}

// RankBaselines ranks items for the evaluated users with the untrained baselines and stores the
// rankings as JSON lines, one file for each baseline and task.
func (a *Activities) RankBaselines(ctx context.Context, in RankBaselinesInput) (ref storage.Ref, err error) {
	ctx, work, err := a.begin(ctx, "baseline")
	defer work.finish(&err)
	if err != nil {
		return ref, err
	}
	data, err := a.readDataset(ctx, in.Preprocessed, filepath.Join(work.dir, "preprocessed"))
	if err != nil {
		return ref, err
	}
	out := filepath.Join(work.dir, "baseline")
	if err := os.MkdirAll(out, 0o750); err != nil {
		return ref, fmt.Errorf("make folder for rankings: %w", err)
	}
	rows := untrained(in.Baselines)
	for i, row := range rows {
		if err := ctx.Err(); err != nil {
			return ref, err
		}
		work.report(Progress{
			Progress: progress.Progress{Done: i, Total: len(rows), Unit: "methods"}, Note: row.Name,
		})
		if err := rank(out, data, row, in.Evaluate); err != nil {
			return ref, err
		}
	}
	if err := a.measureTies(ctx, filepath.Join(out, tiesFile), data, in, work); err != nil {
		return ref, err
	}
	return a.Bucket.PutFolder(ctx, "baseline", out)
}

// tiesFile is the file of the artifact with [baseline.Ties].
const tiesFile = "ties.json"

// measureTies writes how much the order of equal times matters, and the ranges of the baselines
// where it does.
func (a *Activities) measureTies(
	ctx context.Context, path string, data *dataset.Dataset, in RankBaselinesInput, work attempt,
) error {
	ties := baseline.CountTies(data, in.Evaluate.SequentialUsers)
	if ties.Matter() {
		report := func(done int) error {
			work.report(Progress{
				Progress: progress.Progress{Done: done, Total: baseline.TieOrders, Unit: "orders"}, Note: "equal times",
			})
			return ctx.Err()
		}
		rows := untrained(in.Baselines)
		if err := ties.AddRanges(data, rows, in.Evaluate.SequentialUsers, tieSeed, report); err != nil {
			return err
		}
	}
	return writeJSON(path, ties)
}

// tieSeed seeds the random orders of equal times: the same for all experiments.
const tieSeed = 1

// untrained returns the named baselines that [Activities.RankBaselines] ranks with.
func untrained(names []string) (rows []baseline.Baseline) {
	if len(names) == 0 {
		names = spec.Default().Baselines
	}
	for _, row := range baseline.Table() {
		if row.Fit != nil && slices.Contains(names, row.Name) {
			rows = append(rows, row)
		}
	}
	return rows
}

// rank writes one baseline's rankings for the users on whom the student is evaluated.
func rank(dir string, data *dataset.Dataset, row baseline.Baseline, settings spec.Evaluate) error {
	ranker := row.Fit(data)
	users := baseline.Users(data, settings.SequentialUsers)
	if err := writeRanking(
		dir, row.Name, task.Sequential, users, baseline.Sequential(users, ranker, settings.TopN),
	); err != nil {
		return err
	}
	users = baseline.Users(data, settings.TopNUsers)
	return writeRanking(dir, row.Name, task.TopN, users, baseline.TopN(data, users, ranker, settings.TopN))
}

func writeRanking(dir, name string, task task.Task, users []dataset.User, lists []metric.List) error {
	predictions := make([]prediction.Prediction, len(users))
	for i, user := range users {
		predictions[i] = prediction.Prediction{User: user.ID, Truth: user.TestItem(), Items: lists[i].Items}
	}
	return writeJSONL(filepath.Join(dir, rankingFile(name, task)), predictions)
}

// rankingFile names a baseline's rankings in the artifact.
func rankingFile(name string, task task.Task) string { return name + "." + task.String() + ".jsonl" }
