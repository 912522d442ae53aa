package main_test

import (
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"rdrec/internal/faultproxy"
)

// useS3 moves the site's bucket to a real S3-compatible server, behind a proxy that can hurt it.
// The server keeps its objects as files, so that the test still sees them.
func (s *faultEnv) useS3() *faultproxy.Proxy {
	s.t.Helper()
	if err := os.MkdirAll(s.bucket, 0o750); err != nil {
		s.t.Fatal(err)
	}
	proxy := faultproxy.NewProxy(s.t, faultproxy.StartServer(s.t, faultproxy.S3, func(port string) []string {
		return []string{"-host", "127.0.0.1:" + port, "-backend", "directfs", "-directfs.path", s.bucket, "-directfs.bucket", "rdrec", "-directfs.meta", s.t.TempDir()}
	}), true)
	url, env := faultproxy.S3Bucket(proxy.Address)
	s.url = url
	for name, value := range env {
		s.env = append(s.env, name+"="+value)
	}
	return proxy
}

// currentAttempt is which attempt at the trial's activity under way it is.
func (s *faultEnv) currentAttempt() int {
	d, err := s.client.DescribeWorkflowExecution(s.t.Context(), "short/rdrec-1", "")
	if err != nil || len(d.GetPendingActivities()) == 0 {
		return 0
	}
	return int(d.GetPendingActivities()[0].GetAttempt())
}

// failCheckpointWrites hurts whoever stores a checkpoint.
func failCheckpointWrites(how faultproxy.Fault) faultproxy.Fault {
	return func(w http.ResponseWriter, r *http.Request) bool {
		return faultproxy.IsWrite(r) && strings.Contains(r.URL.Path, "/checkpoints/") && how(w, r)
	}
}

// A bucket that is out of order for a while costs a checkpoint or two; training goes on without.
// One that stays so ends the attempt, and when it is back, slowly, training goes on from the newest
// checkpoint.
func TestFault05BucketUnavailable(t *testing.T) {
	skipUnlessFaults(t)
	trainWithBucketFaults(t, faultproxy.Unavailable, faultproxy.Unavailable)
}

// A bucket whose connections break in the middle of a body: half a checkpoint is none, and half an
// object is not taken for it.
func TestFault06BucketConnectionResets(t *testing.T) {
	skipUnlessFaults(t)
	trainWithBucketFaults(t, faultproxy.Reset, faultproxy.Truncate)
}

// trainWithBucketFaults trains on a bucket of which writes, then reads too, are hurt.
func trainWithBucketFaults(t *testing.T, write, read faultproxy.Fault) {
	t.Helper()
	shortReferenceWeights(t)
	s := newFaultEnv(t)
	proxy := s.useS3()
	w := s.startWorker()
	run := s.startExperiment(shortSpec(t))
	s.awaitTraining(2)

	proxy.Inject(failCheckpointWrites(write))
	s.waitFor("a checkpoint that can't be stored", time.Minute, func() bool { return len(w.logLines(msgNotStored)) > 0 })
	proxy.Clear()
	before := s.newestStep()
	s.waitFor("the next checkpoint", time.Minute, func() bool { return s.newestStep() > before })
	if n := s.currentAttempt(); n != 1 || len(w.logLines(msgNotStored)) > 2 {
		t.Errorf("attempt %d after %d lost checkpoints: training did not go on", n, len(w.logLines(msgNotStored)))
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
	s.waitFor("another attempt", 2*time.Minute, func() bool { return s.currentAttempt() > 2 && proxy.Injected() > injected })
	proxy.Inject(faultproxy.Delay(200 * time.Millisecond))
	s.checkWeights(run)
	steps := w.resumptions()
	if step := steps[len(steps)-1]; step < before {
		t.Errorf("resumed at step %d, though step %d was stored", step, before)
	}
	s.checkActivitiesRanOnce(nil)
	if n := s.countFiles("quarantine/*"); n > 0 {
		t.Error("what only came in half was taken for corrupt")
	}
}
