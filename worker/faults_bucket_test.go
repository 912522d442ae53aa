package main_test

import (
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"rdrec/internal/badnet"
)

// onS3 moves the site's bucket to a real S3-compatible server, behind a proxy that can hurt it. The server keeps its objects as files, so
// that the test still sees them.
func (s *site) onS3() *badnet.Proxy {
	s.t.Helper()
	if err := os.MkdirAll(s.bucket, 0o750); err != nil {
		s.t.Fatal(err)
	}
	proxy := badnet.NewProxy(s.t, badnet.Serve(s.t, badnet.S3, func(port string) []string {
		return []string{"-host", "127.0.0.1:" + port, "-backend", "directfs", "-directfs.path", s.bucket, "-directfs.bucket", "rdrec", "-directfs.meta", s.t.TempDir()}
	}), true)
	url, env := badnet.S3Bucket(proxy.Address)
	s.url = url
	for name, value := range env {
		s.env = append(s.env, name+"="+value)
	}
	return proxy
}

// attempt is which attempt at the trial's activity under way it is.
func (s *site) attempt() int {
	d, err := s.client.DescribeWorkflowExecution(s.t.Context(), "short/rdrec-1", "")
	if err != nil || len(d.GetPendingActivities()) == 0 {
		return 0
	}
	return int(d.GetPendingActivities()[0].GetAttempt())
}

// savesFail hurts whoever stores a checkpoint.
func savesFail(how badnet.Hurt) badnet.Hurt {
	return func(w http.ResponseWriter, r *http.Request) bool {
		return badnet.Writes(r) && strings.Contains(r.URL.Path, "/checkpoints/") && how(w, r)
	}
}

// A bucket that is out of order for a while costs a checkpoint or two; training goes on without. One that stays so ends the attempt, and
// when it is back, slowly, training goes on from the newest checkpoint.
func TestFault05BucketOutOfOrder(t *testing.T) {
	slow(t)
	underBadBucket(t, badnet.Refuse, badnet.Refuse)
}

// A bucket whose connections break in the middle of a body: half a checkpoint is none, and half an object is not taken for it.
func TestFault06BucketBreaksOff(t *testing.T) {
	slow(t)
	underBadBucket(t, badnet.Reset, badnet.Half)
}

// underBadBucket trains on a bucket of which writes, then reads too, are hurt.
func underBadBucket(t *testing.T, write, read badnet.Hurt) {
	t.Helper()
	calm(t)
	s := newSite(t)
	proxy := s.onS3()
	w := s.hire()
	run := s.begin(short(t))
	s.training(2)

	proxy.Set(savesFail(write))
	s.until("a checkpoint that can't be stored", time.Minute, func() bool { return len(w.said(unsaved)) > 0 })
	proxy.Heal()
	before := s.newest()
	s.until("the next checkpoint", time.Minute, func() bool { return s.newest() > before })
	if n := s.attempt(); n != 1 || len(w.said(unsaved)) > 2 {
		t.Errorf("attempt %d after %d lost checkpoints: training did not go on", n, len(w.said(unsaved)))
	}

	proxy.Set(savesFail(write))
	before = s.newest()
	s.until("the attempt's end", 2*time.Minute, func() bool { return s.attempt() > 1 })
	hurt := proxy.Hurts()
	proxy.Set(func(w http.ResponseWriter, r *http.Request) bool {
		if badnet.Writes(r) {
			return write(w, r)
		}
		return read(w, r)
	})
	s.until("another attempt", 2*time.Minute, func() bool { return s.attempt() > 2 && proxy.Hurts() > hurt })
	proxy.Set(badnet.Slow(200 * time.Millisecond))
	s.unharmed(run)
	steps := w.resumptions()
	if step := steps[len(steps)-1]; step < before {
		t.Errorf("resumed at step %d, though step %d was stored", step, before)
	}
	s.once(nil)
	if n := s.count("quarantine/*"); n > 0 {
		t.Error("what only came in half was taken for corrupt")
	}
}
