package activities

import (
	"context"

	"go.temporal.io/sdk/activity"
)

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
