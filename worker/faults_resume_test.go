package main_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"rdrec/activities"
	"rdrec/internal/staging"
)

func TestFault13Cancelled(t *testing.T) {
	t.Parallel()
	s, w, run := newTrainingEnv(t, 3)
	if err := s.Client.CancelWorkflow(t.Context(), run.GetID(), run.GetRunID()); err != nil {
		t.Fatal(err)
	}
	requested := time.Now()
	if err := s.AwaitError(run); !temporal.IsCanceledError(err) {
		t.Errorf("ended with %v, want a cancellation", err)
	}
	took, at := time.Since(requested), s.NewestStep()
	if took > 15*time.Second {
		t.Errorf("cancelled after %s: the GPU was occupied too long", took)
	}
	t.Logf("cancelled after %s, at step %d", took.Round(100*time.Millisecond), at)
	s.checkWeights(s.StartExperiment(staging.ShortSpec(t)))
	if step := w.ResumedStep(); step != at {
		t.Errorf("resumed at step %d, want the last checkpoint's %d", step, at)
	}
	s.checkActivitiesRanOnce(nil)
}

func TestFault14ZombieAndSuccessor(t *testing.T) {
	skipUnlessFaults(t)
	s, zombie, run := newTrainingEnv(t, 2)
	zombie.Signal(syscall.SIGSTOP)
	successor := s.StartWorker()
	s.WaitFor("the takeover", 90*time.Second, func() bool { return len(successor.LogLines(staging.MsgResumed)) > 0 })
	zombie.Signal(syscall.SIGCONT)
	s.checkWeights(run)
	s.checkActivitiesRanOnce(nil)
	for _, events := range s.Histories() {
		for _, e := range events {
			started := e.GetActivityTaskStartedEventAttributes()
			ofZombie := strings.HasPrefix(started.GetIdentity(), fmt.Sprintf("%d@", zombie.Process.Pid))
			if ofZombie && started.GetAttempt() > 1 {
				t.Errorf("the zombie's result was accepted: %v", started)
			}
		}
	}
}

func TestFault15CorruptCheckpoints(t *testing.T) {
	t.Parallel()
	s, first, run := newTrainingEnv(t, 3)
	first.Drain()
	files, err := filepath.Glob(filepath.Join(s.Bucket, "checkpoints/*/*/*/manifest.json"))
	if err != nil || len(files) < 2 {
		t.Fatalf("%v (%v): want two checkpoints", files, err)
	}
	slices.Sort(files)
	newest := s.NewestStep()
	staging.CorruptCheckpoint(t, filepath.Dir(files[len(files)-1]))
	second := s.StartWorker()
	s.checkWeights(run)
	if step := second.ResumedStep(); step >= newest {
		t.Errorf("resumed at step %d, want the checkpoint before %d", step, newest)
	}
	if len(second.LogLines(staging.MsgCorrupt)) != 1 {
		t.Error("want one warning of the corrupt checkpoint")
	}
	s.checkActivitiesRanOnce([]string{"checkpoints/"})
}

func TestFault15AllCheckpointsCorrupt(t *testing.T) {
	skipUnlessFaults(t)
	s, first, run := newTrainingEnv(t, 3)
	first.Drain()
	files, err := filepath.Glob(filepath.Join(s.Bucket, "checkpoints/*/*/*/manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		staging.CorruptCheckpoint(t, filepath.Dir(file))
	}
	s.StartWorker()
	for try := range 2 { // the second run fails with the same error
		if err := s.AwaitError(run); errorType(err) != activities.TypeDataCorrupt ||
			!strings.Contains(err.Error(), "every checkpoint is corrupt") {
			t.Errorf("try %d ended with %v", try, err)
		}
		if try == 0 {
			run = s.StartExperiment(staging.ShortSpec(t))
		}
	}
	if s.CountFiles("stages/pretrain/*.json") > 0 {
		t.Error("training started from scratch without an error")
	}
}

// A worker is upgraded in the middle of a run: the run ends on the version it started on, the next
// one runs on the new version.
func TestFault16WorkerUpgradedMidRun(t *testing.T) {
	skipUnlessFaults(t)
	shortReferenceWeights(t)
	s := newFaultEnv(t)
	old := s.StartWorker("--deployment", "rdrec", "--build-id", "one")
	s.promoteBuild("one")
	run := s.StartExperiment(staging.ShortSpec(t))
	s.awaitTraining(2)
	s.StartWorker("--deployment", "rdrec", "--build-id", "two")
	s.promoteBuild("two")
	s.checkWeights(run)
	if got := s.builds(run.GetID(), run.GetRunID()); !slices.Equal(got, []string{"one"}) {
		t.Errorf("the run that started on version one used %q", got)
	}
	old.Drain()
	next := s.StartExperiment(staging.ShortSpec(t))
	s.checkWeights(next)
	if got := s.builds(next.GetID(), next.GetRunID()); !slices.Equal(got, []string{"two"}) {
		t.Errorf("the run that started after the upgrade used %q", got)
	}
	s.checkActivitiesRanOnce(nil)
}

// promoteBuild makes a build the current version of the deployment.
func (s *faultEnv) promoteBuild(build string) {
	s.T.Helper()
	deployment := s.Client.WorkerDeploymentClient().GetHandle("rdrec")
	var failed error
	s.WaitFor("promoting "+build, time.Minute, func() bool {
		ctx, cancel := context.WithTimeout(s.T.Context(), 10*time.Second)
		defer cancel()
		_, failed = deployment.SetCurrentVersion(ctx, client.WorkerDeploymentSetCurrentVersionOptions{BuildID: build})
		return failed == nil
	})
}

// builds returns the versions that a workflow's tasks ran on, in order; an empty run means the
// latest.
func (s *faultEnv) builds(workflow, run string) []string {
	s.T.Helper()
	var builds []string
	for _, e := range s.Events(workflow, run) {
		if done := e.GetWorkflowTaskCompletedEventAttributes(); done != nil {
			builds = append(builds, done.GetDeploymentVersion().GetBuildId())
		}
	}
	return slices.Compact(builds)
}
