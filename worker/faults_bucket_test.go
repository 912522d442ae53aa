package main_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"rdrec/internal/faultproxy"
	"rdrec/internal/staging"
)

// failCheckpointWrites applies a fault to writes of checkpoints.
func failCheckpointWrites(fault faultproxy.Fault) faultproxy.Fault {
	return func(w http.ResponseWriter, r *http.Request) bool {
		return faultproxy.IsWrite(r) && strings.Contains(r.URL.Path, "/checkpoints/") && fault(w, r)
	}
}

// A bucket that is unavailable for a while costs a checkpoint or two; training continues without
// them. If it stays unavailable, the attempt ends. Once it is back, slowly, training resumes from
// the newest checkpoint.
func TestFault05BucketUnavailable(t *testing.T) {
	skipUnlessFaults(t)
	trainWithBucketFaults(t, faultproxy.Unavailable, faultproxy.Unavailable)
}

// A bucket whose connections break in the middle of a body: a partial checkpoint is ignored, and a
// truncated response is not used as the object.
func TestFault06BucketConnectionResets(t *testing.T) {
	skipUnlessFaults(t)
	trainWithBucketFaults(t, faultproxy.Reset, faultproxy.Truncate)
}

// trainWithBucketFaults trains on a bucket with faults in writes, then in reads too.
func trainWithBucketFaults(t *testing.T, write, read faultproxy.Fault) {
	t.Helper()
	shortReferenceWeights(t)
	s := newFaultEnv(t)
	proxy := s.UseS3()
	w := s.StartWorker()
	run := s.StartExperiment(staging.ShortSpec(t))
	s.awaitTraining(2)

	proxy.Inject(failCheckpointWrites(write))
	s.WaitFor("a checkpoint that cannot be stored", time.Minute, func() bool {
		return len(w.LogLines(staging.MsgNotStored)) > 0
	})
	proxy.Clear()
	before := s.NewestStep()
	s.WaitFor("the next checkpoint", time.Minute, func() bool { return s.NewestStep() > before })
	if n, lost := s.CurrentAttempt(), len(w.LogLines(staging.MsgNotStored)); n != 1 || lost > 2 {
		t.Errorf("attempt %d after %d lost checkpoints: training did not continue", n, lost)
	}

	proxy.Inject(failCheckpointWrites(write))
	before = s.NewestStep()
	s.WaitFor("the attempt's end", 2*time.Minute, func() bool { return s.CurrentAttempt() > 1 })
	injected := proxy.Injected()
	proxy.Inject(func(w http.ResponseWriter, r *http.Request) bool {
		if faultproxy.IsWrite(r) {
			return write(w, r)
		}
		return read(w, r)
	})
	s.WaitFor("another attempt", 2*time.Minute, func() bool {
		return s.CurrentAttempt() > 2 && proxy.Injected() > injected
	})
	proxy.Inject(faultproxy.Delay(200 * time.Millisecond))
	s.checkWeights(run)
	steps := w.Resumptions()
	if step := steps[len(steps)-1]; step < before {
		t.Errorf("resumed at step %d, though step %d was stored", step, before)
	}
	s.checkActivitiesRanOnce(nil)
	if n := s.CountFiles("quarantine/*"); n > 0 {
		t.Error("a truncated response was quarantined as a corrupt object")
	}
}
