package workflows

import (
	"fmt"
	"strings"

	"go.temporal.io/sdk/workflow"

	"rdrec/activities"
)

// What a running [Distillation] answers and takes.
const (
	// QueryDistillation is answered with a [DistillationStatus].
	QueryDistillation = "distillation"
	// UpdatePause ends the work at all shards, keeping each finished row, until UpdateResume;
	// UpdateSkip, with a [SkipShard], leaves a shard out. All three answer with a
	// [DistillationStatus], or refuse what makes no sense.
	UpdatePause  = "pause"
	UpdateResume = "resume"
	UpdateSkip   = "skip-shard"
)

// SkipShard names a shard to leave out, from 1 on.
type SkipShard struct {
	Shard int `json:"shard"`
}

// DistillationStatus is how far a distillation is, as the workflow knows it: what is finished
// within a shard that is worked at stands in its activity's heartbeat.
type DistillationStatus struct {
	Plan activities.DistillPlan `json:"plan"`
	// Done and Waiting count shards; Worked and Skipped are their numbers, from 1 on.
	Done    int   `json:"done"`
	Pending int   `json:"pending"`
	Running []int `json:"running,omitempty"`
	Skipped []int `json:"skipped,omitempty"`
	Paused  bool  `json:"paused"`
	// Total is of the shards that are done.
	Total activities.DistillShardResult `json:"total"`
}

func (d *distillation) status() DistillationStatus {
	return DistillationStatus{
		Plan: d.plan, Done: d.count(shardDone), Pending: d.count(shardPending), Running: d.shardNumbers(shardRunning),
		Skipped: d.shardNumbers(shardSkipped), Paused: d.paused, Total: d.total,
	}
}

// setHandlers answers the query and takes the updates.
func (d *distillation) setHandlers(ctx workflow.Context) error {
	err := workflow.SetQueryHandlerWithOptions(ctx, QueryDistillation, func() (DistillationStatus, error) { return d.status(), nil },
		workflow.QueryHandlerOptions{Description: "state of all shards and totals"})
	if err != nil {
		return err
	}
	err = workflow.SetUpdateHandlerWithOptions(ctx, UpdatePause, func(workflow.Context) (DistillationStatus, error) {
		return d.pause(true), nil
	}, workflow.UpdateHandlerOptions{
		Description: "pause requests to the teacher; finished rows are kept",
		Validator:   func() error { return d.validatePause(true) },
	})
	if err != nil {
		return err
	}
	err = workflow.SetUpdateHandlerWithOptions(ctx, UpdateResume, func(workflow.Context) (DistillationStatus, error) {
		return d.pause(false), nil
	}, workflow.UpdateHandlerOptions{
		Description: "resume after a pause",
		Validator:   func() error { return d.validatePause(false) },
	})
	if err != nil {
		return err
	}
	return workflow.SetUpdateHandlerWithOptions(ctx, UpdateSkip, func(_ workflow.Context, in SkipShard) (DistillationStatus, error) {
		return d.skip(in.Shard), nil
	}, workflow.UpdateHandlerOptions{
		Description: "skip a shard; its finished rows are kept, the next distillation requests the rest",
		Validator:   func(in SkipShard) error { return d.validateSkip(in.Shard) },
	})
}

// publish brings what people see of the stage up to date.
func (d *distillation) publish() {
	if d.entry == nil {
		return
	}
	p := activities.Progress{
		Stage: distillStage, Done: d.plan.Found + d.total.Rows, Total: d.plan.Wanted, Unit: activities.UnitRationales,
		Parsed: d.plan.Parsed + d.total.Parsed, Note: d.summary(),
	}
	for i := range d.shards {
		if s := &d.shards[i]; s.state == shardPending {
			p.Done += s.partial.Rows
			p.Parsed += s.partial.Parsed
		}
	}
	d.entry.Progress = &p
}

// summary say what of the shards is worth a person's while.
func (d *distillation) summary() string {
	var parts []string
	if len(d.shards) > 1 {
		parts = append(parts, fmt.Sprintf("%d of %d shards", d.count(shardDone), len(d.shards)))
	}
	if running := d.shardNumbers(shardRunning); len(d.shards) > 1 && len(running) > 0 {
		parts = append(parts, "running "+formatNumbers(running))
	}
	if skipped := d.shardNumbers(shardSkipped); len(skipped) > 0 {
		parts = append(parts, "skipped "+formatNumbers(skipped))
	}
	if d.paused {
		parts = append(parts, "paused")
	}
	return strings.Join(parts, ", ")
}

// formatNumbers is the first few of some numbers.
func formatNumbers(shards []int) string {
	const most = 8
	text := strings.Trim(fmt.Sprint(shards[:min(len(shards), most)]), "[]")
	if len(shards) > most {
		text += " ..."
	}
	return text
}
