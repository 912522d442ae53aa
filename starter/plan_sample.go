package main

import (
	"context"
	"fmt"

	"rdrec/internal/spec"
	"rdrec/registry"
)

// Sizes of a sample.
const (
	sampleSteps        = 20
	sampleReviews      = 8
	sampleUsers        = 64
	sampleExplanations = 16
)

// sampleOf returns a small part of a spec: the same data and models, one seed, and little of each
// stage. An epoch whose steps the spec does not limit is sampled whole.
func sampleOf(s spec.Spec) spec.Spec {
	s.Name += "-sample"
	s.Trials, s.Ablate = 1, nil
	s.Train.Epochs = 1
	s.Train.EpochSteps = min(s.Train.EpochSteps, sampleSteps)
	s.Teacher.MaxReviews = atMost(s.Teacher.MaxReviews, sampleReviews)
	s.Evaluate.SequentialUsers = atMost(s.Evaluate.SequentialUsers, sampleUsers)
	s.Evaluate.TopNUsers = atMost(s.Evaluate.TopNUsers, sampleUsers)
	s.Evaluate.Explanations = atMost(s.Evaluate.Explanations, sampleExplanations)
	s.Sasrec.Epochs = min(s.Sasrec.Epochs, 1)
	return s
}

// atMost returns n, or the limit if n is more or 0, which means all. A negative n means none.
func atMost(n, limit int) int {
	if n == 0 {
		return limit
	}
	return min(n, limit)
}

// planFromSample runs a sample of a spec and plans the spec by what the sample took.
func (a *app) planFromSample(ctx context.Context, to *server, s spec.Spec, force bool) (registry.Plan, error) {
	e, err := a.startExperiment(ctx, to, sampleOf(s), false, func() error { return nil })
	if err != nil {
		return registry.Plan{}, fmt.Errorf("sampling: %w", err)
	}
	a.printStarted(e)
	if err := a.await(ctx, e, "the sample continues; the same command waits for it"); err != nil {
		return registry.Plan{}, err
	}
	if err := e.result(ctx, nil); err != nil {
		return registry.Plan{}, err
	}
	return a.plan(ctx, to, s, force, planTimeout)
}
