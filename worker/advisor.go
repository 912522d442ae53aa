package main

import (
	"context"
	"fmt"

	"rdrec/activities"
	"rdrec/internal/advice"
	"rdrec/internal/dataset"
	"rdrec/internal/recommend"
	"rdrec/internal/spec"
	"rdrec/internal/t5"
	"rdrec/internal/table"
	"rdrec/internal/task"
	"rdrec/internal/token"
	"rdrec/internal/torch"
)

// advisors opens trained students on libtorch.
type advisors struct {
	device  string
	threads int
}

// Open loads a student.
func (a advisors) Open(_ context.Context, job activities.AdviseJob) (advice.Student, error) {
	method, err := spec.MethodNamed(job.Method)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", activities.ErrInvalid, err)
	}
	tokenizer, err := token.NewT5()
	if err != nil {
		return nil, err
	}
	device, err := torch.Pick(a.device)
	if err != nil {
		return nil, err
	}
	var student *adviser
	err = torch.Run(func(*torch.Scope) error {
		torch.Threads(a.threads)
		model, err := t5.Load(job.Model, device)
		if err != nil {
			return err
		}
		asked, err := recommend.NewAdvisor(model, tokenizer, job.Data, method, job.Evaluate)
		if err != nil {
			model.Free()
			return fmt.Errorf("%w: %w", activities.ErrInvalid, err)
		}
		student = &adviser{model, asked}
		return nil
	})
	return student, err
}

// adviser is a loaded student.
type adviser struct {
	model *t5.Model
	asked *recommend.Advisor
}

// Next recommends up to k items to each user.
func (a *adviser) Next(ctx context.Context, users []dataset.User, k int, progress advice.Progress) ([]advice.Ranked, error) {
	rankings, err := a.asked.Next(ctx, users, k, progress)
	ranked := make([]advice.Ranked, len(rankings))
	for i, r := range rankings {
		ranked[i] = advice.Ranked{Items: r.Items, Scores: r.Scores}
	}
	return ranked, err
}

// Why explains each pair.
func (a *adviser) Why(ctx context.Context, pairs []task.Pair, progress advice.Progress) ([]string, error) {
	return a.asked.Why(ctx, pairs, progress)
}

// Close frees the student's memory.
func (a *adviser) Close() { a.model.Free() }

// tables are DuckDB's.
type tables struct{}

// Write writes a table of recommendations in another format.
func (tables) Write(ctx context.Context, job activities.TableJob) error {
	return table.Write(ctx, job.Lines, job.Out, job.Format, job.Scratch)
}
