package main_test

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"go.temporal.io/sdk/temporal"

	"rdrec/activities"
	"rdrec/internal/staging"
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
	var victim atomic.Pointer[staging.Process]
	var kills atomic.Int32
	teacher := staging.NewChatServer(t, time.Minute)
	teacher.OnPrompt = func(string, string) {
		if w := victim.Swap(nil); w != nil {
			kills.Add(1)
			w.Kill()
		}
	}
	victim.Store(s.StartWorker())
	poisoned := s.StartExperiment(staging.ShortSpec(t, "name=poison", "data.folder=",
		"data={reviews: {path: testdata/reviews/All_Beauty_5.json.gz, user_core: 3, item_core: 1}, negatives: 20}",
		fmt.Sprintf("teacher={model: %q, max_reviews: 4}", "openai:"+teacher.URL+"/v1#poison")))
	s.WaitFor("the first kill", time.Minute, func() bool { return kills.Load() > 0 })
	next := s.StartExperiment(staging.ShortSpec(t))
	over := make(chan error, 1)
	go func() { over <- poisoned.Get(t.Context(), nil) }()
	jobError, err := s.superviseWorkers(&victim, over)
	if err != nil {
		t.Fatal(err)
	}
	if errorType(jobError) != activities.TypeNoProgress || kills.Load() != activities.DefaultMaxLost {
		t.Errorf("after %d kills the job ended with %v, want %s after %d",
			kills.Load(), jobError, activities.TypeNoProgress, activities.DefaultMaxLost)
	}
	s.checkWeights(next)
	info, err := s.Client.DescribeWorkflowExecution(t.Context(), poisoned.GetID(), poisoned.GetRunID())
	if err != nil {
		t.Fatal(err)
	}
	failed := info.GetWorkflowExecutionInfo().GetCloseTime().AsTime()
	for _, job := range s.Jobs(workflows.QueueGPU) {
		if job.Name == "Pretrain" && !job.From.Before(failed) {
			t.Errorf("the next job began at %s, after the poisoned one failed at %s: it was blocked", job.From, failed)
		}
	}
}

// superviseWorkers replaces each killed worker, as a process supervisor does, until the job is
// over. It returns the job's error, and one of its own if the job does not end in time.
func (s *faultEnv) superviseWorkers(victim *atomic.Pointer[staging.Process], over <-chan error) (error, error) {
	s.T.Helper()
	deadline := time.After(12 * time.Minute)
	for {
		select {
		case err := <-over:
			return err, nil
		case <-deadline:
			return nil, errors.New("the poisoned job did not fail")
		case <-time.After(time.Second):
			if victim.Load() == nil {
				victim.Store(s.StartWorker())
			}
		}
	}
}

// A worker of the GPU queue runs one job at a time, even while others wait.
func TestFault18OneJobAtATime(t *testing.T) {
	skipUnlessFaults(t)
	s := newFaultEnv(t)
	s.StartWorker()
	first := s.StartExperiment(staging.ShortSpec(t, "name=first"))
	second := s.StartExperiment(staging.ShortSpec(t, "name=second", "seed=7"))
	for _, err := range []error{s.AwaitError(first), s.AwaitError(second)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	jobs := s.Jobs(workflows.QueueGPU)
	trained := 0
	for i, job := range jobs {
		if job.Name == "Pretrain" {
			trained++
		}
		if i > 0 && job.From.Before(jobs[i-1].To) {
			t.Errorf("%v started before %v ended", job, jobs[i-1])
		}
	}
	if trained != 2 || len(jobs) != 8 {
		t.Errorf("%d jobs, %d of them training, want 8 and 2: %v", len(jobs), trained, jobs)
	}
}
