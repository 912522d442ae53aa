package report

import (
	"fmt"
	"slices"
	"strings"
)

// device returns the name of the seconds of the worker's device: "GPU" or "CPU".
func (r Report) device() string {
	at := slices.IndexFunc(r.Build, func(p Pair) bool { return p.Name == "device" })
	if at >= 0 && strings.HasPrefix(r.Build[at].Value, "cuda") {
		return "GPU"
	}
	return "CPU"
}

// costs returns the seconds that this run worked, the part of it on the queue of accelerators, and
// the tokens that its teacher generated.
func (r Report) costs() (seconds, accelerated float64, tokens int) {
	for _, s := range r.Stages {
		if s.Cached {
			continue
		}
		seconds += s.Seconds
		if s.Accelerated {
			accelerated += s.Seconds
		}
		tokens += s.Tokens
	}
	return seconds, accelerated, tokens
}

// costLine is the cost of this run in a few words.
func costLine(r Report) string {
	seconds, accelerated, tokens := r.costs()
	line := Duration(seconds)
	if r.device() == "GPU" {
		line += fmt.Sprintf(", %s GPU-seconds", thousands(int(accelerated+0.5)))
	}
	if tokens > 0 {
		line += fmt.Sprintf(", %s tokens", thousands(tokens))
	}
	return line
}

// costNote describes what this run cost, and what it saved.
func costNote(r Report) string {
	seconds, accelerated, tokens := r.costs()
	reused, saved := 0, 0.0
	for _, s := range r.Stages {
		if s.Cached {
			reused++
			saved += s.Seconds
		}
	}
	note := fmt.Sprintf("This run worked %s, of which %s %s-seconds in stages that train, generate or rank with models",
		Duration(seconds), thousands(int(accelerated+0.5)), r.device())
	if tokens > 0 {
		note += fmt.Sprintf(", and its teacher generated %s tokens", thousands(tokens))
	}
	if reused > 0 {
		note += fmt.Sprintf(". It reused %s of earlier runs, which took %s then",
			plural(reused, "stage"), Duration(saved))
	}
	return note + "."
}

// wasteNote describes the part of the cost that was for nothing.
func wasteNote(r Report) string {
	seconds, accelerated := 0.0, 0.0
	for _, s := range r.Stages {
		seconds += s.WastedSeconds
		if s.Accelerated {
			accelerated += s.WastedSeconds
		}
	}
	note := "Wasted is the time of attempts that failed or lost their worker, from their last saved state on; it is " +
		"in no stage's time. Of a lost worker it is known up to the last heartbeat. "
	if seconds > 0 {
		note += fmt.Sprintf("All stages wasted %s, of which %s %s-seconds", Duration(seconds),
			thousands(int(accelerated+0.5)), r.device())
	} else {
		note += "No stage wasted any"
	}
	if t := r.Teacher; t != nil && t.Tokens > 0 {
		note += fmt.Sprintf(", and %s of the %s tokens that the teacher generated for these rationales (%s) were "+
			"wasted on replies that were given up", thousands(t.WastedTokens), thousands(t.Tokens),
			percent(float64(t.WastedTokens)/float64(t.Tokens)))
	}
	return note + "."
}

// shownStage is a stage and its share of the longest stage.
type shownStage struct {
	Stage
	Bar whiskers
}

func stageBars(stages []Stage) []shownStage {
	most := 0.0
	for _, stage := range stages {
		most = max(most, stage.Seconds)
	}
	shown := make([]shownStage, len(stages))
	for i, stage := range stages {
		shown[i] = shownStage{stage, newWhiskers(stage.Seconds, nil, most)}
		shown[i].Bar.Class = "served"
		if stage.Cached {
			shown[i].Bar.Class = "baseline"
		}
	}
	return shown
}
