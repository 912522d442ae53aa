package main_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"rdrec/activities"
)

func TestFault13Cancelled(t *testing.T) {
	t.Parallel()
	s, w, run := newTrainingEnv(t, 3)
	if err := s.client.CancelWorkflow(t.Context(), run.GetID(), run.GetRunID()); err != nil {
		t.Fatal(err)
	}
	requested := time.Now()
	if err := s.awaitError(run); !temporal.IsCanceledError(err) {
		t.Errorf("ended with %v, want a cancellation", err)
	}
	took, at := time.Since(requested), s.newestStep()
	if took > 15*time.Second {
		t.Errorf("cancelled after %s: the GPU was occupied too long", took)
	}
	t.Logf("cancelled after %s, at step %d", took.Round(100*time.Millisecond), at)
	s.checkWeights(s.startExperiment(shortSpec(t)))
	if step := w.resumedStep(); step != at {
		t.Errorf("resumed at step %d, want the last checkpoint's %d", step, at)
	}
	s.checkActivitiesRanOnce(nil)
}

func TestFault14ZombieAndSuccessor(t *testing.T) {
	skipUnlessFaults(t)
	s, zombie, run := newTrainingEnv(t, 2)
	zombie.signal(syscall.SIGSTOP)
	successor := s.startWorker()
	s.waitFor("the takeover", 90*time.Second, func() bool { return len(successor.logLines(msgResumed)) > 0 })
	zombie.signal(syscall.SIGCONT)
	s.checkWeights(run)
	s.checkActivitiesRanOnce(nil)
	for _, events := range s.histories() {
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
	first.drain()
	files, err := filepath.Glob(filepath.Join(s.bucket, "checkpoints/*/*/*/manifest.json"))
	if err != nil || len(files) < 2 {
		t.Fatalf("%v (%v): want two checkpoints", files, err)
	}
	slices.Sort(files)
	newest := s.newestStep()
	corruptCheckpoint(t, filepath.Dir(files[len(files)-1]))
	second := s.startWorker()
	s.checkWeights(run)
	if step := second.resumedStep(); step >= newest {
		t.Errorf("resumed at step %d, want the checkpoint before %d", step, newest)
	}
	if len(second.logLines(msgCorrupt)) != 1 {
		t.Error("want one warning of the corrupt checkpoint")
	}
	s.checkActivitiesRanOnce([]string{"checkpoints/"})
}

func TestFault15AllCheckpointsCorrupt(t *testing.T) {
	skipUnlessFaults(t)
	s, first, run := newTrainingEnv(t, 3)
	first.drain()
	files, err := filepath.Glob(filepath.Join(s.bucket, "checkpoints/*/*/*/manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		corruptCheckpoint(t, filepath.Dir(file))
	}
	s.startWorker()
	for try := range 2 { // the second run fails with the same error
		if err := s.awaitError(run); errorType(err) != activities.TypeDataCorrupt ||
			!strings.Contains(err.Error(), "every checkpoint is corrupt") {
			t.Errorf("try %d ended with %v", try, err)
		}
		if try == 0 {
			run = s.startExperiment(shortSpec(t))
		}
	}
	if s.countFiles("stages/pretrain/*.json") > 0 {
		t.Error("training started from scratch without an error")
	}
}

// corruptCheckpoint changes a byte in the middle of a checkpoint's largest file.
func corruptCheckpoint(t *testing.T, dir string) {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "*.safetensors"))
	if err != nil || len(found) == 0 {
		t.Fatal(found, err)
	}
	data, err := os.ReadFile(found[0])
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.WriteFile(found[0], data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// A worker is upgraded in the middle of a run: the run ends on the version it started on, the next
// one runs on the new version.
func TestFault16WorkerUpgradedMidRun(t *testing.T) {
	skipUnlessFaults(t)
	shortReferenceWeights(t)
	s := newFaultEnv(t)
	old := s.startWorker("--deployment", "rdrec", "--build-id", "one")
	s.promoteBuild("one")
	run := s.startExperiment(shortSpec(t))
	s.awaitTraining(2)
	s.startWorker("--deployment", "rdrec", "--build-id", "two")
	s.promoteBuild("two")
	s.checkWeights(run)
	if got := s.builds(run.GetID(), run.GetRunID()); !slices.Equal(got, []string{"one"}) {
		t.Errorf("the run that started on version one used %q", got)
	}
	old.drain()
	next := s.startExperiment(shortSpec(t))
	s.checkWeights(next)
	if got := s.builds(next.GetID(), next.GetRunID()); !slices.Equal(got, []string{"two"}) {
		t.Errorf("the run that started after the upgrade used %q", got)
	}
	s.checkActivitiesRanOnce(nil)
}

// promoteBuild makes a build the current version of the deployment.
func (s *faultEnv) promoteBuild(build string) {
	s.t.Helper()
	deployment := s.client.WorkerDeploymentClient().GetHandle("rdrec")
	var failed error
	s.waitFor("promoting "+build, time.Minute, func() bool {
		ctx, cancel := context.WithTimeout(s.t.Context(), 10*time.Second)
		defer cancel()
		_, failed = deployment.SetCurrentVersion(ctx, client.WorkerDeploymentSetCurrentVersionOptions{BuildID: build})
		return failed == nil
	})
}

// builds returns the versions that a workflow's tasks ran on, in order; an empty run means the
// latest.
func (s *faultEnv) builds(workflow, run string) []string {
	s.t.Helper()
	var builds []string
	for _, e := range s.events(workflow, run) {
		if done := e.GetWorkflowTaskCompletedEventAttributes(); done != nil {
			builds = append(builds, done.GetDeploymentVersion().GetBuildId())
		}
	}
	return slices.Compact(builds)
}
