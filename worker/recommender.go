package main

import (
	"context"
	"fmt"

	"rdrec/activities"
	"rdrec/internal/dataset"
	"rdrec/internal/prediction"
	"rdrec/internal/recommend"
	"rdrec/internal/recommender"
	"rdrec/internal/spec"
	"rdrec/internal/t5"
	"rdrec/internal/tablewriter"
	"rdrec/internal/token"
	"rdrec/internal/torch"
)

// recommenders opens trained students on libtorch.
type recommenders struct {
	device  string
	threads int
	// quick recommends by the item head of students that have one.
	quick bool
}

// Open loads a student, with its fusion if it has one.
func (a recommenders) Open(_ context.Context, job activities.RecommenderJob) (recommender.Student, error) {
	student, err := a.student(job)
	if err != nil || job.Fusion == "" || student.byHead {
		return student, err
	}
	fused, err := a.fuse(student, job.Data, job.Fusion)
	if err != nil {
		student.Close()
		return nil, err
	}
	return fused, nil
}

// student loads a student.
func (a recommenders) student(job activities.RecommenderJob) (*loadedStudent, error) {
	method, err := spec.MethodNamed(job.Method)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", activities.ErrInvalid, err)
	}
	tokenizer, err := token.OpenStudent(job.Model)
	if err != nil {
		return nil, modelError(err)
	}
	device, err := torch.ParseDevice(a.device)
	if err != nil {
		return nil, err
	}
	var student *loadedStudent
	err = torch.Run(func(*torch.Scope) error {
		torch.Threads(a.threads)
		model, err := t5.Load(job.Model, device)
		if err != nil {
			return modelError(err)
		}
		err = useItems(model, job.Data)
		var rec *recommend.Recommender
		if err == nil {
			rec, err = recommend.NewRecommender(model, tokenizer, job.Data, method, job.Evaluate)
		}
		if err != nil {
			model.Free()
			return fmt.Errorf("%w: %w", activities.ErrInvalid, err)
		}
		student = &loadedStudent{rec, model, a.quick && model.ItemHead, job.Evaluate.NumBeams}
		return nil
	})
	return student, err
}

// loadedStudent is a trained student in memory.
type loadedStudent struct {
	*recommend.Recommender
	model  *t5.Model
	byHead bool
	beams  int // of a search
}

// Recommend recommends by the item head where it is asked to.
func (a *loadedStudent) Recommend(
	ctx context.Context, users []dataset.User, k int, progress func(done, total int),
) ([]prediction.Prediction, error) {
	if a.byHead {
		return a.RecommendByHead(ctx, users, k, progress)
	}
	return a.Recommender.Recommend(ctx, users, k, progress)
}

// Close frees the student's memory.
func (a *loadedStudent) Close() {
	a.Free()
	a.model.Free()
}

// tableWriter writes tables with DuckDB.
type tableWriter struct{}

// Write writes a table of recommendations in another format.
func (tableWriter) Write(ctx context.Context, job activities.TableJob) error {
	return tablewriter.Write(ctx, tablewriter.Job(job))
}
