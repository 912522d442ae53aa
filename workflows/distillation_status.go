package workflows

import (
	"fmt"
	"strings"

	"go.temporal.io/sdk/workflow"

	"rdrec/activities"
	"rdrec/internal/progress"
)

// Queries and updates of a running [Distillation].
const (
	// QueryDistillation is answered with a [DistillationStatus].
	QueryDistillation = "distillation"
	// UpdatePause stops all shards, keeping each finished row, until UpdateResume. UpdateSkip, with
	// a [SkipShard], skips a shard. All three are answered with a [DistillationStatus], or rejected
	// if they do not apply. Other workflows answer the first two with the names of what stops or
	// goes on.
	UpdatePause  = "pause"
	UpdateResume = "resume"
	UpdateSkip   = "skip-shard"
)

// SkipShard is the number, from 1, of a shard to skip.
type SkipShard struct {
	Shard int `json:"shard"`
}

// DistillationStatus is how far a distillation is, as the workflow knows it. The finished rows of a
// running shard are in its activity's heartbeat.
type DistillationStatus struct {
	Plan activities.DistillPlan `json:"plan"`
	// Done and Pending count shards; Running and Skipped are shard numbers from 1.
	Done    int   `json:"done"`
	Pending int   `json:"pending"`
	Running []int `json:"running,omitempty"`
	Skipped []int `json:"skipped,omitempty"`
	// Paused means that people paused the distillation, or that a shard waits for them because of
	// Reason.
	Paused bool   `json:"paused"`
	Reason string `json:"reason,omitempty"`
	// Total is the sum of the settled shards.
	Total activities.DistillShardResult `json:"total"`
}

func (d *distillation) status() DistillationStatus {
	return DistillationStatus{
		Plan: d.plan, Done: d.count(shardDone), Pending: d.count(shardPending), Running: d.shardNumbers(shardRunning),
		Skipped: d.shardNumbers(shardSkipped), Paused: d.paused || len(d.pauser.waiting) > 0, Total: d.total,
		Reason: d.pauser.reason(),
	}
}

// setHandlers registers the query and the updates.
func (d *distillation) setHandlers(ctx workflow.Context) error {
	status := func() (DistillationStatus, error) { return d.status(), nil }
	err := workflow.SetQueryHandlerWithOptions(ctx, QueryDistillation, status,
		workflow.QueryHandlerOptions{Description: "state of all shards and totals"})
	if err != nil {
		return err
	}
	err = workflow.SetUpdateHandlerWithOptions(ctx, UpdatePause, d.pauseHandler(true), workflow.UpdateHandlerOptions{
		Description: "pause requests to the teacher; finished rows are kept",
		Validator:   func() error { return d.validatePause(true) },
	})
	if err != nil {
		return err
	}
	err = workflow.SetUpdateHandlerWithOptions(ctx, UpdateResume, d.pauseHandler(false), workflow.UpdateHandlerOptions{
		Description: "resume after a pause",
		Validator:   func() error { return d.validatePause(false) },
	})
	if err != nil {
		return err
	}
	skip := func(ctx workflow.Context, in SkipShard) (DistillationStatus, error) {
		return d.skip(ctx, in.Shard), nil
	}
	return workflow.SetUpdateHandlerWithOptions(ctx, UpdateSkip, skip, workflow.UpdateHandlerOptions{
		Description: "skip a shard; its finished rows are kept, the next distillation requests the rest",
		Validator:   func(in SkipShard) error { return d.validateSkip(in.Shard) },
	})
}

// pauseHandler returns the handler of an update that pauses or resumes.
func (d *distillation) pauseHandler(pause bool) func(workflow.Context) (DistillationStatus, error) {
	return func(ctx workflow.Context) (DistillationStatus, error) { return d.pause(ctx, pause), nil }
}

// publish updates the stage's status for people.
func (d *distillation) publish(ctx workflow.Context) {
	if d.entry == nil {
		return
	}
	p := activities.Progress{
		Stage: distillStage,
		Progress: progress.Progress{
			Done: d.plan.Found + d.total.Rows, Total: d.plan.Wanted, Unit: activities.UnitRationales,
		},
		Parsed: d.plan.Parsed + d.total.Parsed, Note: d.summary(),
	}
	for i := range d.shards {
		if s := &d.shards[i]; s.state == shardPending {
			p.Done += s.partial.Rows
			p.Parsed += s.partial.Parsed
		}
	}
	d.entry.Progress = &p
	d.stages.publish(ctx)
}

// summary returns the state of the shards for people.
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

// formatNumbers formats the first few shard numbers.
func formatNumbers(shards []int) string {
	const most = 8
	text := strings.Trim(fmt.Sprint(shards[:min(len(shards), most)]), "[]")
	if len(shards) > most {
		text += " ..."
	}
	return text
}
