package activities

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"rdrec/internal/spec"
	"rdrec/internal/teacher"
	"rdrec/storage"
)

// DistillShardInput names a shard of a plan.
type DistillShardInput struct {
	DistillInput
	Plan storage.Ref
	// Shard counts from 1.
	Shard int
}

// DistillShardResult is what is finished of a shard, in this attempt or before.
type DistillShardResult struct {
	Rows        int `json:"rows"`
	Parsed      int `json:"parsed"`
	Quarantined int `json:"quarantined"`
	// Tokens is how many were written for these rows. Seconds is how long the teacher was asked, all attempts together: of one that was
	// killed as much as its last heartbeat told.
	Tokens  int     `json:"tokens"`
	Seconds float64 `json:"seconds"`
	// Halved is how often memory ran out, so that fewer replies were written together from then on.
	Halved int `json:"halved,omitempty"`
}

// Add joins what is finished of two shards.
func (r DistillShardResult) Add(other DistillShardResult) DistillShardResult {
	return DistillShardResult{
		Rows: r.Rows + other.Rows, Parsed: r.Parsed + other.Parsed, Quarantined: r.Quarantined + other.Quarantined,
		Tokens: r.Tokens + other.Tokens, Seconds: r.Seconds + other.Seconds,
		Halved: r.Halved + other.Halved,
	}
}

// After is the result with what it took to come to part before, whose rows it has.
func (r DistillShardResult) After(part DistillShardResult) DistillShardResult {
	r.Seconds += part.Seconds
	r.Halved += part.Halved
	return r
}

// idleAttempts is how many attempts in a row may end without a rationale.
const idleAttempts = 30

// DistillShard asks the teacher for the rationales of a shard. Each is stored as soon as it is finished: whatever dies, no finished row
// is asked again. Rows that can't be parsed are kept with their reason.
func (a *Activities) DistillShard(ctx context.Context, in DistillShardInput) (result DistillShardResult, err error) {
	before := earlier(ctx)
	ctx, p := a.beat(ctx, "distill")
	defer p.stop()
	defer func() { err = fail(ctx, err) }()
	attempt := int(activity.GetInfo(ctx).Attempt)
	if attempt-before.Moved > idleAttempts {
		return result, fmt.Errorf("%w: %d attempts without a rationale", errNoProgress, attempt-before.Moved-1)
	}
	requests, digest, err := a.shard(ctx, in)
	if err != nil {
		return result, err
	}
	rows := in.rationales(a.Bucket).In(digest)
	done, err := finished(ctx, rows, requests)
	if err != nil {
		return result, err
	}
	s := &shard{
		rows: rows, requests: requests, done: rationales{}, pulse: p, now: a.Now, started: a.Now(), attempt: attempt,
		moved: before.Moved, spent: before.Spent,
	}
	s.find(done)
	err = a.ask(ctx, in.Teacher, s)
	result = s.result()
	if errors.Is(err, context.Canceled) && activityCancelled(ctx) {
		return result, temporal.NewCanceledError(result) // people paused it: they want to see what is done
	}
	if err != nil {
		return result, err
	}
	return result, rows.Close(ctx, s.done.rows(requests))
}

// activityCancelled reports whether the context ended because the workflow cancelled the activity: the SDK's worker gives a
// CanceledError as the cause, which is no context.Canceled.
func activityCancelled(ctx context.Context) bool {
	cause := context.Cause(ctx)
	return temporal.IsCanceledError(cause) || errors.Is(cause, context.Canceled)
}

// earlier is what the last attempt told, nothing in the first one.
func earlier(ctx context.Context) Progress {
	var last Progress
	if !activity.HasHeartbeatDetails(ctx) || activity.GetHeartbeatDetails(ctx, &last) != nil {
		return Progress{}
	}
	return last
}

// shard reads what a shard asks, and its digest.
func (a *Activities) shard(ctx context.Context, in DistillShardInput) ([]teacher.Request, string, error) {
	lines, err := a.Bucket.GetNamed(ctx, in.Plan, shardFile(in.Shard))
	if err != nil {
		return nil, "", fmt.Errorf("read shard %d: %w", in.Shard, err)
	}
	requests, err := readLines[teacher.Request](lines)
	if err != nil {
		return nil, "", fmt.Errorf("read shard %d: %w: %w", in.Shard, ErrData, err)
	}
	return requests, storage.Digest(lines), nil
}

// shard is a running [Activities.DistillShard].
type shard struct {
	rows     storage.Rationales[teacher.Rationale]
	requests []teacher.Request
	done     rationales
	// found were finished before this attempt; tokens are those of the rows asked now.
	found, tokens       int
	halved              int
	parsed, quarantined int
	pulse               *pulse
	now                 func() time.Time
	started             time.Time
	// attempt is this one, moved the last one with a rationale, spent what those before took in seconds.
	attempt, moved int
	spent          float64
}

// ask opens the teacher, if there is anything to ask, and stores what it answers. What is finished is stored also when the worker
// drains or the activity is cancelled.
func (a *Activities) ask(ctx context.Context, settings spec.Teacher, s *shard) error {
	missing := s.done.missing(s.requests)
	if len(missing) == 0 {
		return nil
	}
	working, cancel := drainable(ctx)
	defer cancel()
	engine, closeEngine, err := a.Teachers.Open(working, settings)
	if err != nil {
		return fmt.Errorf("open teacher %q: %w", settings.Model, err)
	}
	defer closeEngine()
	s.started = s.now()
	before := halvings(engine)
	k := keep(context.WithoutCancel(ctx), s.rows)
	err = teacher.Distill(working, engine, settings, missing, func(row teacher.Rationale) error {
		s.take(row)
		return k.add(row)
	})
	s.halved = halvings(engine) - before
	err = errors.Join(err, k.close())
	if errors.Is(context.Cause(working), ErrDrained) {
		return fmt.Errorf("%w: %d of %d rows are done", ErrDrained, len(s.done), len(s.requests))
	}
	return err
}

// halvings is how often an engine has halved its batch, where it does so.
func halvings(engine teacher.Engine) int {
	if e, ok := engine.(interface{ Halved() int }); ok {
		return e.Halved()
	}
	return 0
}

// drainable returns a context that also ends, with [ErrDrained], when the worker shuts down.
func drainable(ctx context.Context) (context.Context, context.CancelFunc) {
	stop := activity.GetWorkerStopChannel(ctx)
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-stop:
			cancel(ErrDrained)
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil) }
}

// find counts what was finished before this attempt.
func (s *shard) find(done rationales) {
	for _, row := range done {
		s.count(row)
	}
	s.found = len(done)
	s.tell()
}

// take counts a row that was just finished.
func (s *shard) take(row teacher.Rationale) {
	s.count(row)
	s.tokens += row.Tokens
	s.moved = s.attempt
	s.tell()
}

func (s *shard) count(row teacher.Rationale) {
	s.done[row.ID] = row
	switch {
	case row.Failed != "":
		s.quarantined++
	case !row.FellBack:
		s.parsed++
	}
}

// tell reports how far the shard is.
func (s *shard) tell() {
	seconds := s.now().Sub(s.started).Seconds()
	p := Progress{
		Done: len(s.done), Total: len(s.requests), Unit: UnitRationales, Parsed: s.parsed, Moved: s.moved, Spent: s.spent + seconds,
	}
	if asked := len(s.done) - s.found; asked > 0 {
		seconds = max(seconds, 1e-3)
		p.Rate, p.TokenRate = float64(asked)/seconds, float64(s.tokens)/seconds
	}
	s.pulse.report(p)
}

func (s *shard) result() DistillShardResult {
	result := DistillShardResult{
		Rows: len(s.done), Parsed: s.parsed, Quarantined: s.quarantined, Halved: s.halved, Seconds: s.spent + s.now().Sub(s.started).Seconds(),
	}
	for _, row := range s.done {
		result.Tokens += row.Tokens
	}
	return result
}

// keeper stores finished rows from a goroutine of its own: at once while the bucket is quick, several together while it is slow. So a
// row is never lost because others are not finished yet, and the teacher does not wait for the bucket.
type keeper struct {
	rows    storage.Rationales[teacher.Rationale]
	mutex   sync.Mutex
	waiting []teacher.Rationale
	// failures are those in a row, failed is the last of them.
	failures int
	failed   error
	wake     chan struct{}
	ended    chan struct{}
}

// keep begins to store rows; close ends it.
func keep(ctx context.Context, rows storage.Rationales[teacher.Rationale]) *keeper {
	k := &keeper{rows: rows, wake: make(chan struct{}, 1), ended: make(chan struct{})}
	go func() {
		defer close(k.ended)
		for range k.wake {
			k.store(ctx)
		}
		k.store(ctx) // what came last
	}()
	return k
}

func (k *keeper) store(ctx context.Context) {
	k.mutex.Lock()
	rows := k.waiting
	k.waiting = nil
	k.mutex.Unlock()
	err := k.rows.Append(ctx, rows)
	k.mutex.Lock()
	defer k.mutex.Unlock()
	if err == nil {
		k.failures, k.failed = 0, nil
		return
	}
	k.waiting = append(rows, k.waiting...)
	k.failures, k.failed = k.failures+1, err
}

// add hands a row over. The error says that the bucket takes nothing: one failure or two are endured, and what could not be stored
// goes with the next.
func (k *keeper) add(row teacher.Rationale) error {
	k.mutex.Lock()
	k.waiting = append(k.waiting, row)
	var err error
	if k.failures >= failedSaves {
		err = k.failed
	}
	k.mutex.Unlock()
	select {
	case k.wake <- struct{}{}:
	default: // it is awake
	}
	return err
}

// close stores what is left, also what could not be stored before, and says whether all is.
func (k *keeper) close() error {
	close(k.wake)
	<-k.ended
	return k.failed
}
