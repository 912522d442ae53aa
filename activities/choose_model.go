package activities

import (
	"context"
	"errors"
	"fmt"

	"rdrec/registry"
	"rdrec/storage"
)

// ChooseModelInput names a model to put in use: that of a finished run (WORKFLOW/RUN), or that of
// an earlier promotion. Without either, it is the model that was in use before the current one.
type ChooseModelInput struct {
	Name string `json:"name"`
	Run  string `json:"run"`
	To   int    `json:"to"`
}

// ChooseModel finds the model and returns the promotion to make.
func (a *Activities) ChooseModel(ctx context.Context, in ChooseModelInput) (out PromoteInput, err error) {
	ctx, hb := a.startHeartbeat(ctx, "choose model")
	defer hb.stop()
	defer func() { err = temporalError(ctx, err) }()
	current, err := registry.CurrentPromotion(ctx, a.Bucket, in.Name)
	if err != nil && (in.Run == "" || !errors.Is(err, storage.ErrNotFound)) {
		return out, invalidIfNotFound(err)
	}
	out = PromoteInput{Name: in.Name, Previous: current.Number}
	if in.Run != "" {
		out.Promotion, err = a.modelOfRun(ctx, in.Run)
		return out, invalidIfNotFound(err)
	}
	if in.To == 0 {
		if in.To, err = previousModel(in.Name, current); err != nil {
			return out, err
		}
	}
	if in.To == current.Number {
		return out, fmt.Errorf("%w: promotion %d of %q is already in use", ErrInvalid, in.To, in.Name)
	}
	if out.Promotion, err = registry.ReadPromotion(ctx, a.Bucket, in.Name, in.To); err != nil {
		return out, invalidIfNotFound(err)
	}
	out.Promotion.Kind, out.Promotion.RollbackTo = registry.Rollback, in.To
	out.Promotion.Manual, out.Promotion.FromRun = true, ""
	return out, nil
}

func invalidIfNotFound(err error) error {
	if errors.Is(err, storage.ErrNotFound) {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return err
}

// previousModel returns the promotion whose model was in use before the current one. A rollback
// counts as the promotion that it went back to.
func previousModel(name string, current registry.Promotion) (int, error) {
	number := current.Number
	if current.Kind == registry.Rollback {
		number = current.RollbackTo
	}
	if number < 2 {
		return 0, fmt.Errorf("%w: %q has no model from before promotion %d", ErrInvalid, name, number)
	}
	return number - 1, nil
}

// modelOfRun returns a promotion of the first student of a run's first method.
func (a *Activities) modelOfRun(ctx context.Context, run string) (p registry.Promotion, err error) {
	run, record, err := registry.ReadRun(ctx, a.Bucket, run)
	if err != nil {
		return p, err
	}
	student, err := record.Student("")
	if err != nil {
		return p, fmt.Errorf("%w: run %q: %w", ErrInvalid, run, err)
	}
	p = registry.Promotion{Dataset: record.Dataset, Preprocessed: record.Preprocessed, Manual: true, FromRun: run}
	if record.Spec.Data.Accumulated != nil {
		p.Reviews = record.Spec.Data.Accumulated.Reviews
	}
	if record.NightlyRun != nil {
		nightly := record.NightlyRun
		p.Counts, p.Metrics, p.Comparison = &nightly.Counts, nightly.Metrics, nightly.Comparison
	}
	p.Model, err = registry.NewPromotedModel(student.Student, student.Fusion, record.Spec)
	p.Model.UserKey = student.UserKey
	return p, err
}
