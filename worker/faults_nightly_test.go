package main_test

import (
	"context"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"rdrec/internal/spec"
	"rdrec/internal/staging"
	"rdrec/registry"
	"rdrec/workflows"
)

// A worker is upgraded during a nightly run: the run continues on the new version, its training
// ends on the version it started on, and the next run needs only the new one.
func TestFault16NightlyRunUpgradedMidRun(t *testing.T) {
	skipUnlessFaults(t)
	s := newFaultEnv(t)
	s.addReviews("2017-05-31.json", 0, firstOfJune, unchanged)
	settings, err := spec.Load(filepath.Join(staging.Root(), "experiments/beauty-nightly.yaml"), append(
		openGate(), "train.epochs=2", "train.epoch_steps=40", "train.checkpoint_steps=5",
	))
	if err != nil {
		t.Fatal(err)
	}
	old := s.StartWorker("--deployment", "rdrec", "--build-id", "one")
	s.promoteBuild("one")
	run := s.Launch("first-run", workflows.Nightly, workflows.NightlyInput{Spec: settings})
	s.awaitTraining(2)
	s.StartWorker("--deployment", "rdrec", "--build-id", "two")
	s.promoteBuild("two")
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	var nightly registry.NightlyRun
	if err := run.Get(ctx, &nightly); err != nil || nightly.Verdict != registry.VerdictFirst {
		t.Fatalf("the upgraded run: %+v, %v", nightly, err)
	}
	if got := s.builds(run.GetID(), ""); !slices.Equal(got, []string{"one", "two"}) {
		t.Errorf("the run used %q, want one and then two", got)
	}
	if got := s.builds(run.GetID()+"/rdrec-1", ""); !slices.Equal(got, []string{"one"}) {
		t.Errorf("its training used %q, want one", got)
	}
	old.Drain()
	s.addReviews("2017-09-30.json", firstOfJune, firstOfOctober, unchanged)
	run = s.Launch("second-run", workflows.Nightly, workflows.NightlyInput{Spec: settings})
	if err := run.Get(ctx, &nightly); err != nil || nightly.Verdict != registry.VerdictPromoted || !nightly.WarmStart {
		t.Fatalf("the next run: %+v, %v", nightly, err)
	}
	if got := s.builds(run.GetID(), ""); !slices.Equal(got, []string{"two"}) {
		t.Errorf("the next run used %q, want two", got)
	}
	if faults := s.BadObjects(); len(faults) > 0 {
		t.Errorf("the bucket is corrupt: %v", faults)
	}
}
