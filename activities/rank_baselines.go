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
	data, err := a.readDatasetParts(
		ctx, in.Preprocessed, filepath.Join(work.dir, "preprocessed"), dataset.Times|RankedParts(in.Evaluate.TopNUsers),
	)
	if err != nil {
		return ref, err
	}
	out := filepath.Join(work.dir, "baseline")
	if err := os.MkdirAll(out, 0o750); err != nil {
		return ref, fmt.Errorf("make folder for rankings: %w", err)
	}
	rows := untrained(in.Baselines)
	r := &baselineRanking{work: work, data: data, settings: in.Evaluate, dir: out}
	r.total = len(rows) * (len(baseline.Users(data, r.settings.SequentialUsers)) +
		len(baseline.Users(data, r.settings.TopNUsers)))
	for _, row := range rows {
		if err := r.rank(ctx, row); err != nil {
			return ref, err
		}
	}
	if err := a.measureTies(ctx, filepath.Join(out, tiesFile), data, in, work); err != nil {
		return ref, err
	}
	return a.Bucket.PutFolder(ctx, "baseline", out)
}

// RankedParts are the parts of a dataset that baselines need to rank items, also for so many users
// of the top-N task.
func RankedParts(topNUsers int) dataset.Part {
	if topNUsers < 0 {
		return dataset.Titles
	}
	return dataset.Titles | dataset.Negatives
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

// baselineRanking ranks with one baseline after the other; done counts the users of all tasks.
type baselineRanking struct {
	work        attempt
	data        *dataset.Dataset
	settings    spec.Evaluate
	dir         string
	done, total int
}

// rank writes one baseline's rankings for the users on whom the student is evaluated.
func (r *baselineRanking) rank(ctx context.Context, row baseline.Baseline) error {
	r.report(row.Name)
	ranker := row.Fit(r.data)
	users := baseline.Users(r.data, r.settings.SequentialUsers)
	lists, err := r.lists(ctx, row.Name, users, func(part []dataset.User) []metric.List {
		return baseline.Sequential(part, ranker, r.settings.TopN)
	})
	if err != nil {
		return err
	}
	if err := writeRanking(r.dir, row.Name, task.Sequential, users, lists); err != nil {
		return err
	}
	users = baseline.Users(r.data, r.settings.TopNUsers)
	lists, err = r.lists(ctx, row.Name, users, func(part []dataset.User) []metric.List {
		return baseline.TopN(r.data, part, ranker, r.settings.TopN)
	})
	if err != nil {
		return err
	}
	return writeRanking(r.dir, row.Name, task.TopN, users, lists)
}

// usersPerReport is the number of users between two reports of progress.
const usersPerReport = 1000

// lists ranks items for the users, part by part.
func (r *baselineRanking) lists(
	ctx context.Context, name string, users []dataset.User, rank func([]dataset.User) []metric.List,
) ([]metric.List, error) {
	lists := make([]metric.List, 0, len(users))
	for part := range slices.Chunk(users, usersPerReport) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		lists = append(lists, rank(part)...)
		r.done += len(part)
		r.report(name)
	}
	return lists, nil
}

func (r *baselineRanking) report(name string) {
	r.work.report(Progress{Progress: progress.Progress{Done: r.done, Total: r.total, Unit: "users"}, Note: name})
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
