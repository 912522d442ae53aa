package activities

import (
	"context"
	"fmt"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
)

// Progress is what an activity says while it works. It travels as the heartbeat's details, so it
// must stay small.
type Progress struct {
	Stage string `json:"stage"`
	// Done of Total units are finished; Total 0 means unknown.
	Done  int    `json:"done"`
	Total int    `json:"total"`
	Unit  string `json:"unit"`
	// Rate is units a second.
	Rate float64 `json:"rate,omitempty"`
	// TokenRate is tokens a second that a teacher writes; Parsed is how many of the Done were
	// understood.
	TokenRate float64 `json:"token_rate,omitempty"`
	Parsed    int     `json:"parsed,omitempty"`
	// Progressed is the last attempt at the activity that finished anything; the next one reads it.
	ProgressAttempt int `json:"progress_attempt,omitempty"`
	// TeacherSeconds is the seconds that a teacher has been asked, earlier attempts included; the
	// next one reads it.
	TeacherSeconds float64 `json:"teacher_seconds,omitempty"`
	// Note is for people: the loss.
	Note string `json:"note,omitempty"`
	// History is what the next attempt needs to know of this one.
	History attemptHistory `json:"history"`
}

// UnitRationales is what distilling counts.
const UnitRationales = "rationales"

// Add joins the progress of two parts of the same work.
func (p Progress) Add(part Progress) Progress {
	p.Done += part.Done
	p.Rate += part.Rate
	p.TokenRate += part.TokenRate
	p.Parsed += part.Parsed
	return p
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
