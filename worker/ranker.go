package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"rdrec/activities"
	"rdrec/internal/baseline"
	"rdrec/internal/dataset"
	"rdrec/internal/prediction"
	"rdrec/internal/progress"
	"rdrec/internal/sasrec"
	"rdrec/internal/spec"
	"rdrec/internal/task"
)

// rankers trains the baselines that need libtorch.
type rankers struct {
	device  string
	threads int
}

// Sasrec tunes SASRec on the validation items, trains it with each seed, and ranks items for the
// test users.
func (r rankers) Sasrec(ctx context.Context, job activities.SasrecJob) (record activities.SasrecRecord, err error) {
	data, err := readData(job.Data, activities.RankedParts(job.TopNUsers))
	if err != nil {
		return record, err
	}
	tuned, err := sasrec.Run(ctx, sasrec.Job{
		Data: data, Grid: grid(job.Sasrec), Seeds: job.Seeds, Device: r.device, Threads: r.threads, Stop: job.Stop,
		Save: job.Save, SaveDue: job.SaveDue, Dir: job.Scratch, Resume: job.Resume,
		Progress: func(p sasrec.Progress) { job.Progress(sasrecProgress(p)) },
	}, func(seed int64, m *sasrec.Model) error { return rankAll(ctx, data, job, seed, m) })
	switch {
	case errors.Is(err, sasrec.ErrStopped):
		return record, fmt.Errorf("%w: %w", activities.ErrDrained, err)
	case errors.Is(err, sasrec.ErrSettings):
		return record, fmt.Errorf("%w: %w", activities.ErrInvalid, err)
	case err != nil:
		return record, err
	}
	record.Description = description(tuned)
	record.Tuning, err = json.Marshal(tuned)
	return record, err
}

// grid returns every combination of the settings' lists.
func grid(s spec.Sasrec) []sasrec.Settings {
	points := []sasrec.Settings{{
		Blocks: s.Blocks, Heads: s.Heads, MaxLength: s.MaxLength, Batch: s.Batch, Epochs: s.Epochs,
		Patience: s.Patience, Loss: s.Loss, Cutoff: s.Cutoff,
	}}
	points = combine(points, s.HiddenSizes, func(p *sasrec.Settings, dim int) { p.HiddenSize = dim })
	points = combine(points, s.Dropouts, func(p *sasrec.Settings, dropout float64) { p.Dropout = dropout })
	points = combine(points, s.LearningRates, func(p *sasrec.Settings, rate float64) { p.LearningRate = rate })
	if len(s.Alphas) > 0 {
		points = combine(points, s.Alphas, func(p *sasrec.Settings, alpha float64) { p.Alpha = alpha })
	}
	return points
}

// combine returns each point with each of the values.
func combine[T any](points []sasrec.Settings, values []T, set func(*sasrec.Settings, T)) []sasrec.Settings {
	all := make([]sasrec.Settings, 0, len(points)*len(values))
	for _, point := range points {
		for _, value := range values {
			set(&point, value)
			all = append(all, point)
		}
	}
	return all
}

func sasrecProgress(p sasrec.Progress) activities.Progress {
	return activities.Progress{
		Progress: progress.Progress{Done: p.Training - 1, Total: p.Trainings, Unit: "trainings"}, Loss: p.Loss,
		Note: fmt.Sprintf("epoch %d, loss %.4f, validation NDCG@10 %.4f", p.Epoch, p.Loss, p.Best),
	}
}

// description returns the report's line about the tuned model.
func description(tuned sasrec.TuneResult) string {
	best := tuned.Grid[tuned.Chosen]
	loss, filter := "", ""
	if best.Settings.Loss == sasrec.LossLast {
		loss = " on the last position of each prefix"
	}
	if best.Settings.Alpha > 0 {
		filter = fmt.Sprintf(", filter weight %g", best.Settings.Alpha)
	}
	return fmt.Sprintf("a causal transformer over items, full softmax%s: %d parameters, dim %d, dropout %g, "+
		"learning rate %g%s, the best of %d on the validation items (NDCG@10 %.4f)",
		loss, best.Parameters, best.Settings.HiddenSize, best.Settings.Dropout, best.Settings.LearningRate,
		filter, len(tuned.Grid), best.Validation)
}

// rankAll calls Ranked with the rankings of a seed's model for both tasks, on the users of the
// student's evaluation.
func rankAll(ctx context.Context, data *dataset.Dataset, job activities.SasrecJob, seed int64, m *sasrec.Model) error {
	for _, t := range []task.Task{task.Sequential, task.TopN} {
		users := baseline.Users(data, job.SequentialUsers)
		queries := baseline.SequentialQueries(users, job.TopN)
		if t == task.TopN {
			users = baseline.Users(data, job.TopNUsers)
			queries = baseline.TopNQueries(data, users, job.TopN)
		}
		lists, err := m.Rank(ctx, queries)
		if err != nil {
			return err
		}
		predictions := make([]prediction.Prediction, len(users))
		for i, user := range users {
			predictions[i] = prediction.Prediction{User: user.ID, Truth: user.TestItem(), Items: lists[i]}
		}
		if err := job.Ranked(seed, t, predictions); err != nil {
			return err
		}
	}
	return m.Save(job.Models(seed))
}
