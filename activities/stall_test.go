package activities

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rdrec/internal/progress"
	"rdrec/internal/spec"
)

// slowImporter takes its time over each of its steps, and reports them if told.
type slowImporter struct {
	Importer
	step    time.Duration
	reports bool
}

func (s slowImporter) Import(ctx context.Context, _ ImportJob) error {
	for range 2 {
		select {
		case <-time.After(s.step):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if s.reports {
			progress.Step(ctx, "core")
		}
	}
	return ErrData // long enough: there is nothing to import
}

// With a limit of 10 seconds an import may be silent for 240: it has queries that take long. One
// that reports its steps may take longer. Training, of which every step is short, is stopped after
// 10 seconds. (The SDK's environment ends every attempt after 10 minutes.)
func TestOnlyWorkThatStandsStillIsStopped(t *testing.T) {
	t.Parallel()
	imported := ImportInput{Data: spec.Data{Reviews: &spec.Reviews{}}}
	for name, c := range map[string]struct {
		step    time.Duration
		reports bool
		stalls  bool
	}{
		"two steps of 230 seconds": {230 * time.Second, true, false},
		"silent for 230 seconds":   {115 * time.Second, false, false},
		"silent for 250 seconds":   {125 * time.Second, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newTried(t)
				w.StallTimeout, w.Importer = 10*time.Second, slowImporter{step: c.step, reports: c.reports}
				checkStall(t, w.do(w.Import, imported), c.stalls)
			})
		})
	}
	t.Run("a training that takes no step", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newTried(t)
			w.StallTimeout = 10 * time.Second
			w.Students = trainer{train: func(ctx context.Context, _ TrainJob) error {
				select {
				case <-time.After(20 * time.Second):
					return ErrData
				case <-ctx.Done():
					return context.Cause(ctx)
				}
			}}
			in := PretrainInput{Preprocessed: w.artifact("sequential.txt", ""), Fingerprint: strings.Repeat("ab", 32)}
			checkStall(t, w.do(w.Pretrain, in), true)
		})
	})
}

func checkStall(t *testing.T, err error, stalls bool) {
	t.Helper()
	if err == nil || strings.Contains(err.Error(), errStalled.Error()) != stalls {
		t.Errorf("error %v, want a stall: %v", err, stalls)
	}
}
