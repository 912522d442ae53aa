package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"rdrec/activities"
	"rdrec/internal/exitcode"
)

// slowImporter imports until it is stopped; the next time it finds that the data are damaged.
type slowImporter struct {
	activities.Importer
	calls   atomic.Int64
	started chan struct{}
}

func (s *slowImporter) Import(ctx context.Context, _ activities.ImportJob) error {
	if s.calls.Add(1) > 1 {
		return fmt.Errorf("%w: torn in half", activities.ErrData)
	}
	close(s.started)
	<-ctx.Done()
	return ctx.Err()
}

// TestPauseStopsTheWork pauses an experiment while it imports, and resumes it.
func TestPauseStopsTheWork(t *testing.T) {
	t.Parallel()
	importer := &slowImporter{started: make(chan struct{})}
	env, c := newRealEnv(t, importer)
	started := startShop(t, c, shopReviews)
	select {
	case <-importer.started:
	case <-time.After(time.Minute):
		t.Fatal("the import does not start")
	}
	stderr := &watchedBuffer{}
	stdout, code := env.command(t, stderr, "pause", "shop", "--json")
	if code != exitcode.OK {
		t.Fatalf("code %d, stderr:\n%s", code, stderr)
	}
	contains(t, stdout, `"paused": [`)
	if _, code := env.command(t, stderr, "pause", "shop"); code != exitcode.Failed {
		t.Errorf("a second pause: code %d", code)
	}
	contains(t, stderr.String(), "the run is already paused: shop")
	status, _ := env.command(t, stderr, "status", "shop")
	contains(t, status, "paused: a person paused the run")
	contains(t, stderr.String(), `paused by a person: "starter resume shop" continues`)
	if _, code := env.command(t, stderr, "resume", "shop"); code != exitcode.OK {
		t.Errorf("resume: code %d, stderr:\n%s", code, stderr)
	}
	if err := started.Get(t.Context(), nil); err == nil || importer.calls.Load() != 2 {
		t.Errorf("after the resume: %v, %d imports", err, importer.calls.Load())
	}
}
