package activities

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"go.temporal.io/sdk/activity"

	"rdrec/internal/progress"
)

// attempt is one attempt at an activity: its heartbeat, and its own folder for temporary files.
type attempt struct {
	*heartbeat
	dir string
	// finish must be deferred whether or not the attempt could begin. It removes the folder, gives
	// the activity's error the type that decides its retry, and stops the heartbeat.
	finish func(err *error)
}

// begin starts an attempt at a stage. The returned context ends when the activity is cancelled or
// stalls.
func (a *Activities) begin(ctx context.Context, stage string) (context.Context, attempt, error) {
	ctx, p := a.startHeartbeat(ctx, stage)
	dir, remove, err := a.scratch(ctx)
	if err == nil {
		p.check(func() error { return a.checkOwn(dir) })
	}
	return ctx, attempt{p, dir, func(failed *error) {
		remove()
		*failed = temporalError(ctx, *failed)
		p.stop()
	}}, err
}

// scratch makes a folder for one activity's files and returns a function that removes it.
func (a *Activities) scratch(ctx context.Context) (dir string, remove func(), err error) {
	if err := context.Cause(ctx); err != nil {
		return "", func() {}, err
	}
	info := activity.GetInfo(ctx)
	if err := os.MkdirAll(a.Scratch, 0o750); err != nil {
		return "", func() {}, fmt.Errorf("make scratch folder: %w", err)
	}
	if err := a.checkQuota(); err != nil {
		return "", func() {}, err
	}
	dir, err = os.MkdirTemp(a.Scratch, filepath.Base(info.ActivityType.Name)+"-")
	if err != nil {
		return "", func() {}, fmt.Errorf("make scratch folder: %w", err)
	}
	return dir, func() {
		if err := os.RemoveAll(dir); err != nil {
			a.log(ctx).Warn().Err(err).Str("dir", dir).Msg("scratch folder was not removed")
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

// stopSignal returns a channel that is closed when the worker drains, and when the activity is
// cancelled or stalls.
func stopSignal(ctx context.Context) <-chan struct{} {
	working, cancel := drainable(ctx)
	context.AfterFunc(working, cancel)
	return working.Done()
}

// heartbeatInterval is well below the heartbeat timeout. The SDK sends no more often than the
// worker's throttle allows.
const heartbeatInterval = time.Second

// progressLogInterval is the time between two lines about the progress in an attempt's log.
const progressLogInterval = 30 * time.Second

// heartbeat sends an activity's progress from its own goroutine, so that a long step does not look
// like a dead worker. It stops the activity when it makes no progress, and when its process was
// suspended for so long that another worker has the job.
type heartbeat struct {
	mutex      sync.Mutex
	latest     Progress
	progressed time.Time
	started    time.Time
	now        func() time.Time
	cancel     context.CancelCauseFunc
	done       chan struct{}
	// maxFailures is [Activities.MaxFailures].
	maxFailures int
	onProgress  func(Progress) // nil, or [Activities.OnProgress]
	// exceeded, unless nil, returns an error once the attempt takes more than it may.
	exceeded func() error
	measured *measurement
	// meter measures the rate since the first report.
	meter *progress.Meter
}

// startHeartbeat starts the heartbeat of a stage. The returned context is cancelled when the
// activity is, or when it stalls; stop ends the heartbeat.
func (a *Activities) startHeartbeat(ctx context.Context, stage string) (context.Context, *heartbeat) {
	ctx, cancel := context.WithCancelCause(ctx)
	p := &heartbeat{
		latest: Progress{Stage: stage}, progressed: a.Now(), started: a.Now(), now: a.Now, cancel: cancel,
		done:        make(chan struct{}),
		maxFailures: a.MaxFailures, onProgress: a.OnProgress, measured: measurementIn(ctx),
	}
	last := lastProgress(ctx)
	p.latest.Losses = last.Losses
	attempt := int(activity.GetInfo(ctx).Attempt)
	p.latest.History = last.History.next(attempt)
	p.latest.Time = last.Time.next(attempt - last.History.Attempt - 1)
	activity.RecordHeartbeat(ctx, p.latest)
	if lost := p.latest.History.Lost; lost >= cmp.Or(a.MaxLost, DefaultMaxLost) {
		cancel(fmt.Errorf("%w: %d consecutive attempts lost their worker without progress, so no other worker gets "+
			"it: look for the cause in the workers' logs (killed, out of memory, cut off), or allow more with "+
			"worker --max-lost", errNoProgress, lost))
	}
	ctx = progress.WithStep(context.WithValue(ctx, heartbeatKey{}, p), p.step)
	go p.run(ctx, a.stallTimeout(activity.GetInfo(ctx).ActivityType.Name))
	return ctx, p
}

func (p *heartbeat) run(ctx context.Context, stallAfter time.Duration) {
	ticker := time.NewTicker(heartbeatInterval)
	defer ticker.Stop()
	logged := p.now()
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
		if err := p.checkRoom(); err != nil {
			p.cancel(err)
			return
		}
		latest, progressed := p.read()
		activity.RecordHeartbeat(ctx, latest)
		if p.now().Sub(logged) >= progressLogInterval && latest.Done > 0 {
			logged = p.now()
			zerolog.Ctx(ctx).Info().Stringer("progress", latest.Progress).Str("note", latest.Note).
				Msg("activity progresses")
		}
		if stallAfter > 0 && p.now().Sub(progressed) > stallAfter {
			p.cancel(errStalled)
			return
		}
	}
}

// check makes the heartbeat end the attempt with exceeded's error.
func (p *heartbeat) check(exceeded func() error) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.exceeded = exceeded
}

func (p *heartbeat) checkRoom() error {
	p.mutex.Lock()
	exceeded := p.exceeded
	p.mutex.Unlock()
	if exceeded == nil {
		return nil
	}
	return exceeded()
}

// suspended reports whether the process was suspended between two heartbeats for longer than the
// server waits for one. Another worker has the job by then, so the process must do nothing more,
// and above all send no request to a teacher.
func suspended(previous, now time.Time, timeout time.Duration) bool {
	return timeout > 0 && now.Sub(previous) > timeout
}

func (p *heartbeat) read() (Progress, time.Time) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.latest.Time.Worked = p.worked()
	return p.latest, p.progressed
}

// report replaces the latest progress; the stage's name stays. A rate of 0 is measured.
func (p *heartbeat) report(latest Progress) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	now := p.now()
	if p.meter == nil {
		p.meter = new(progress.StartMeter(now, latest.Done))
	}
	if latest.Rate == 0 {
		latest.Rate = p.meter.Rate(now, latest.Done)
	}
	latest.Losses = p.latest.Losses
	if latest.Loss != 0 && latest.Total > 0 && latest.Done*maxLosses/latest.Total > len(latest.Losses) {
		latest.Losses = append(slices.Clone(latest.Losses), latest.Loss)
	}
	latest.Stage, latest.History = p.latest.Stage, p.latest.History.advance(latest.Done)
	latest.Time = p.latest.Time
	p.latest, p.progressed = latest, now
	if p.onProgress != nil {
		p.onProgress(latest)
	}
}

// step records that work without units goes on; an empty note leaves the previous one.
func (p *heartbeat) step(note string) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.progressed = p.now()
	if note != "" {
		p.latest.Note = note
	}
}

// reporterIn returns the function that reports the progress of an activity, by its context.
func reporterIn(ctx context.Context) func(Progress) {
	if p, ok := ctx.Value(heartbeatKey{}).(*heartbeat); ok {
		return p.report
	}
	return func(Progress) {}
}

// stop ends the heartbeat and releases its context.
func (p *heartbeat) stop() {
	close(p.done)
	p.mutex.Lock()
	p.measured.add(p.latest)
	p.mutex.Unlock()
	p.cancel(nil)
}

// DefaultMaxLost is how many consecutive attempts may lose their worker without progress. A job
// that kills its process at each attempt would otherwise take one worker after the other.
const DefaultMaxLost = 2

// attemptHistory counts consecutive attempts that made no progress. It travels in the heartbeat
// details, the first of which are sent before any work. An attempt that left none counts as lost,
// by its number.
type attemptHistory struct {
	// Attempt is the number of the attempt. Lost is how many consecutive attempts before it made no
	// progress and ended without an error of their own: their worker was killed, or the server
	// missed their heartbeat.
	Attempt int `json:"attempt"`
	Lost    int `json:"lost,omitempty"`
	// Failed is how many consecutive attempts returned an error without progress.
	Failed int `json:"failed,omitempty"`
	// MaxDone is the greatest number of units that any attempt has done; Progressed means that this
	// attempt raised it.
	MaxDone    int  `json:"max_done,omitempty"`
	Progressed bool `json:"progressed,omitempty"`
	// Ended means that the attempt returned an error, drained or was cancelled, so its worker is
	// alive.
	Ended bool `json:"ended,omitempty"`
}

// next returns the history of a later attempt. Attempts in between left nothing, so they were lost.
func (l attemptHistory) next(attempt int) attemptHistory {
	missing := attempt - l.Attempt - 1
	after := attemptHistory{Attempt: attempt, Lost: missing, MaxDone: l.MaxDone}
	if !l.Progressed {
		after.Failed = l.Failed
	}
	if !l.Progressed && !l.Ended && l.Attempt > 0 {
		after.Lost += l.Lost + 1
	}
	return after
}

// fail counts a failure.
func (l attemptHistory) fail() attemptHistory {
	l.Failed++
	if l.Progressed {
		l.Failed = 0
	}
	return l
}

// advance counts units of work.
func (l attemptHistory) advance(done int) attemptHistory {
	if done > l.MaxDone {
		l.MaxDone, l.Progressed = done, true
	}
	return l
}

// heartbeatKey is the context key of an activity's heartbeat, for [markEnded].
type heartbeatKey struct{}

// markEnded records in the heartbeat that the attempt ended with its own error.
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

// Limits after which an attempt fails.
const (
	// maxFailedSaves is how many consecutive saves of a checkpoint, or of finished rationales, may
	// fail before the work fails.
	maxFailedSaves = 3
	// maxAttemptsWithoutCheckpoint is how many consecutive attempts may end without a checkpoint.
	maxAttemptsWithoutCheckpoint = 8
)

// lastProgress returns the progress that the previous attempt reported; the zero value in the first
// attempt, and if it is of another version: a hint lost.
func lastProgress(ctx context.Context) Progress {
	var last Progress
	if !activity.HasHeartbeatDetails(ctx) || activity.GetHeartbeatDetails(ctx, &last) != nil {
		return Progress{}
	}
	return last
}
