package main_test

import (
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.temporal.io/sdk/client"

	"rdrec/internal/staging"
)

// TestMain also makes this test program the servers that some tests kill.
func TestMain(m *testing.M) { os.Exit(staging.Main(m)) }

// faultEnv is a staged environment with what the tests of this package expect of a training.
type faultEnv struct{ *staging.Env }

// newFaultEnv returns an environment on a shared server. Checkpoints remain after a training, so
// that tests can see what it left.
func newFaultEnv(t *testing.T) *faultEnv {
	t.Helper()
	s := &faultEnv{staging.New(t)}
	s.KeepCheckpoints()
	return s
}

// awaitTraining waits until training has stored n checkpoints.
func (s *faultEnv) awaitTraining(n int) {
	s.T.Helper()
	s.WaitFor("checkpoints of training", 3*time.Minute, func() bool { return s.NewestStep() >= n*checkpointSteps })
	if s.CountFiles("stages/pretrain/*.json") > 0 {
		s.T.Fatal("training ended before the fault, so nothing was tested")
	}
}

// newTrainingEnv returns an environment whose only worker trains the short experiment and has
// stored n checkpoints.
func newTrainingEnv(t *testing.T, n int) (*faultEnv, *staging.Process, client.WorkflowRun) {
	t.Helper()
	shortReferenceWeights(t) // first, so that it does not run beside this test
	s := newFaultEnv(t)
	w := s.StartWorker()
	run := s.StartExperiment(staging.ShortSpec(t))
	s.awaitTraining(n)
	return s, w, run
}

// checkWeights waits for a short experiment and checks that its weights equal an undisturbed run's.
func (s *faultEnv) checkWeights(run client.WorkflowRun) {
	s.T.Helper()
	if got, want := s.AwaitWeights(run), shortReferenceWeights(s.T); got != want {
		s.T.Errorf("weights %s, want %s", got, want)
	}
}

// checkpointSteps is the number of steps between checkpoints of the short experiment.
const checkpointSteps = 5

// tenSteps are overrides for tests that need a student and are not about its training.
var tenSteps = []string{"train.epochs=1", "train.epoch_steps=10"}

var (
	shortReferenceOnce sync.Once
	shortReference     string
)

// shortReferenceWeights returns the digest of the short experiment's weights after an undisturbed
// run.
func shortReferenceWeights(t *testing.T) string {
	t.Helper()
	shortReferenceOnce.Do(func() {
		s := &faultEnv{staging.New(t)}
		w := s.StartWorker()
		shortReference = s.AwaitWeights(s.StartExperiment(staging.ShortSpec(t)))
		s.checkActivitiesRanOnce(nil)
		if left := s.Checkpoints(); len(left) > 0 || s.CountFiles("checkpoints/*/*/attempt.json") != 1 {
			t.Errorf("checkpoints of a finished training remain: %v", left)
		}
		w.Drain()
	})
	if shortReference == "" {
		t.Fatal("the undisturbed run failed")
	}
	return shortReference
}

// expectedActivities is how often each activity of the short experiment completes, whatever the
// fault.
var expectedActivities = map[string]int{
	"Import": 1, "MergeRationales": 1, "Preprocess": 1, "RankBaselines": 1, "Pretrain": 1, "Evaluate": 3,
}

// checkActivitiesRanOnce checks that no activity completed twice, over all runs of the environment,
// and that every object of the bucket is valid, except those whose key contains one of the parts.
func (s *faultEnv) checkActivitiesRanOnce(except []string) {
	s.T.Helper()
	done := s.CompletedActivities()
	for name, want := range expectedActivities {
		if done[name] != want {
			s.T.Errorf("%s completed %d times, want %d", name, done[name], want)
		}
	}
	for _, f := range s.BadObjects() {
		if !slices.ContainsFunc(except, func(part string) bool { return strings.Contains(f.Key, part) }) {
			s.T.Errorf("the bucket is corrupt: %s: %s", f.Key, f.Reason)
		}
	}
}

// skipUnlessFaults skips the test except in make faults.
func skipUnlessFaults(t *testing.T) {
	t.Helper()
	if os.Getenv("RDREC_FAULTS") == "" {
		t.Skip("takes a heartbeat timeout or more; make faults runs it")
	}
	t.Parallel()
}
