package main_test

import (
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"rdrec/internal/faultproxy"
)

// useS3 moves the bucket to an S3-compatible server, behind a proxy that injects faults. The server
// stores objects as files, so the test can still read them.
func (s *faultEnv) useS3() *faultproxy.Proxy {
	s.t.Helper()
	if err := os.MkdirAll(s.bucket, 0o750); err != nil {
		s.t.Fatal(err)
	}
	proxy := faultproxy.NewProxy(s.t, faultproxy.StartServer(s.t, faultproxy.S3, func(port string) []string {
		return []string{
			"-host", "127.0.0.1:" + port, "-backend", "directfs", "-directfs.path", s.bucket,
			"-directfs.bucket", "rdrec", "-directfs.meta", s.t.TempDir(),
		}
	}), true)
	url, env := faultproxy.S3Bucket(proxy.Address)
	s.url = url
	for name, value := range env {
		s.env = append(s.env, name+"="+value)
	}
	return proxy
}

// currentAttempt returns the attempt number of the trial's running activity, or 0.
func (s *faultEnv) currentAttempt() int {
	d, err := s.client.DescribeWorkflowExecution(s.t.Context(), "short/rdrec-1", "")
	if err != nil || len(d.GetPendingActivities()) == 0 {
		return 0
	}
	return int(d.GetPendingActivities()[0].GetAttempt())
}

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
	proxy := s.useS3()
	w := s.startWorker()
	run := s.startExperiment(shortSpec(t))
	s.awaitTraining(2)

	proxy.Inject(failCheckpointWrites(write))
	s.waitFor("a checkpoint that cannot be stored", time.Minute, func() bool {
		return len(w.logLines(msgNotStored)) > 0
	})
	proxy.Clear()
	before := s.newestStep()
	s.waitFor("the next checkpoint", time.Minute, func() bool { return s.newestStep() > before })
	if n := s.currentAttempt(); n != 1 || len(w.logLines(msgNotStored)) > 2 {
		t.Errorf("attempt %d after %d lost checkpoints: training did not continue", n, len(w.logLines(msgNotStored)))
	}

	proxy.Inject(failCheckpointWrites(write))
	before = s.newestStep()
	s.waitFor("the attempt's end", 2*time.Minute, func() bool { return s.currentAttempt() > 1 })
	injected := proxy.Injected()
	proxy.Inject(func(w http.ResponseWriter, r *http.Request) bool {
		if faultproxy.IsWrite(r) {
			return write(w, r)
		}
		return read(w, r)
	})
	s.waitFor("another attempt", 2*time.Minute, func() bool {
		return s.currentAttempt() > 2 && proxy.Injected() > injected
	})
	proxy.Inject(faultproxy.Delay(200 * time.Millisecond))
	s.checkWeights(run)
	steps := w.resumptions()
	if step := steps[len(steps)-1]; step < before {
		t.Errorf("resumed at step %d, though step %d was stored", step, before)
	}
	s.checkActivitiesRanOnce(nil)
	if n := s.countFiles("quarantine/*"); n > 0 {
		t.Error("a truncated response was quarantined as a corrupt object")
	}
}
