package main_test

import (
	"testing"
	"time"

	"rdrec/activities"
	"rdrec/internal/staging"
)

// A worker with its clock an hour ahead starts training; one an hour behind resumes it, and its
// clock is set while it trains.
func TestFault12ClockSkew(t *testing.T) {
	t.Parallel()
	shortReferenceWeights(t)
	s := newFaultEnv(t)
	s.ClockOffset = time.Hour
	first := s.StartWorker()
	run := s.StartExperiment(staging.ShortSpec(t))
	s.awaitTraining(3)
	first.Drain()
	at := s.NewestStep()
	s.ClockOffset = -time.Hour
	second := s.StartWorker()
	s.WaitFor("the takeover", 2*time.Minute, func() bool { return len(second.LogLines(staging.MsgResumed)) > 0 })
	if err := second.Clock.Set(time.Hour); err != nil {
		t.Fatal(err)
	}
	s.checkWeights(run)
	if step := second.ResumedStep(); step != at {
		t.Errorf("resumed at step %d, drained at %d: are keys ordered by time?", step, at)
	}
	s.checkActivitiesRanOnce(nil)
	for name, w := range map[string]*staging.Process{"ahead": first, "set": second} {
		if lines := w.LogLines("worker polls"); len(lines) != 1 || time.Until(lines[0].Time).Abs() < 55*time.Minute {
			t.Errorf("the clock %s was not wrong, so nothing was tested: %v", name, lines)
		}
	}
	s.checkNoRetries()
}

// checkNoRetries checks that no activity was retried, except after a drain.
func (s *faultEnv) checkNoRetries() {
	s.T.Helper()
	for _, events := range s.Histories() {
		for _, e := range events {
			if timeout := e.GetActivityTaskTimedOutEventAttributes(); timeout != nil {
				s.T.Errorf("timed out: %v", timeout)
			}
			started := e.GetActivityTaskStartedEventAttributes()
			errorType := started.GetLastFailure().GetApplicationFailureInfo().GetType()
			if started.GetAttempt() > 1 && errorType != activities.TypeDrained {
				s.T.Errorf("attempt %d after %v", started.GetAttempt(), started.GetLastFailure())
			}
		}
	}
}
