package workflows

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"rdrec/activities"
	"rdrec/storage"
)

// Defaults of a distillation's limits.
const (
	defaultParallel     = 16
	defaultShardsPerRun = 500
)

// ResumeState is a distillation's state when it continues as new: no shard is running.
type ResumeState struct {
	// Standalone means that the workflow records the result itself.
	Standalone bool                   `json:"standalone"`
	Plan       activities.DistillPlan `json:"plan"`
	StartedAt  time.Time              `json:"started_at"`
	// Settled is how many shards, from the first, are finished or skipped. Skipped are shard
	// numbers from 1, of these and possibly of others.
	Settled int                           `json:"settled"`
	Skipped []int                         `json:"skipped"`
	Paused  bool                          `json:"paused"`
	Total   activities.DistillShardResult `json:"total"`
}

// shardState is the state of a shard.
type shardState int

const (
	shardPending shardState = iota
	shardRunning
	shardDone
	shardSkipped
)

// shard is a shard of a running distillation.
type shard struct {
	state shardState
	// cancel ends the shard's activity; nil if none is running. skip means that it must not start
	// again.
	cancel func()
	skip   bool
	// partial is the shard's result when it was last stopped.
	partial activities.DistillShardResult
}

// distillation is a running [Distillation].
type distillation struct {
	in         DistillationInput
	standalone bool
	entry      *StageStatus
	plan       activities.DistillPlan
	// planned means that the shards are known, idle that no shard is running or will start.
	planned, idle bool
	startedAt     time.Time
	shards        []shard
	paused        bool
	total         activities.DistillShardResult
	failed        error
	// settled counts the shards that this run has finished or skipped. Once there are enough, no
	// shard at or beyond limit starts.
	settled, limit int
	// events counts changes of the state.
	events int
	// pauser knows the shards, and the other activities, that wait for a person.
	pauser *pauser
	stages *stageTracker
}

func newDistillation(in DistillationInput) *distillation {
	in.Parallel, in.ShardsPerRun = cmp.Or(in.Parallel, defaultParallel), cmp.Or(in.ShardsPerRun, defaultShardsPerRun)
	d := &distillation{in: in}
	b := in.Resume
	if b == nil {
		return d
	}
	d.paused, d.startedAt, d.total = b.Paused, b.StartedAt, b.Total
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

// run plans the shards, runs them and merges the rationales.
func (d *distillation) run(ctx workflow.Context) (found activities.StageResult, err error) {
	in := d.in.activityInput()
	if !d.planned {
		d.startedAt = workflow.Now(ctx)
		var plan activities.DistillPlan
		if err := execute(stageOptions(ctx, QueueCPU, "plan"), stub.PlanDistillation, in, &plan); err != nil {
			return found, err
		}
		d.split(plan)
	}
	d.publish(ctx)
	if err := d.work(ctx); err != nil {
		return found, err
	}
	if d.count(shardPending) > 0 && !d.exceedsMaxBad() {
		return found, workflow.NewContinueAsNewError(ctx, Distillation, d.continueAsNewInput())
	}
	d.idle = true
	found = activities.StageResult{
		Partial: d.count(shardSkipped) > 0, Seconds: workflow.Now(ctx).Sub(d.startedAt).Seconds(),
		Stats: storage.Stats{
			Requests: d.total.Rows, Tokens: d.total.Tokens, Seconds: d.total.Seconds,
			BatchHalvings: d.total.BatchHalvings, WastedSeconds: d.total.WastedSeconds, GPU: d.total.GPU,
		},
	}
	err = execute(stageOptions(ctx, QueueCPU, "merge"), stub.MergeRationales, in, &found.Output)
	return found, err
}

// continueAsNewInput returns the input with which the workflow continues as new.
func (d *distillation) continueAsNewInput() DistillationInput {
	in := d.in
	in.Resume = &ResumeState{
		Standalone: d.standalone, Plan: d.plan, StartedAt: d.startedAt, Settled: d.limit,
		Skipped: d.shardNumbers(shardSkipped), Paused: d.paused, Total: d.total,
	}
	return in
}

// work runs shards until none is left, or until this run has settled enough of them. When it
// returns, no shard is running.
func (d *distillation) work(ctx workflow.Context) error {
	for {
		seen := d.events
		d.startShards(ctx)
		if d.allIdle() {
			return d.failed
		}
		if err := workflow.Await(ctx, func() bool { return d.events != seen }); err != nil {
			return d.awaitCancellation(ctx, err)
		}
	}
}

// allIdle reports whether no shard is running and none will start.
func (d *distillation) allIdle() bool {
	return d.count(shardRunning) == 0 && (d.failed != nil || d.exceedsMaxBad() || d.nextPending() < 0)
}

// awaitCancellation waits until the cancelled shards have stored their finished rows.
func (d *distillation) awaitCancellation(ctx workflow.Context, err error) error {
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	if waitErr := workflow.Await(ctx, func() bool { return d.count(shardRunning) == 0 }); waitErr != nil {
		return waitErr
	}
	return err
}

// startShards starts shards, unless people or a failure stop them.
func (d *distillation) startShards(ctx workflow.Context) {
	if d.failed != nil || d.paused || d.exceedsMaxBad() {
		d.cancelShards()
		return
	}
	longHistory := d.settled >= d.in.ShardsPerRun || workflow.GetInfo(ctx).GetContinueAsNewSuggested()
	if d.limit == len(d.shards) && longHistory {
		d.limit = d.started()
	}
	for i := d.nextPending(); i >= 0 && d.count(shardRunning) < d.in.Parallel; i = d.nextPending() {
		d.startShard(ctx, i)
	}
}

// cancelShards cancels all running shards. A shard that starts again resumes where it stopped.
func (d *distillation) cancelShards() {
	for i := range d.shards {
		if cancel := d.shards[i].cancel; cancel != nil {
			cancel()
		}
	}
}

// nextPending returns the first pending shard below the limit, or -1.
func (d *distillation) nextPending() int {
	for i := range d.limit {
		if d.shards[i].state == shardPending {
			return i
		}
	}
	return -1
}

// started returns the number of the last shard that has started, 0 for none.
func (d *distillation) started() int {
	n := 0
	for i := range d.shards {
		s := &d.shards[i]
		if s.state == shardRunning || s.state == shardDone || s.partial.Rows > 0 {
			n = i + 1
		}
	}
	return n
}

// startShard starts the activity of a shard.
func (d *distillation) startShard(ctx workflow.Context, i int) {
	ctx, cancel := workflow.WithCancel(ctx)
	d.shards[i] = shard{state: shardRunning, cancel: cancel, partial: d.shards[i].partial}
	workflow.Go(ctx, func(ctx workflow.Context) {
		in := activities.DistillShardInput{DistillInput: d.in.activityInput(), Plan: d.plan.Of(i + 1), Shard: i + 1}
		var result activities.DistillShardResult
		summary := fmt.Sprintf("shard %d of %d", i+1, len(d.shards))
		err := execute(stageOptions(ctx, QueueGPU, summary), stub.DistillShard, in, &result)
		cancel()
		d.finishShard(ctx, &d.shards[i], result, err)
	})
	d.publish(ctx)
}

// finishShard records how a shard's activity ended.
func (d *distillation) finishShard(ctx workflow.Context, s *shard, result activities.DistillShardResult, err error) {
	s.cancel = nil
	var cancelled *temporal.CanceledError
	switch {
	case err == nil:
		s.state = shardDone
		d.total = d.total.Add(result.AddPrior(s.partial))
		d.settled++
	case errors.As(err, &cancelled):
		s.state = shardPending
		if cancelled.HasDetails() && cancelled.Details(&result) == nil {
			s.partial = result.AddPrior(s.partial)
		}
		if s.skip {
			s.state = shardSkipped
			d.total = d.total.Add(s.partial)
			d.settled++
		}
	default:
		s.state = shardPending
		if d.failed == nil {
			d.failed = err
		}
	}
	d.events++
	d.publish(ctx)
}

// exceedsMaxBad reports whether quarantined rows already exceed max_bad, so that finishing cannot
// succeed and need not be paid for.
func (d *distillation) exceedsMaxBad() bool {
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

// shardNumbers returns the numbers, from 1, of the shards in a state.
func (d *distillation) shardNumbers(state shardState) []int {
	var shards []int
	for i := range d.shards {
		if d.shards[i].state == state {
			shards = append(shards, i+1)
		}
	}
	return shards
}

func (d *distillation) validatePause(pause bool) error {
	switch {
	case d.idle && len(d.pauser.waiting) == 0:
		return fmt.Errorf("nothing to pause or resume: all shards are finished or skipped")
	case pause && d.paused:
		return fmt.Errorf("the distillation is already paused")
	case !pause && !d.paused && len(d.pauser.waiting) == 0:
		return fmt.Errorf("the distillation is not paused")
	default:
		return nil
	}
}

func (d *distillation) pause(ctx workflow.Context, pause bool) DistillationStatus {
	d.paused = pause
	if !pause {
		d.pauser.resume()
	}
	if d.entry != nil {
		d.entry.State = map[bool]State{true: Paused, false: Running}[pause]
	}
	d.events++
	d.publish(ctx)
	return d.status()
}

func (d *distillation) validateSkip(number int) error {
	switch {
	case !d.planned:
		return fmt.Errorf("shard %d: the shards are not planned yet", number)
	case number < 1 || number > len(d.shards):
		return fmt.Errorf("shard %d: there are %d shards, numbered from 1", number, len(d.shards))
	case d.shards[number-1].state == shardDone:
		return fmt.Errorf("shard %d is finished", number)
	case d.shards[number-1].state == shardSkipped || d.shards[number-1].skip:
		return fmt.Errorf("shard %d is already skipped", number)
	default:
		return nil
	}
}

func (d *distillation) skip(ctx workflow.Context, number int) DistillationStatus {
	s := &d.shards[number-1]
	if s.cancel != nil {
		s.skip = true // finishShard does the rest
		s.cancel()
		return d.status()
	}
	s.state = shardSkipped
	d.total = d.total.Add(s.partial)
	d.settled++
	d.events++
	d.publish(ctx)
	return d.status()
}
