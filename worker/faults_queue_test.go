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

// errorType is the type of the error that an experiment failed with.
func errorType(err error) string {
	var failure *temporal.ApplicationError
	if errors.As(err, &failure) {
		return failure.Type()
	}
	return ""
}

// A job that kills its worker each time it is tried is given up after some attempts, and the job
// behind it in the queue is done meanwhile.
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
		fmt.Sprintf("teacher={model: %q, reviews: 4}", "openai:"+teacher.URL+"/v1#poison")))
	s.waitFor("the first kill", time.Minute, func() bool { return kills.Load() > 0 })
	next := s.startExperiment(shortSpec(t))
	over := make(chan error, 1)
	go func() { over <- poisoned.Get(t.Context(), nil) }()
	given, err := s.superviseWorkers(&victim, over)
	if err != nil {
		t.Fatal(err)
	}
	if errorType(given) != activities.TypeNoProgress || kills.Load() != 6 {
		t.Errorf("after %d kills the job ended with %v, want %s after 6", kills.Load(), given, activities.TypeNoProgress)
	}
	s.checkWeights(next)
	info, err := s.client.DescribeWorkflowExecution(t.Context(), next.GetID(), next.GetRunID())
	if err != nil {
		t.Fatal(err)
	}
	if after := time.Since(info.GetWorkflowExecutionInfo().GetCloseTime().AsTime()); after < 30*time.Second {
		t.Errorf("the next job ended %s before the poisoned one was given up: it was held up", after)
	}
}

// superviseWorkers hires a worker for each that was killed, as whoever runs workers does, until the
// job is over.
func (s *faultEnv) superviseWorkers(victim *atomic.Pointer[process], over <-chan error) (error, error) {
	s.t.Helper()
	deadline := time.After(12 * time.Minute)
	for {
		select {
		case err := <-over:
			return err, nil
		case <-deadline:
			return nil, errors.New("the poisoned job was not given up")
		case <-time.After(time.Second):
			if victim.Load() == nil {
				victim.Store(s.startWorker())
			}
		}
	}
}

// One worker of the GPU queue does one job of it at a time, whoever else waits.
func TestFault18OneJobAtATime(t *testing.T) {
	skipUnlessFaults(t)
	s := newFaultEnv(t)
	s.startWorker()
	first, second := s.startExperiment(shortSpec(t, "name=first")), s.startExperiment(shortSpec(t, "name=second", "seed=7"))
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
			t.Errorf("%v began before %v had ended", job, jobs[i-1])
		}
	}
	if trained != 2 || len(jobs) != 8 {
		t.Errorf("%d jobs, %d of them training, want 8 and 2: %v", len(jobs), trained, jobs)
	}
}

// job is a finished activity.
type job struct {
	name     string
	from, to time.Time
}

// jobs are the finished activities of a queue in their order.
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
