package activities

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"rdrec/internal/progress"
	"rdrec/internal/spec"
	"rdrec/internal/teacher"
	"rdrec/storage"
)

// DistillShardInput names a shard of a plan.
type DistillShardInput struct {
	DistillInput
	// Plan is the part of the plan that has the shard.
	Plan storage.Ref `json:"plan"`
	// Shard is the shard's number, from 1.
	Shard int `json:"shard"`
}

// DistillShardResult counts the finished rows of a shard, from this and earlier attempts.
type DistillShardResult struct {
	Rows        int `json:"rows"`
	Parsed      int `json:"parsed"`
	Quarantined int `json:"quarantined"`
	// Tokens is how many tokens the teacher generated for these rows. Seconds is how long it worked
	// in all attempts; of a killed attempt, as much as its last heartbeat reported.
	Tokens  int     `json:"tokens"`
	Seconds float64 `json:"seconds"`
	// BatchHalvings counts how often the teacher ran out of memory and halved its batch.
	BatchHalvings int `json:"batch_halvings,omitempty"`
	// WastedSeconds is how long attempts worked on rows that were not stored.
	WastedSeconds float64 `json:"wasted_seconds,omitempty"`
	// GPU is the name of the GPU that a teacher of this process used; empty without one.
	GPU string `json:"gpu,omitempty"`
}

// Add returns the sum of two shards' results.
func (r DistillShardResult) Add(other DistillShardResult) DistillShardResult {
	return DistillShardResult{
		Rows: r.Rows + other.Rows, Parsed: r.Parsed + other.Parsed, Quarantined: r.Quarantined + other.Quarantined,
		Tokens: r.Tokens + other.Tokens, Seconds: r.Seconds + other.Seconds,
		BatchHalvings: r.BatchHalvings + other.BatchHalvings, WastedSeconds: r.WastedSeconds + other.WastedSeconds,
		GPU: cmp.Or(r.GPU, other.GPU),
	}
}

// AddPrior returns the result with the cost of an earlier attempt at the same shard. The rows are
// in r already.
func (r DistillShardResult) AddPrior(prior DistillShardResult) DistillShardResult {
	r.Seconds += prior.Seconds
	r.BatchHalvings += prior.BatchHalvings
	r.WastedSeconds += prior.WastedSeconds
	return r
}

// DistillShardType is the activity type of [Activities.DistillShard].
const DistillShardType = "DistillShard"

// maxIdleAttempts is how many consecutive attempts may end without a finished rationale.
const maxIdleAttempts = 30

// DistillShard requests the rationales of a shard from the teacher. Each row is stored as soon as
// it is finished, so no failure makes the teacher generate a finished row again. Rows that cannot
// be parsed are kept with the reason.
func (a *Activities) DistillShard(ctx context.Context, in DistillShardInput) (result DistillShardResult, err error) {
	prior := lastProgress(ctx)
	ctx, p := a.startHeartbeat(ctx, "distill")
	defer p.stop()
	defer func() { err = temporalError(ctx, err) }()
	attempt := int(activity.GetInfo(ctx).Attempt)
	if attempt-prior.ProgressAttempt > maxIdleAttempts {
		return result, fmt.Errorf(
			"%w: %d attempts without a finished rationale", errNoProgress, attempt-prior.ProgressAttempt-1,
		)
	}
	requests, digest, err := a.readShard(ctx, in)
	if err != nil {
		return result, err
	}
	rows := in.store(a.Bucket).Shard(digest)
	done, err := storedRationales(ctx, rows, requests)
	if err != nil {
		return result, err
	}
	s := &shardRun{
		rows: rows, requests: requests, done: rationaleSet{}, heartbeat: p, now: a.Now, started: a.Now(),
		attempt:         attempt,
		progressAttempt: prior.ProgressAttempt, priorSeconds: prior.TeacherSeconds,
	}
	s.resume(done)
	err = a.queryTeacher(ctx, in.Teacher, s)
	result = s.result()
	if errors.Is(err, context.Canceled) && activityCancelled(ctx) {
		return result, temporal.NewCanceledError(result) // people paused it: they want to see what is done
	}
	if err != nil {
		return result, err
	}
	return result, rows.Compact(ctx, s.done.inOrder(requests))
}

// activityCancelled reports whether the context ended because the workflow cancelled the activity.
// The SDK's worker gives a CanceledError as the cause, not context.Canceled.
func activityCancelled(ctx context.Context) bool {
	cause := context.Cause(ctx)
	return temporal.IsCanceledError(cause) || errors.Is(cause, context.Canceled)
}

// readShard returns the requests of a shard and their digest.
func (a *Activities) readShard(ctx context.Context, in DistillShardInput) ([]teacher.Request, string, error) {
	lines, err := a.Bucket.ReadArtifactFile(ctx, in.Plan, shardFile(in.Shard))
	if err != nil {
		return nil, "", fmt.Errorf("read shard %d: %w", in.Shard, err)
	}
	requests, err := readJSONL[teacher.Request](lines)
	if err != nil {
		return nil, "", fmt.Errorf("read shard %d: %w: %w", in.Shard, ErrData, err)
	}
	return requests, storage.Digest(lines), nil
}

// shardRun is a running [Activities.DistillShard].
type shardRun struct {
	rows     storage.Rationales[teacher.Rationale]
	requests []teacher.Request
	done     rationaleSet
	// resumed counts the rows from before this attempt; tokens are those of this attempt's rows.
	resumed, tokens     int
	batchHalvings       int
	parsed, quarantined int
	heartbeat           *heartbeat
	now                 func() time.Time
	started             time.Time
	// attempt is the current attempt and progressAttempt the last one that finished a row.
	// priorSeconds is the teacher's time in earlier attempts.
	attempt, progressAttempt int
	priorSeconds             float64
	// gpu is the name of the GPU that the teacher uses; empty for none, and for a server.
	gpu string
}

// queryTeacher opens the teacher, if rows are missing, and stores its replies. Finished rows are
// stored even if the worker drains or the activity is cancelled.
func (a *Activities) queryTeacher(ctx context.Context, settings spec.Teacher, s *shardRun) error {
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
	prior := batchHalvings(engine)
	if computesHere(engine) {
		s.gpu = a.GPU
	}
	k := newRowWriter(context.WithoutCancel(ctx), s.rows)
	err = teacher.Distill(working, engine, settings, missing, func(row teacher.Rationale) error {
		s.add(row)
		return k.add(row)
	})
	s.batchHalvings = batchHalvings(engine) - prior
	err = errors.Join(err, k.close())
	if errors.Is(context.Cause(working), ErrDrained) {
		return fmt.Errorf("%w: %d of %d rows are finished", ErrDrained, len(s.done), len(s.requests))
	}
	return err
}

// computesHere reports whether an engine computes in this process, where memory may run out.
func computesHere(engine teacher.Engine) bool {
	_, ok := engine.(interface{ BatchHalvings() int })
	return ok
}

// batchHalvings returns how often an engine has halved its batch; 0 for an engine that never does.
func batchHalvings(engine teacher.Engine) int {
	if e, ok := engine.(interface{ BatchHalvings() int }); ok {
		return e.BatchHalvings()
	}
	return 0
}

// resume counts the rows from before this attempt.
func (s *shardRun) resume(done rationaleSet) {
	for _, row := range done {
		s.count(row)
	}
	s.resumed = len(done)
	s.report()
}

// add counts a row that this attempt finished.
func (s *shardRun) add(row teacher.Rationale) {
	s.count(row)
	s.tokens += row.Tokens
	s.progressAttempt = s.attempt
	s.heartbeat.saved()
	s.report()
}

func (s *shardRun) count(row teacher.Rationale) {
	s.done[row.ID] = row
	switch {
	case row.Failed != "":
		s.quarantined++
	case !row.FellBack:
		s.parsed++
	}
}

// report reports the shard's progress.
func (s *shardRun) report() {
	seconds := s.now().Sub(s.started).Seconds()
	p := Progress{
		Progress: progress.Progress{Done: len(s.done), Total: len(s.requests), Unit: UnitRationales}, Parsed: s.parsed,
		ProgressAttempt: s.progressAttempt, TeacherSeconds: s.priorSeconds + seconds,
	}
	if fresh := len(s.done) - s.resumed; fresh > 0 {
		seconds = max(seconds, 1e-3)
		p.Rate, p.TokenRate = float64(fresh)/seconds, float64(s.tokens)/seconds
	}
	s.heartbeat.report(p)
}

func (s *shardRun) result() DistillShardResult {
	result := DistillShardResult{
		Rows: len(s.done), Parsed: s.parsed, Quarantined: s.quarantined, BatchHalvings: s.batchHalvings,
		GPU: s.gpu, Seconds: s.priorSeconds + s.now().Sub(s.started).Seconds(),
	}
	latest, _ := s.heartbeat.read()
	result.WastedSeconds = latest.Time.Wasted
	for _, row := range s.done {
		result.Tokens += row.Tokens
	}
	return result
}
