package main_test

import (
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/client"

	"rdrec/internal/staging"
)

// newPauseEnv is [newTrainingEnv] with a starter that is ready to pause the training: building it
// would take longer than the training.
func newPauseEnv(t *testing.T) (*faultEnv, *staging.Process, client.WorkflowRun) {
	t.Helper()
	if _, err := staging.BuildStarter(); err != nil {
		t.Fatal(err)
	}
	return newTrainingEnv(t, 2)
}

// pause pauses a training and waits until nothing works on it any more.
func (s *faultEnv) pause(run client.WorkflowRun) {
	s.T.Helper()
	s.MustStarter("pause", run.GetID())
	// After kill -9, the server waits for a heartbeat first.
	s.WaitFor("the end of the attempt", 90*time.Second, func() bool { return s.CurrentAttempt() == 0 })
}

// checkPaused checks that status shows a run that a person paused.
func (s *faultEnv) checkPaused(run client.WorkflowRun) {
	s.T.Helper()
	stages, notes, code := s.Starter("status", run.GetID())
	if code != 0 || !strings.Contains(stages, "paused: a person paused the run") ||
		!strings.Contains(notes, `paused by a person: "starter resume short" continues`) {
		s.T.Errorf("status of the paused run: exit code %d\n%s%s", code, stages, notes)
	}
}

// The only worker of a paused run is killed: the run stays paused, without a worker and with
// another one, until a person resumes it where the pause saved it.
func TestFault19KilledWhilePaused(t *testing.T) {
	t.Parallel()
	s, first, run := newPauseEnv(t)
	s.pause(run)
	at := s.NewestStep()
	first.Kill()
	s.checkPaused(run)
	second := s.StartWorker()
	s.checkPaused(run)
	if resumed := second.LogLines(staging.MsgResumed); len(resumed) > 0 {
		t.Errorf("another worker went on with a paused run: %v", resumed)
	}
	s.MustStarter("resume", run.GetID())
	s.checkWeights(run)
	if step := second.ResumedStep(); step != at {
		t.Errorf("resumed at step %d, paused at %d", step, at)
	}
	t.Logf("killed while paused, resumed at step %d", at)
	s.checkActivitiesRanOnce(nil)
}

// A worker is killed in the middle of a training, and the run is paused before the server notices:
// the lost attempt is not repeated before a person resumes the run.
func TestFault19KilledBeforeThePause(t *testing.T) {
	skipUnlessFaults(t)
	s, first, run := newPauseEnv(t)
	before := s.NewestStep()
	first.Kill()
	second := s.StartWorker()
	s.pause(run)
	s.checkPaused(run)
	if resumed := second.LogLines(staging.MsgResumed); len(resumed) > 0 {
		t.Errorf("another worker went on with a paused run: %v", resumed)
	}
	s.MustStarter("resume", run.GetID())
	s.checkWeights(run)
	if step := second.ResumedStep(); step < before {
		t.Errorf("resumed at step %d, though step %d was stored", step, before)
	}
	s.checkActivitiesRanOnce(nil)
}
