package activities

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
