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

// site is where a fault is tested: a namespace of a real server, a bucket, and any number of worker processes.
type site struct {
	*plant
	// url is the bucket's, as the workers see it.
	url string
	// env is added to the workers' environment.
	env []string
	// ahead is how wrong the clocks of workers are that are hired.
	ahead time.Duration
	// everyone is who was ever hired.
	everyone []*process
}

// servers are shared by all tests that do not hurt them.
var servers servertest.Pool

// newSite makes a site on a shared server.
func newSite(t *testing.T) *site {
	t.Helper()
	address, namespace := servers.Take(t)
	return siteAt(t, address, namespace)
}

func siteAt(t *testing.T, address, namespace string) *site {
	t.Helper()
	c, err := client.NewLazyClient(client.Options{HostPort: address, Namespace: namespace, Logger: silent{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	dir := filepath.Join(t.TempDir(), "bucket")
	return &site{plant: &plant{t: t, client: c, address: address, namespace: namespace, bucket: dir}, url: "file://" + dir}
}

type silent struct{}

func (silent) Debug(string, ...any) {}
func (silent) Info(string, ...any)  {}
func (silent) Warn(string, ...any)  {}
func (silent) Error(string, ...any) {}

// until waits for a condition.
func (p *plant) until(what string, within time.Duration, holds func() bool) {
	p.t.Helper()
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.After(within)
	for !holds() {
		select {
		case <-deadline:
			p.t.Fatalf("not within %s: %s", within, what)
		case <-ticker.C:
		}
	}
}

// training waits until n checkpoints were written since training began.
func (s *site) training(n int) {
	s.t.Helper()
	s.until("checkpoints of training", 3*time.Minute, func() bool { return s.newest() >= n*checkpointSteps })
	if s.count("stages/pretrain/*.json") > 0 {
		s.t.Fatal("training was over before the fault: nothing was tested")
	}
}

// underway is a site of which the only worker trains the short experiment and has stored n checkpoints.
func underway(t *testing.T, n int) (*site, *process, client.WorkflowRun) {
	t.Helper()
	calm(t) // beforehand, so that it disturbs nobody
	s := newSite(t)
	w := s.hire()
	run := s.begin(short(t))
	s.training(n)
	return s, w, run
}

// unharmed waits for a short experiment and checks that its weights are those of an undisturbed run.
func (s *site) unharmed(run client.WorkflowRun) {
	s.t.Helper()
	if got, want := s.finish(run), calm(s.t); got != want {
		s.t.Errorf("weights %s, want %s", got, want)
	}
}

// newest is the step of the newest checkpoint of the newest attempt that has one.
func (s *site) newest() int {
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

// checkpointSteps is how many steps lie between the short training's checkpoints.
const checkpointSteps = 5

// short is an experiment that trains for some seconds.
func short(t *testing.T, overrides ...string) spec.Spec {
	t.Helper()
	path := filepath.Join(t.TempDir(), "short.yaml")
	text := `
name: short
data: {folder: testdata/rdrec/beauty_mini}
teacher: {model: copy}
student: {size: t5-tiny}
train: {batch: 4, epochs: 3, epoch_steps: 30, valid_rows: 8, checkpoint_steps: 5, learning_rate: 0.001}
evaluate: {sequential_users: 4, topn_users: 2, explanations: 2, beams: 4, return: 4, topn: 4, explanation_beams: 3, explanation_groups: 3}
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
	calmOnce sync.Once
	calmHash string
)

// calm is the weights' digest of the short experiment when nothing goes wrong.
func calm(t *testing.T) string {
	t.Helper()
	calmOnce.Do(func() {
		s := newSite(t)
		w := s.hire()
		calmHash = s.finish(s.begin(short(t)))
		s.once(nil)
		w.drain()
	})
	if calmHash == "" {
		t.Fatal("the undisturbed run failed")
	}
	return calmHash
}

// stagesOnce is how often each stage of the short experiment is done, whatever happens.
var stagesOnce = map[string]int{"Import": 1, "DistillGather": 1, "Preprocess": 1, "Baseline": 1, "Pretrain": 1, "Evaluate": 3}

// once checks that no stage was finished twice, over all runs of the site, and that the bucket is sound.
func (s *site) once(sound []string) {
	s.t.Helper()
	done := s.finished()
	for name, want := range stagesOnce {
		if done[name] != want {
			s.t.Errorf("%s was finished %d times, want %d", name, done[name], want)
		}
	}
	for _, f := range s.damage() {
		if !slices.ContainsFunc(sound, func(part string) bool { return strings.Contains(f.Key, part) }) {
			s.t.Errorf("the bucket is damaged: %s: %s", f.Key, f.Reason)
		}
	}
}

// damage is what of the bucket is not as it was written.
func (s *site) damage() []storage.Fault {
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
	return v.Faults
}

// finished counts the completed activities of all workflows of the site, by type.
func (s *site) finished() map[string]int {
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

// histories are those of all workflows of the site.
func (s *site) histories() [][]*eventpb.HistoryEvent {
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

// events are a run's history; an empty run is the workflow's latest.
func (p *plant) events(workflow, run string) []*eventpb.HistoryEvent {
	p.t.Helper()
	var events []*eventpb.HistoryEvent
	for it := p.client.GetWorkflowHistory(p.t.Context(), workflow, run, false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT); it.HasNext(); {
		e, err := it.Next()
		if err != nil {
			p.t.Fatal(err)
		}
		events = append(events, e)
	}
	return events
}

// ended waits for an experiment to end and returns its error.
func (s *site) ended(run client.WorkflowRun) error {
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

// slow tests run in make faults only.
func slow(t *testing.T) {
	t.Helper()
	if os.Getenv("RDREC_FAULTS") == "" {
		t.Skip("takes a heartbeat timeout or more: make faults runs it")
	}
	t.Parallel()
}
