package activities

import (
	"context"

	"go.temporal.io/sdk/activity"
)

// lostAttempts is how many attempts in a row may lose their worker and get no further. A job that kills its process each time it is
// tried holds a queue's only slot for a heartbeat timeout each time, and would do so for ever.
const lostAttempts = 6

// life is an attempt's part of a job's history. It travels from attempt to attempt in the heartbeat, which is only a hint: a lost
// heartbeat makes a job live a little longer, never shorter than lostAttempts.
type life struct {
	// Attempt is whose life it is. Lost is how many attempts before it, in a row, got no further and ended without an error of their
	// own: their worker was killed, or the server saw nothing of it for too long.
	Attempt int `json:"attempt"`
	Lost    int `json:"lost,omitempty"`
	// High is the most units that any attempt has done; Moved says that this one has raised it.
	High  int  `json:"high,omitempty"`
	Moved bool `json:"moved,omitempty"`
	// Ended says that the attempt returned an error, drained or was cancelled: its worker lives.
	Ended bool `json:"ended,omitempty"`
}

// begin reads what the attempts before left.
func begin(ctx context.Context) life {
	var last Progress
	if activity.HasHeartbeatDetails(ctx) {
		if err := activity.GetHeartbeatDetails(ctx, &last); err != nil {
			last = Progress{} // of another version: a hint lost
		}
	}
	return last.Life.next(int(activity.GetInfo(ctx).Attempt))
}

// next is the life of a later attempt. Those between left nothing at all, so they were lost.
func (l life) next(attempt int) life {
	silent := attempt - l.Attempt - 1
	switch {
	case l.Moved || l.Ended:
		return life{Attempt: attempt, Lost: silent, High: l.High}
	case l.Attempt == 0:
		return life{Attempt: attempt, Lost: silent}
	default:
		return life{Attempt: attempt, Lost: l.Lost + silent + 1, High: l.High}
	}
}

// reach counts units of work.
func (l life) reach(done int) life {
	if done > l.High {
		l.High, l.Moved = done, true
	}
	return l
}

// pulseKey is the context's key of a job's pulse, so that whoever decides how an attempt ends can leave word of it.
type pulseKey struct{}

// leaveWord tells the next attempt that this one ended with an error of its own.
func leaveWord(ctx context.Context) {
	p, ok := ctx.Value(pulseKey{}).(*pulse)
	if !ok {
		return
	}
	p.mutex.Lock()
	p.latest.Life.Ended = true
	p.mutex.Unlock()
	latest, _ := p.read()
	activity.RecordHeartbeat(ctx, latest)
}
