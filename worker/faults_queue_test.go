package main_test

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"go.temporal.io/sdk/temporal"

	"rdrec/activities"
	"rdrec/workflows"
)

// errorType returns the type of the error that an experiment failed with.
func errorType(err error) string {
	var failure *temporal.ApplicationError
	if errors.As(err, &failure) {
		return failure.Type()
	}
	return ""
}

// A job that kills its worker at each attempt fails after a number of attempts, and the next job in
// the queue is done meanwhile.
func TestFault17PoisonedJobDoesNotBlockTheQueue(t *testing.T) {
	skipUnlessFaults(t)
	shortReferenceWeights(t)
	s := newFaultEnv(t)
	var victim atomic.Pointer[process]
	var kills atomic.Int32
	teacher := newChatServer(t, time.Minute)
	teacher.onPrompt = func(string, string) {
		if w := victim.Swap(nil); w != nil {
			kills.Add(1)
			w.kill()
		}
	}
	victim.Store(s.startWorker())
	poisoned := s.startExperiment(shortSpec(t, "name=poison", "data.folder=",
		"data={reviews: {path: testdata/reviews/All_Beauty_5.json.gz, user_core: 3, item_core: 1}, negatives: 20}",
		fmt.Sprintf("teacher={model: %q, max_reviews: 4}", "openai:"+teacher.URL+"/v1#poison")))
	s.waitFor("the first kill", time.Minute, func() bool { return kills.Load() > 0 })
	next := s.startExperiment(shortSpec(t))
	over := make(chan error, 1)
	go func() { over <- poisoned.Get(t.Context(), nil) }()
	jobError, err := s.superviseWorkers(&victim, over)
	if err != nil {
		t.Fatal(err)
	}
	if errorType(jobError) != activities.TypeNoProgress || kills.Load() != 6 {
		t.Errorf("after %d kills the job ended with %v, want %s after 6",
			kills.Load(), jobError, activities.TypeNoProgress)
	}
	s.checkWeights(next)
	info, err := s.client.DescribeWorkflowExecution(t.Context(), next.GetID(), next.GetRunID())
	if err != nil {
		t.Fatal(err)
	}
	if after := time.Since(info.GetWorkflowExecutionInfo().GetCloseTime().AsTime()); after < 30*time.Second {
		t.Errorf("the next job ended %s before the poisoned one failed, want 30 s or more: it was blocked", after)
	}
}

// superviseWorkers replaces each killed worker, as a process supervisor does, until the job is
// over. It returns the job's error, and one of its own if the job does not end in time.
func (s *faultEnv) superviseWorkers(victim *atomic.Pointer[process], over <-chan error) (error, error) {
	s.t.Helper()
	deadline := time.After(12 * time.Minute)
	for {
		select {
		case err := <-over:
			return err, nil
		case <-deadline:
			return nil, errors.New("the poisoned job did not fail")
		case <-time.After(time.Second):
			if victim.Load() == nil {
				victim.Store(s.startWorker())
			}
		}
	}
}

// A worker of the GPU queue runs one job at a time, even while others wait.
func TestFault18OneJobAtATime(t *testing.T) {
	skipUnlessFaults(t)
	s := newFaultEnv(t)
	s.startWorker()
	first := s.startExperiment(shortSpec(t, "name=first"))
	second := s.startExperiment(shortSpec(t, "name=second", "seed=7"))
	for _, err := range []error{s.awaitError(first), s.awaitError(second)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	jobs := s.jobs(workflows.QueueGPU)
	trained := 0
	for i, job := range jobs {
		if job.name == "Pretrain" {
			trained++
		}
		if i > 0 && job.from.Before(jobs[i-1].to) {
			t.Errorf("%v started before %v ended", job, jobs[i-1])
		}
	}
	if trained != 2 || len(jobs) != 8 {
		t.Errorf("%d jobs, %d of them training, want 8 and 2: %v", len(jobs), trained, jobs)
	}
}

// job is a completed activity.
type job struct {
	name     string
	from, to time.Time
}

// jobs returns the completed activities of a queue, in order of their start.
func (s *faultEnv) jobs(queue string) []job {
	s.t.Helper()
	var jobs []job
	for _, events := range s.histories() {
		startedAt := map[int64]job{}
		for _, e := range events {
			if scheduled := e.GetActivityTaskScheduledEventAttributes(); scheduled.GetTaskQueue().GetName() == queue {
				startedAt[e.GetEventId()] = job{name: scheduled.GetActivityType().GetName()}
			}
			started := e.GetActivityTaskStartedEventAttributes()
			if j, ok := startedAt[started.GetScheduledEventId()]; ok && started != nil {
				j.from = e.GetEventTime().AsTime()
				startedAt[started.GetScheduledEventId()] = j
			}
			completed := e.GetActivityTaskCompletedEventAttributes()
			if j, ok := startedAt[completed.GetScheduledEventId()]; ok && completed != nil {
				j.to = e.GetEventTime().AsTime()
				jobs = append(jobs, j)
			}
		}
	}
	slices.SortFunc(jobs, func(x, y job) int { return cmp.Compare(x.from.UnixNano(), y.from.UnixNano()) })
	return jobs
}
