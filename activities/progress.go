package activities

import "rdrec/internal/progress"

// Progress is how far an activity is. It travels as the heartbeat details, so it must stay small.
type Progress struct {
	Stage string `json:"stage"`
	progress.Progress
	// TokenRate is the tokens that a teacher generates per second. Parsed is how many of the Done
	// replies could be parsed.
	TokenRate float64 `json:"token_rate,omitempty"`
	Parsed    int     `json:"parsed,omitempty"`
	// ProgressAttempt is the last attempt that finished a unit; the next attempt reads it.
	ProgressAttempt int `json:"progress_attempt,omitempty"`
	// TeacherSeconds is how long the teacher has worked, in seconds, including earlier attempts;
	// the next attempt reads it.
	TeacherSeconds float64 `json:"teacher_seconds,omitempty"`
	// Loss is the training loss; 0 means none. Losses is its course in at most maxLosses values,
	// evenly over the total; the next attempt reads it.
	Loss   float64   `json:"loss,omitempty"`
	Losses []float64 `json:"losses,omitempty"`
	// Note is a text for people, such as the epoch.
	Note string `json:"note,omitempty"`
	// History is the attempt history; the next attempt reads it.
	History attemptHistory `json:"history"`
	// Time is how long the attempts worked; the next attempt reads it.
	Time workTime `json:"time,omitzero"`
}

// UnitRationales is the unit of distillation's progress.
const UnitRationales = "rationales"

// maxLosses limits [Progress].Losses, which travel with every heartbeat.
const maxLosses = 40

// Add returns the progress of two parts of the same work together.
func (p Progress) Add(part Progress) Progress {
	p.Done += part.Done
	p.Rate += part.Rate
	p.TokenRate += part.TokenRate
	p.Parsed += part.Parsed
	return p
}
