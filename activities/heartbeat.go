package activities

import (
	"context"
	"fmt"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
)

// Progress is what an activity says while it works. It travels as the heartbeat's details, so it must stay small.
type Progress struct {
	Stage string `json:"stage"`
	// Done of Total units are finished; Total 0 means unknown.
	Done  int    `json:"done"`
	Total int    `json:"total"`
	Unit  string `json:"unit"`
	// Rate is units a second.
	Rate float64 `json:"rate,omitempty"`
	// TokenRate is tokens a second that a teacher writes; Parsed is how many of the Done were understood.
	TokenRate float64 `json:"token_rate,omitempty"`
	Parsed    int     `json:"parsed,omitempty"`
	// Moved is the last attempt at the activity that finished anything; the next one reads it.
	Moved int `json:"moved,omitempty"`
	// Spent is the seconds that a teacher has been asked, earlier attempts included; the next one reads it.
	Spent float64 `json:"spent,omitempty"`
	// Note is for people: the loss.
	Note string `json:"note,omitempty"`
	// Life is what the next attempt needs to know of this one.
	Life life `json:"life"`
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

// heartbeatEvery is well under the heartbeat timeout; the SDK sends no more often than the worker's throttle allows.
const heartbeatEvery = time.Second

// pulse sends an activity's progress from a goroutine of its own, so that a long step does not look like a dead worker, and
// stops the activity when it makes no progress at all, or when its process stood still for so long that another worker has the job.
type pulse struct {
	mutex  sync.Mutex
	latest Progress
	moved  time.Time
	now    func() time.Time
	cancel context.CancelCauseFunc
	done   chan struct{}
}

// beat starts the pulse of a stage. The returned context is cancelled when the activity is, or when it stalls; stop ends the pulse.
func (a *Activities) beat(ctx context.Context, stage string) (context.Context, *pulse) {
	ctx, cancel := context.WithCancelCause(ctx)
	p := &pulse{latest: Progress{Stage: stage}, moved: a.Now(), now: a.Now, cancel: cancel, done: make(chan struct{})}
	p.latest.Life = begin(ctx)
	activity.RecordHeartbeat(ctx, p.latest)
	if lost := p.latest.Life.Lost; lost >= lostAttempts {
		cancel(fmt.Errorf("%w: %d attempts in a row lost their worker and got no further", errNoProgress, lost))
	}
	ctx = context.WithValue(ctx, pulseKey{}, p)
	go p.run(ctx, a.StallAfter)
	return ctx, p
}

func (p *pulse) run(ctx context.Context, stallAfter time.Duration) {
	ticker := time.NewTicker(heartbeatEvery)
	defer ticker.Stop()
	for last := p.now(); ; last = p.now() {
		select {
		case <-p.done:
			return
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if frozen(last, p.now(), activity.GetInfo(ctx).HeartbeatTimeout) {
			p.cancel(errFrozen)
			return
		}
		latest, moved := p.read()
		activity.RecordHeartbeat(ctx, latest)
		if stallAfter > 0 && p.now().Sub(moved) > stallAfter {
			p.cancel(errStalled)
			return
		}
	}
}

// frozen says whether the process stood still between two beats for longer than the server waits for one. Whoever wakes up after that
// must do nothing more, above all ask no teacher: the job is another worker's by now.
func frozen(last, now time.Time, timeout time.Duration) bool {
	return timeout > 0 && now.Sub(last) > timeout
}

func (p *pulse) read() (Progress, time.Time) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return p.latest, p.moved
}

// report replaces the latest progress; the stage's name stays.
func (p *pulse) report(latest Progress) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	latest.Stage, latest.Life = p.latest.Stage, p.latest.Life.reach(latest.Done)
	p.latest, p.moved = latest, p.now()
}

// stop ends the pulse and releases its context.
func (p *pulse) stop() {
	close(p.done)
	p.cancel(nil)
}
