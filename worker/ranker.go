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
	data, err := readData(job.Data)
	if err != nil {
		return record, err
	}
	tuned, err := sasrec.Run(ctx, sasrec.Job{
		Data: data, Grid: grid(job.Sasrec), Seeds: job.Seeds, Device: r.device, Threads: r.threads, Stop: job.Stop,
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
	points := make([]sasrec.Settings, 0, len(s.HiddenSizes)*len(s.Dropouts)*len(s.LearningRates))
	for _, dim := range s.HiddenSizes {
		for _, dropout := range s.Dropouts {
			for _, rate := range s.LearningRates {
				points = append(points, sasrec.Settings{
					HiddenSize: dim, Blocks: s.Blocks, Heads: s.Heads, MaxLength: s.MaxLength, Dropout: dropout,
					LearningRate: rate, Batch: s.Batch, Epochs: s.Epochs, Patience: s.Patience,
				})
			}
		}
	}
	return points
}

func sasrecProgress(p sasrec.Progress) activities.Progress {
	return activities.Progress{
		Done: p.Training - 1, Total: p.Trainings, Unit: "trainings",
		Note: fmt.Sprintf("epoch %d, loss %.4f, validation NDCG@10 %.4f", p.Epoch, p.Loss, p.Best),
	}
}

// description returns the report's line about the tuned model.
func description(tuned sasrec.TuneResult) string {
	best := tuned.Grid[tuned.Chosen]
	return fmt.Sprintf("a causal transformer over items, full softmax: %d parameters, dim %d, dropout %g, "+
		"learning rate %g, the best of %d on the validation items (NDCG@10 %.4f)",
		best.Parameters, best.Settings.HiddenSize, best.Settings.Dropout, best.Settings.LearningRate,
		len(tuned.Grid), best.Validation)
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
	return nil
}
