package workflows

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"rdrec/activities"
)

// Limits of a distillation where its input names none.
const (
	shardsAtOnce = 16
	shardsPerLap = 500
)

// Begun is a distillation's state between two histories: no shard is in work.
type Begun struct {
	// Own says that the result is recorded here.
	Own   bool
	Plan  activities.DistillPlan
	Since time.Time
	// Settled is how many shards, the first ones, are finished or skipped. Skipped are numbers from 1 on, of these and maybe of others.
	Settled int
	Skipped []int
	Paused  bool
	Total   activities.DistillShardResult
}

// shardState is how far a shard is.
type shardState int

const (
	shardWaiting shardState = iota
	shardWorked
	shardDone
	shardSkipped
)

// shard is a part of a running distillation.
type shard struct {
	state shardState
	// cancel ends the activity that works at it; skip says that it is not to be begun again.
	cancel func()
	skip   bool
	// part is what it came to before people stopped it.
	part activities.DistillShardResult
}

// distillation is a running [Distillation].
type distillation struct {
	in    DistillationInput
	own   bool
	entry *StageStatus
	plan  activities.DistillPlan
	// planned says that the shards are known, over that none of them is worked at any more.
	planned, over bool
	since         time.Time
	shards        []shard
	paused        bool
	total         activities.DistillShardResult
	failed        error
	// settled is how many shards this history has settled. Once that is enough, none beyond limit is begun.
	settled, limit int
	// events counts what changes the course of the work.
	events int
}

func newDistillation(in DistillationInput) *distillation {
	in.Parallel, in.Lap = cmp.Or(in.Parallel, shardsAtOnce), cmp.Or(in.Lap, shardsPerLap)
	d := &distillation{in: in}
	b := in.Begun
	if b == nil {
		return d
	}
	d.paused, d.since, d.total = b.Paused, b.Since, b.Total
	d.split(b.Plan)
	for i := range b.Settled {
		d.shards[i].state = shardDone
	}
	for _, number := range b.Skipped {
		d.shards[number-1].state = shardSkipped
	}
	return d
}

func (d *distillation) split(plan activities.DistillPlan) {
	d.plan, d.planned, d.limit = plan, true, plan.Shards
	d.shards = make([]shard, plan.Shards)
}

// run plans, has the shards worked at, and gathers what came out.
func (d *distillation) run(ctx workflow.Context) (found activities.Found, err error) {
	in := d.in.work()
	if !d.planned {
		d.since = workflow.Now(ctx)
		var plan activities.DistillPlan
		if err := workflow.ExecuteActivity(work(ctx, QueueCPU, "plan"), acts.DistillPlan, in).Get(ctx, &plan); err != nil {
			return found, err
		}
		d.split(plan)
	}
	d.publish()
	if err := d.work(ctx); err != nil {
		return found, err
	}
	if d.count(shardWaiting) > 0 && !d.hopeless() {
		return found, workflow.NewContinueAsNewError(ctx, Distillation, d.next())
	}
	d.over = true
	found = activities.Found{
		Partial: d.count(shardSkipped) > 0, Seconds: workflow.Now(ctx).Sub(d.since).Seconds(),
		Figures: map[string]float64{
			activities.FigureAsked: float64(d.total.Rows), activities.FigureTokens: float64(d.total.Tokens),
			activities.FigureSeconds: d.total.Seconds,
		},
	}
	if d.total.Halved > 0 {
		found.Figures[activities.FigureHalved] = float64(d.total.Halved)
	}
	err = workflow.ExecuteActivity(work(ctx, QueueCPU, "gather"), acts.DistillGather, in).Get(ctx, &found.Output)
	return found, err
}

// next is what the workflow goes on with when its history begins anew.
func (d *distillation) next() DistillationInput {
	in := d.in
	in.Begun = &Begun{
		Own: d.own, Plan: d.plan, Since: d.since, Settled: d.limit, Skipped: d.numbers(shardSkipped), Paused: d.paused, Total: d.total,
	}
	return in
}

// work has the shards worked at until none is left, or as many are settled as one history should have. When it returns nobody works.
func (d *distillation) work(ctx workflow.Context) error {
	for {
		seen := d.events
		d.fill(ctx)
		if d.rests() {
			return d.failed
		}
		if err := workflow.Await(ctx, func() bool { return d.events != seen }); err != nil {
			return d.calm(ctx, err)
		}
	}
}

// rests says whether nobody works at a shard and nobody will.
func (d *distillation) rests() bool {
	return d.count(shardWorked) == 0 && (d.failed != nil || d.hopeless() || d.waiting() < 0)
}

// calm waits until the cancelled shards have stored what they finished.
func (d *distillation) calm(ctx workflow.Context, err error) error {
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	if waitErr := workflow.Await(ctx, func() bool { return d.count(shardWorked) == 0 }); waitErr != nil {
		return waitErr
	}
	return err
}

// fill begins shards, unless people or a failure stop them.
func (d *distillation) fill(ctx workflow.Context) {
	if d.failed != nil || d.paused || d.hopeless() {
		d.stop()
		return
	}
	if d.limit == len(d.shards) && (d.settled >= d.in.Lap || workflow.GetInfo(ctx).GetContinueAsNewSuggested()) {
		d.limit = d.begun()
	}
	for i := d.waiting(); i >= 0 && d.count(shardWorked) < d.in.Parallel; i = d.waiting() {
		d.begin(ctx, i)
	}
}

// stop ends the work at all shards; they are begun again where they stopped, if at all.
func (d *distillation) stop() {
	for i := range d.shards {
		if cancel := d.shards[i].cancel; cancel != nil {
			cancel()
		}
	}
}

// waiting is the first shard below the limit that is to be begun, or -1.
func (d *distillation) waiting() int {
	for i := range d.limit {
		if d.shards[i].state == shardWaiting {
			return i
		}
	}
	return -1
}

// begun is how many shards, counted from the first, have been begun.
func (d *distillation) begun() int {
	n := 0
	for i := range d.shards {
		s := &d.shards[i]
		if s.state == shardWorked || s.state == shardDone || s.part.Rows > 0 {
			n = i + 1
		}
	}
	return n
}

// begin has a shard worked at.
func (d *distillation) begin(ctx workflow.Context, i int) {
	ctx, cancel := workflow.WithCancel(ctx)
	d.shards[i] = shard{state: shardWorked, cancel: cancel, part: d.shards[i].part}
	workflow.Go(ctx, func(ctx workflow.Context) {
		in := activities.DistillShardInput{DistillInput: d.in.work(), Plan: d.plan.Artefact, Shard: i + 1}
		var result activities.DistillShardResult
		summary := fmt.Sprintf("shard %d of %d", i+1, len(d.shards))
		err := workflow.ExecuteActivity(work(ctx, QueueGPU, summary), acts.DistillShard, in).Get(ctx, &result)
		cancel()
		d.end(&d.shards[i], result, err)
	})
	d.publish()
}

// end notes how the work at a shard ended.
func (d *distillation) end(s *shard, result activities.DistillShardResult, err error) {
	s.cancel = nil
	var cancelled *temporal.CanceledError
	switch {
	case err == nil:
		s.state = shardDone
		d.total = d.total.Add(result.After(s.part))
		d.settled++
	case errors.As(err, &cancelled):
		s.state = shardWaiting
		if cancelled.HasDetails() && cancelled.Details(&result) == nil {
			s.part = result.After(s.part)
		}
		if s.skip {
			s.state = shardSkipped
			d.total = d.total.Add(s.part)
			d.settled++
		}
	default:
		s.state = shardWaiting
		if d.failed == nil {
			d.failed = err
		}
	}
	d.events++
	d.publish()
}

// hopeless says whether so much could not be used already that the rest can't make up for it: it need not be paid for.
func (d *distillation) hopeless() bool {
	bad := d.plan.Quarantined + d.total.Quarantined
	return d.in.Sample == 0 && float64(bad) > d.in.Teacher.MaxBad*float64(d.plan.Wanted)
}

func (d *distillation) count(state shardState) int {
	n := 0
	for i := range d.shards {
		if d.shards[i].state == state {
			n++
		}
	}
	return n
}

// numbers are the shards in a state, from 1 on.
func (d *distillation) numbers(state shardState) []int {
	var numbers []int
	for i := range d.shards {
		if d.shards[i].state == state {
			numbers = append(numbers, i+1)
		}
	}
	return numbers
}
