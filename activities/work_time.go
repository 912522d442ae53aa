package activities

import "context"

// workTime is how long the attempts at an activity worked, in seconds. It travels in the heartbeat
// details: of a killed attempt it has what the last heartbeat sent.
type workTime struct {
	// Worked is how long this attempt has worked. Saved is the part of it whose result is stored,
	// so that no later attempt repeats it.
	Worked float64 `json:"worked"`
	Saved  float64 `json:"saved,omitempty"`
	// Used and Wasted are the saved and the repeated parts of earlier attempts, and Unknown counts
	// those of earlier attempts that left nothing.
	Used    float64 `json:"used,omitempty"`
	Wasted  float64 `json:"wasted,omitempty"`
	Unknown int     `json:"unknown,omitempty"`
}

// next returns the time of the next attempt that starts, after some that left nothing.
func (t workTime) next(missing int) workTime {
	return workTime{
		Used: t.Used + t.Saved, Wasted: t.Wasted + t.Worked - t.Saved, Unknown: t.Unknown + max(0, missing),
	}
}

// saved records that all work of the attempt so far is stored.
func (p *heartbeat) saved() {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.latest.Time.Worked = p.worked()
	p.latest.Time.Saved = p.latest.Time.Worked
}

// worked returns how long the attempt has worked, in seconds; 0 if it was not started.
func (p *heartbeat) worked() float64 {
	if p.started.IsZero() {
		return 0
	}
	return p.now().Sub(p.started).Seconds()
}

// markSaved is [heartbeat.saved] of an activity's context.
func markSaved(ctx context.Context) {
	if p, ok := ctx.Value(heartbeatKey{}).(*heartbeat); ok {
		p.saved()
	}
}
