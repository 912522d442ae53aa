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
	// UpdatePause ends the work at all shards, keeping each finished row, until UpdateResume; UpdateSkip, with a [SkipShard], leaves a
	// shard out. All three answer with a [DistillationStatus], or refuse what makes no sense.
	UpdatePause  = "pause"
	UpdateResume = "resume"
	UpdateSkip   = "skip-shard"
)

// SkipShard names a shard to leave out, from 1 on.
type SkipShard struct {
	Shard int `json:"shard"`
}

// DistillationStatus is how far a distillation is, as the workflow knows it: what is finished within a shard that is worked at stands in
// its activity's heartbeat.
type DistillationStatus struct {
	Plan activities.DistillPlan `json:"plan"`
	// Done and Waiting count shards; Worked and Skipped are their numbers, from 1 on.
	Done    int   `json:"done"`
	Waiting int   `json:"waiting"`
	Worked  []int `json:"worked,omitempty"`
	Skipped []int `json:"skipped,omitempty"`
	Paused  bool  `json:"paused"`
	// Total is of the shards that are done.
	Total activities.DistillShardResult `json:"total"`
}

func (d *distillation) status() DistillationStatus {
	return DistillationStatus{
		Plan: d.plan, Done: d.count(shardDone), Waiting: d.count(shardWaiting), Worked: d.numbers(shardWorked),
		Skipped: d.numbers(shardSkipped), Paused: d.paused, Total: d.total,
	}
}

// listen answers the query and takes the updates.
func (d *distillation) listen(ctx workflow.Context) error {
	err := workflow.SetQueryHandlerWithOptions(ctx, QueryDistillation, func() (DistillationStatus, error) { return d.status(), nil },
		workflow.QueryHandlerOptions{Description: "the shards so far, and what came out of them"})
	if err != nil {
		return err
	}
	err = workflow.SetUpdateHandlerWithOptions(ctx, UpdatePause, func(workflow.Context) (DistillationStatus, error) {
		return d.pause(true), nil
	}, workflow.UpdateHandlerOptions{
		Description: "stop asking the teacher; finished rows are kept",
		Validator:   func() error { return d.mayPause(true) },
	})
	if err != nil {
		return err
	}
	err = workflow.SetUpdateHandlerWithOptions(ctx, UpdateResume, func(workflow.Context) (DistillationStatus, error) {
		return d.pause(false), nil
	}, workflow.UpdateHandlerOptions{
		Description: "go on after a pause",
		Validator:   func() error { return d.mayPause(false) },
	})
	if err != nil {
		return err
	}
	return workflow.SetUpdateHandlerWithOptions(ctx, UpdateSkip, func(_ workflow.Context, in SkipShard) (DistillationStatus, error) {
		return d.skip(in.Shard), nil
	}, workflow.UpdateHandlerOptions{
		Description: "leave a shard out; its finished rows are kept, and the next distillation asks for the others",
		Validator:   func(in SkipShard) error { return d.maySkip(in.Shard) },
	})
}

func (d *distillation) mayPause(pause bool) error {
	switch {
	case d.over:
		return fmt.Errorf("there is nothing to pause or resume: all shards are settled")
	case pause && d.paused:
		return fmt.Errorf("the distillation is paused already")
	case !pause && !d.paused:
		return fmt.Errorf("the distillation is not paused")
	default:
		return nil
	}
}

func (d *distillation) pause(pause bool) DistillationStatus {
	d.paused = pause
	d.events++
	d.publish()
	return d.status()
}

func (d *distillation) maySkip(number int) error {
	switch {
	case !d.planned:
		return fmt.Errorf("shard %d: the shards are not known yet", number)
	case number < 1 || number > len(d.shards):
		return fmt.Errorf("shard %d: there are %d shards, numbered from 1", number, len(d.shards))
	case d.shards[number-1].state == shardDone:
		return fmt.Errorf("shard %d is finished", number)
	case d.shards[number-1].state == shardSkipped || d.shards[number-1].skip:
		return fmt.Errorf("shard %d is skipped already", number)
	default:
		return nil
	}
}

func (d *distillation) skip(number int) DistillationStatus {
	s := &d.shards[number-1]
	if s.cancel != nil {
		s.skip = true // end does the rest
		s.cancel()
		return d.status()
	}
	s.state = shardSkipped
	d.total = d.total.Add(s.part)
	d.settled++
	d.events++
	d.publish()
	return d.status()
}

// publish brings what people see of the stage up to date.
func (d *distillation) publish() {
	if d.entry == nil {
		return
	}
	p := activities.Progress{
		Stage: distillStage, Done: d.plan.Found + d.total.Rows, Total: d.plan.Wanted, Unit: activities.UnitRationales,
		Parsed: d.plan.Parsed + d.total.Parsed, Note: d.words(),
	}
	for i := range d.shards {
		if s := &d.shards[i]; s.state == shardWaiting {
			p.Done += s.part.Rows
			p.Parsed += s.part.Parsed
		}
	}
	d.entry.Progress = &p
}

// words say what of the shards is worth a person's while.
func (d *distillation) words() string {
	var words []string
	if len(d.shards) > 1 {
		words = append(words, fmt.Sprintf("%d of %d shards", d.count(shardDone), len(d.shards)))
	}
	if worked := d.numbers(shardWorked); len(d.shards) > 1 && len(worked) > 0 {
		words = append(words, "at "+list(worked))
	}
	if skipped := d.numbers(shardSkipped); len(skipped) > 0 {
		words = append(words, "skipped "+list(skipped))
	}
	if d.paused {
		words = append(words, "paused")
	}
	return strings.Join(words, ", ")
}

// list is the first few of some numbers.
func list(numbers []int) string {
	const most = 8
	text := strings.Trim(fmt.Sprint(numbers[:min(len(numbers), most)]), "[]")
	if len(numbers) > most {
		text += " ..."
	}
	return text
}
