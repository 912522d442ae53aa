package main_test

import (
	"context"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"rdrec/internal/spec"
	"rdrec/registry"
	"rdrec/workflows"
)

// A worker is upgraded in the middle of a night: the night goes on with the new version, its
// training ends on the one that it began with, and the next night needs the new one alone.
func TestFault16NightlyRunUpgradedMidRun(t *testing.T) {
	skipUnlessFaults(t)
	s := newFaultEnv(t)
	s.addReviews("2017-05-31.json", 0, firstOfJune, unchanged)
	settings, err := spec.Load(filepath.Join(root, "experiments/beauty-nightly.yaml"), []string{
		"train.epochs=2", "train.epoch_steps=40", "train.checkpoint_steps=5", "nightly.gate.margin=1", "nightly.gate.min_coverage=0",
	})
	if err != nil {
		t.Fatal(err)
	}
	old := s.startWorker("--deployment", "rdrec", "--build-id", "one")
	s.promoteBuild("one")
	run := s.launch("first-night", workflows.Nightly, workflows.NightlyInput{Spec: settings})
	s.awaitTraining(2)
	s.startWorker("--deployment", "rdrec", "--build-id", "two")
	s.promoteBuild("two")
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	var nightly registry.NightlyRun
	if err := run.Get(ctx, &nightly); err != nil || nightly.Verdict != registry.VerdictFirst {
		t.Fatalf("the night that was upgraded: %+v, %v", nightly, err)
	}
	if got := s.builds(run.GetID(), ""); !slices.Equal(got, []string{"one", "two"}) {
		t.Errorf("the night ran on %q, want one and then two", got)
	}
	if got := s.builds(run.GetID()+"/rdrec-1", ""); !slices.Equal(got, []string{"one"}) {
		t.Errorf("its training ran on %q, want one", got)
	}
	old.drain()
	s.addReviews("2017-09-30.json", firstOfJune, firstOfOctober, unchanged)
	run = s.launch("second-night", workflows.Nightly, workflows.NightlyInput{Spec: settings})
	if err := run.Get(ctx, &nightly); err != nil || nightly.Verdict != registry.VerdictPromoted || !nightly.WarmStart {
		t.Fatalf("the night after: %+v, %v", nightly, err)
	}
	if got := s.builds(run.GetID(), ""); !slices.Equal(got, []string{"two"}) {
		t.Errorf("the night after ran on %q, want two", got)
	}
	if faults := s.badObjects(); len(faults) > 0 {
		t.Errorf("the bucket is corrupt: %v", faults)
	}
}
