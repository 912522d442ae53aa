package main_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.temporal.io/api/enums/v1"
	eventpb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"rdrec/internal/devserver/servertest"
	"rdrec/internal/spec"
	"rdrec/storage"
	"rdrec/workflows"
)

// faultEnv is the environment of a fault test: a namespace of a server, a bucket, and any number of
// worker processes.
type faultEnv struct {
	*testEnv
	// url is the bucket's URL for the workers.
	url string
	// env is added to the workers' environment.
	env []string
	// clockOffset is how far the clocks of new workers are ahead.
	clockOffset time.Duration
	// allWorkers are the workers started so far.
	allWorkers []*process
}

// servers are shared by all tests that do not disturb them.
var servers servertest.Pool

// newFaultEnv returns an environment on a shared server.
func newFaultEnv(t *testing.T) *faultEnv {
	t.Helper()
	address, namespace := servers.Take(t)
	return newFaultEnvAt(t, address, namespace)
}

func newFaultEnvAt(t *testing.T, address, namespace string) *faultEnv {
	t.Helper()
	c, err := client.NewLazyClient(client.Options{HostPort: address, Namespace: namespace, Logger: nopLogger{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	dir := filepath.Join(t.TempDir(), "bucket")
	env := &testEnv{t: t, client: c, address: address, namespace: namespace, bucket: dir}
	return &faultEnv{testEnv: env, url: "file://" + dir}
}

type nopLogger struct{}

func (nopLogger) Debug(string, ...any) {}
func (nopLogger) Info(string, ...any)  {}
func (nopLogger) Warn(string, ...any)  {}
func (nopLogger) Error(string, ...any) {}

// waitFor waits for a condition.
func (p *testEnv) waitFor(condition string, within time.Duration, met func() bool) {
	p.t.Helper()
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.After(within)
	for !met() {
		select {
		case <-deadline:
			p.t.Fatalf("not within %s: %s", within, condition)
		case <-ticker.C:
		}
	}
}

// awaitTraining waits until training has stored n checkpoints.
func (s *faultEnv) awaitTraining(n int) {
	s.t.Helper()
	s.waitFor("checkpoints of training", 3*time.Minute, func() bool { return s.newestStep() >= n*checkpointSteps })
	if s.countFiles("stages/pretrain/*.json") > 0 {
		s.t.Fatal("training ended before the fault, so nothing was tested")
	}
}

// newTrainingEnv returns an environment whose only worker trains the short experiment and has
// stored n checkpoints.
func newTrainingEnv(t *testing.T, n int) (*faultEnv, *process, client.WorkflowRun) {
	t.Helper()
	shortReferenceWeights(t) // first, so that it does not run beside this test
	s := newFaultEnv(t)
	w := s.startWorker()
	run := s.startExperiment(shortSpec(t))
	s.awaitTraining(n)
	return s, w, run
}

// checkWeights waits for a short experiment and checks that its weights equal an undisturbed run's.
func (s *faultEnv) checkWeights(run client.WorkflowRun) {
	s.t.Helper()
	if got, want := s.awaitWeights(run), shortReferenceWeights(s.t); got != want {
		s.t.Errorf("weights %s, want %s", got, want)
	}
}

// newestStep returns the step of the newest checkpoint of the newest attempt that has one.
func (s *faultEnv) newestStep() int {
	found, err := filepath.Glob(filepath.Join(s.bucket, "checkpoints/*/*/*/manifest.json"))
	if err != nil {
		s.t.Fatal(err)
	}
	if len(found) == 0 {
		return 0
	}
	step, err := strconv.Atoi(filepath.Base(filepath.Dir(slices.Max(found))))
	if err != nil {
		s.t.Fatal(err)
	}
	return step
}

// checkpointSteps is the number of steps between checkpoints of the short experiment.
const checkpointSteps = 5

// shortSpec returns an experiment that trains for a few seconds.
func shortSpec(t *testing.T, overrides ...string) spec.Spec {
	t.Helper()
	path := filepath.Join(t.TempDir(), "short.yaml")
	text := `
name: short
data: {folder: testdata/rdrec/beauty_mini}
teacher: {model: copy}
student: {size: t5-tiny}
train: {batch: 4, epochs: 3, epoch_steps: 30, validation_rows: 8, checkpoint_steps: 5, learning_rate: 0.001}
evaluate:
  {sequential_users: 4, topn_users: 2, explanations: 2, num_beams: 4, num_return_sequences: 4, topn: 4,
  explanation_num_beams: 3, explanation_num_beam_groups: 3}
`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := spec.Load(path, overrides)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

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
		s := newFaultEnv(t)
		w := s.startWorker()
		shortReference = s.awaitWeights(s.startExperiment(shortSpec(t)))
		s.checkActivitiesRanOnce(nil)
		w.drain()
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
	s.t.Helper()
	done := s.completedActivities()
	for name, want := range expectedActivities {
		if done[name] != want {
			s.t.Errorf("%s completed %d times, want %d", name, done[name], want)
		}
	}
	for _, f := range s.badObjects() {
		if !slices.ContainsFunc(except, func(part string) bool { return strings.Contains(f.Key, part) }) {
			s.t.Errorf("the bucket is corrupt: %s: %s", f.Key, f.Reason)
		}
	}
}

// badObjects returns the bucket's objects that differ from what was written.
func (s *faultEnv) badObjects() []storage.BadObject {
	s.t.Helper()
	b, err := storage.Open(s.t.Context(), "file://"+s.bucket)
	if err != nil {
		s.t.Fatal(err)
	}
	defer b.Close()
	v, err := b.Verify(s.t.Context(), "")
	if err != nil {
		s.t.Fatal(err)
	}
	return v.BadObjects
}

// completedActivities counts the completed activities of all workflows of the environment, by type.
func (s *faultEnv) completedActivities() map[string]int {
	s.t.Helper()
	done := map[string]int{}
	for _, events := range s.histories() {
		types := map[int64]string{}
		for _, e := range events {
			if scheduled := e.GetActivityTaskScheduledEventAttributes(); scheduled != nil {
				types[e.GetEventId()] = scheduled.GetActivityType().GetName()
			}
			if completed := e.GetActivityTaskCompletedEventAttributes(); completed != nil {
				done[types[completed.GetScheduledEventId()]]++
			}
		}
	}
	return done
}

// histories returns the histories of all workflows of the environment.
func (s *faultEnv) histories() [][]*eventpb.HistoryEvent {
	s.t.Helper()
	list, err := s.client.ListWorkflow(s.t.Context(), &workflowservice.ListWorkflowExecutionsRequest{
		Query: "WorkflowType IN ('Experiment', 'Trial', 'Distillation', 'Export')",
	})
	if err != nil {
		s.t.Fatal(err)
	}
	var all [][]*eventpb.HistoryEvent
	for _, w := range list.GetExecutions() {
		all = append(all, s.events(w.GetExecution().GetWorkflowId(), w.GetExecution().GetRunId()))
	}
	return all
}

// events returns the history of a run; an empty run means the latest.
func (p *testEnv) events(workflow, run string) []*eventpb.HistoryEvent {
	p.t.Helper()
	var events []*eventpb.HistoryEvent
	history := p.client.GetWorkflowHistory(
		p.t.Context(), workflow, run, false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for history.HasNext() {
		e, err := history.Next()
		if err != nil {
			p.t.Fatal(err)
		}
		events = append(events, e)
	}
	return events
}

// awaitError waits for an experiment to end and returns its error.
func (s *faultEnv) awaitError(run client.WorkflowRun) error {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 4*time.Minute)
	defer cancel()
	var result workflows.ExperimentResult
	err := run.Get(ctx, &result)
	if ctx.Err() != nil {
		s.t.Fatal("the experiment did not end")
	}
	return err
}

// skipUnlessFaults skips the test except in make faults.
func skipUnlessFaults(t *testing.T) {
	t.Helper()
	if os.Getenv("RDREC_FAULTS") == "" {
		t.Skip("takes a heartbeat timeout or more; make faults runs it")
	}
	t.Parallel()
}
