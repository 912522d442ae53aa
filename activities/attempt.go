package activities

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
)

// attempt is one try at an activity: its pulse, and a folder of its own for temporary files.
type attempt struct {
	*heartbeat
	dir string
	// finish is to be deferred whether or not the attempt could begin: it removes the folder, gives
	// the activity's error the type that decides what is retried, and stops the pulse.
	finish func(err *error)
}

// loadHistory starts an attempt at a stage. The returned context is the pulse's: it ends when the
// activity is cancelled, or when it stalls.
func (a *Activities) begin(ctx context.Context, stage string) (context.Context, attempt, error) {
	ctx, p := a.startHeartbeat(ctx, stage)
	dir, remove, err := a.scratch(ctx)
	return ctx, attempt{p, dir, func(failed *error) {
		remove()
		*failed = temporalError(ctx, *failed)
		p.stop()
	}}, err
}

// scratch makes a folder for one activity's files and returns what removes it.
func (a *Activities) scratch(ctx context.Context) (dir string, remove func(), err error) {
	if err := context.Cause(ctx); err != nil {
		return "", func() {}, err
	}
	info := activity.GetInfo(ctx)
	if err := os.MkdirAll(a.Scratch, 0o750); err != nil {
		return "", func() {}, fmt.Errorf("make scratch folder: %w", err)
	}
	dir, err = os.MkdirTemp(a.Scratch, filepath.Base(info.ActivityType.Name)+"-")
	if err != nil {
		return "", func() {}, fmt.Errorf("make scratch folder: %w", err)
	}
	return dir, func() {
		if err := os.RemoveAll(dir); err != nil {
			a.Log.Warn().Err(err).Str("dir", dir).Msg("scratch folder was not removed")
		}
	}, nil
}

// drainable returns a context that also ends, with [ErrDrained], when the worker shuts down.
func drainable(ctx context.Context) (context.Context, context.CancelFunc) {
	stop := activity.GetWorkerStopChannel(ctx)
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-stop:
			cancel(ErrDrained)
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil) }
}

// stopSignal is closed when the worker drains, and when the job is cancelled or stalls.
func stopSignal(ctx context.Context) <-chan struct{} {
	working, cancel := drainable(ctx)
	context.AfterFunc(working, cancel)
	return working.Done()
}

// heartbeatInterval is well under the heartbeat timeout; the SDK sends no more often than the
// worker's throttle allows.
const heartbeatInterval = time.Second

// heartbeat sends an activity's progress from a goroutine of its own, so that a long step does not
// look like a dead worker, and stops the activity when it makes no progress at all, or when its
// process stood still for so long that another worker has the job.
type heartbeat struct {
	mutex      sync.Mutex
	latest     Progress
	progressed time.Time
	now        func() time.Time
	cancel     context.CancelCauseFunc
	done       chan struct{}
}

// startHeartbeat starts the pulse of a stage. The returned context is cancelled when the activity
// is, or when it stalls; stop ends the pulse.
func (a *Activities) startHeartbeat(ctx context.Context, stage string) (context.Context, *heartbeat) {
	ctx, cancel := context.WithCancelCause(ctx)
	p := &heartbeat{latest: Progress{Stage: stage}, progressed: a.Now(), now: a.Now, cancel: cancel, done: make(chan struct{})}
	p.latest.History = loadHistory(ctx)
	activity.RecordHeartbeat(ctx, p.latest)
	if lost := p.latest.History.Lost; lost >= maxLostAttempts {
		cancel(fmt.Errorf("%w: %d consecutive attempts lost their worker without progress", errNoProgress, lost))
	}
	ctx = context.WithValue(ctx, heartbeatKey{}, p)
	go p.run(ctx, a.StallTimeout)
	return ctx, p
}

func (p *heartbeat) run(ctx context.Context, stallAfter time.Duration) {
	ticker := time.NewTicker(heartbeatInterval)
	defer ticker.Stop()
	for last := p.now(); ; last = p.now() {
		select {
		case <-p.done:
			return
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if suspended(last, p.now(), activity.GetInfo(ctx).HeartbeatTimeout) {
			p.cancel(errSuspended)
			return
		}
		latest, progressed := p.read()
		activity.RecordHeartbeat(ctx, latest)
		if stallAfter > 0 && p.now().Sub(progressed) > stallAfter {
			p.cancel(errStalled)
			return
		}
	}
}

// suspended says whether the process stood still between two beats for longer than the server waits
// for one. Whoever wakes up after that must do nothing more, above all ask no teacher: the job is
// another worker's by now.
func suspended(previous, now time.Time, timeout time.Duration) bool {
	return timeout > 0 && now.Sub(previous) > timeout
}

func (p *heartbeat) read() (Progress, time.Time) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return p.latest, p.progressed
}

// report replaces the latest progress; the stage's name stays.
func (p *heartbeat) report(latest Progress) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	latest.Stage, latest.History = p.latest.Stage, p.latest.History.advance(latest.Done)
	p.latest, p.progressed = latest, p.now()
}

// stop ends the pulse and releases its context.
func (p *heartbeat) stop() {
	close(p.done)
	p.cancel(nil)
}

// maxLostAttempts is how many attempts in a row may lose their worker and get no further. A job
// that kills its process each time it is tried holds a queue's only slot for a heartbeat timeout
// each time, and would do so for ever.
const maxLostAttempts = 6

// attemptHistory is an attempt's part of a job's history. It travels from attempt to attempt in the
// heartbeat, which is only a hint: a lost heartbeat makes a job live a little longer, never shorter
// than maxLostAttempts.
type attemptHistory struct {
	// Attempt is whose life it is. Lost is how many attempts before it, in a row, got no further
	// and ended without an error of their own: their worker was killed, or the server saw nothing
	// of it for too long.
	Attempt int `json:"attempt"`
	Lost    int `json:"lost,omitempty"`
	// MaxDone is the most units that any attempt has done; Moved says that this one has raised it.
	MaxDone    int  `json:"max_done,omitempty"`
	Progressed bool `json:"progressed,omitempty"`
	// Ended says that the attempt returned an error, drained or was cancelled: its worker lives.
	Ended bool `json:"ended,omitempty"`
}

// loadHistory reads what the attempts before left.
func loadHistory(ctx context.Context) attemptHistory {
	var last Progress
	if activity.HasHeartbeatDetails(ctx) {
		if err := activity.GetHeartbeatDetails(ctx, &last); err != nil {
			last = Progress{} // of another version: a hint lost
		}
	}
	return last.History.next(int(activity.GetInfo(ctx).Attempt))
}

// next is the life of a later attempt. Those between left nothing at all, so they were lost.
func (l attemptHistory) next(attempt int) attemptHistory {
	missing := attempt - l.Attempt - 1
	switch {
	case l.Progressed || l.Ended:
		return attemptHistory{Attempt: attempt, Lost: missing, MaxDone: l.MaxDone}
	case l.Attempt == 0:
		return attemptHistory{Attempt: attempt, Lost: missing}
	default:
		return attemptHistory{Attempt: attempt, Lost: l.Lost + missing + 1, MaxDone: l.MaxDone}
	}
}

// advance counts units of work.
func (l attemptHistory) advance(done int) attemptHistory {
	if done > l.MaxDone {
		l.MaxDone, l.Progressed = done, true
	}
	return l
}

// heartbeatKey is the context's key of a job's pulse, so that whoever decides how an attempt ends
// can leave word of it.
type heartbeatKey struct{}

// markEnded tells the next attempt that this one ended with an error of its own.
func markEnded(ctx context.Context) {
	p, ok := ctx.Value(heartbeatKey{}).(*heartbeat)
	if !ok {
		return
	}
	p.mutex.Lock()
	p.latest.History.Ended = true
	p.mutex.Unlock()
	latest, _ := p.read()
	activity.RecordHeartbeat(ctx, latest)
}

// Limits on what training endures before it says so.
const (
	// maxFailedSaves is how many checkpoints in a row may fail to be stored while training goes on.
	maxFailedSaves = 3
	// maxAttemptsWithoutCheckpoint is how many attempts in a row may end without a checkpoint.
	maxAttemptsWithoutCheckpoint = 8
)

// lastProgress is what the last attempt told, nothing in the first one.
func lastProgress(ctx context.Context) Progress {
	var last Progress
	if !activity.HasHeartbeatDetails(ctx) || activity.GetHeartbeatDetails(ctx, &last) != nil {
		return Progress{}
	}
	return last
}
