package activities

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"rdrec/internal/dataset"
	"rdrec/internal/spec"
	"rdrec/internal/teacher"
	"rdrec/storage"
)

// DistillInput says what is distilled, and by whom.
type DistillInput struct {
	Dataset storage.Ref  `json:"dataset"`
	Teacher spec.Teacher `json:"teacher"`
	// Weights is the digest of the teacher's weights.
	Weights string `json:"weights"`
	// HeldOut keeps explanations of validation and test pairs from being distilled.
	HeldOut bool `json:"held_out"`
	// Nonce, where set, has every row asked again and kept apart from those that were finished
	// before.
	Nonce string `json:"nonce,omitempty"`
	// Sample, where not 0, is how many explanations are distilled for people to read, spread over
	// all of them.
	Sample int `json:"sample,omitempty"`
}

// rationaleSet are all that this teacher has ever written.
func (in *DistillInput) store(b *storage.Bucket) storage.Rationales[teacher.Rationale] {
	name := teacher.Fingerprint(in.Teacher, in.Weights)
	if in.Nonce != "" {
		name = storage.Digest([]byte(name + " nocache " + in.Nonce))
	}
	return storage.OpenRationales[teacher.Rationale](b, name)
}

// PlanDistillation is how the work is split.
type DistillPlan struct {
	// Explanations is how many different texts the dataset has; Wanted of them are to be distilled,
	// and Found are in the bucket already.
	Explanations int `json:"explanations"`
	Wanted       int `json:"wanted"`
	Found        int `json:"found"`
	// Parsed and Quarantined are of those that were found.
	Parsed      int `json:"parsed"`
	Quarantined int `json:"quarantined"`
	// Shards are the parts of the rest, all in one artifact.
	Shards   int         `json:"shards"`
	Artifact storage.Ref `json:"artifact"`
}

// shardFile names a shard, from 1 on, in the plan's artifact.
func shardFile(shard int) string { return fmt.Sprintf("%06d.jsonl", shard) }

// PlanDistillation finds the explanations that have no rationale in the bucket yet and splits them
// into shards. What is missing decides the shards, so that whoever plans the same work, finds the
// same shards and what is finished of them.
func (a *Activities) PlanDistillation(ctx context.Context, in DistillInput) (plan DistillPlan, err error) {
	ctx, work, err := a.begin(ctx, "distill")
	defer work.finish(&err)
	if err != nil {
		return plan, err
	}
	requests, all, err := a.requests(ctx, in, work.dir)
	if err != nil {
		return plan, err
	}
	done, err := storedRationales(ctx, in.store(a.Bucket), requests)
	if err != nil {
		return plan, err
	}
	stored := teacher.Measure(done.inOrder(requests))
	plan = DistillPlan{
		Explanations: all, Wanted: len(requests), Found: len(done), Parsed: stored.Parsed, Quarantined: stored.Quarantined,
	}
	missing := done.missing(requests)
	if len(missing) == 0 {
		return plan, nil
	}
	out := filepath.Join(work.dir, "plan")
	if err := os.MkdirAll(out, 0o750); err != nil {
		return plan, fmt.Errorf("make folder for the plan: %w", err)
	}
	for len(missing) > 0 {
		n := min(len(missing), max(in.Teacher.ShardRows, 1))
		plan.Shards++
		if err := writeJSONL(filepath.Join(out, shardFile(plan.Shards)), missing[:n]); err != nil {
			return plan, err
		}
		missing = missing[n:]
	}
	plan.Artifact, err = a.Bucket.PutFolder(ctx, "plan", out)
	return plan, err
}

// requests are the different texts to distil, in training order and bounded by the settings, and
// how many there are in all.
func (a *Activities) requests(ctx context.Context, in DistillInput, dir string) ([]teacher.Request, int, error) {
	data, err := a.readDataset(ctx, in.Dataset, filepath.Join(dir, "dataset"))
	if err != nil {
		return nil, 0, err
	}
	requests := explanations(data, in.HeldOut)
	all := len(requests)
	if n := in.Teacher.MaxReviews; n > 0 && n < all {
		requests = requests[:n]
	}
	if in.Sample > 0 {
		var sample []teacher.Request
		for _, index := range dataset.SampleEvenly(len(requests), in.Sample) {
			sample = append(sample, requests[index])
		}
		requests = sample
	}
	return requests, all, nil
}

// explanations are the different texts of a dataset that have no rationale in it, in training
// order.
func explanations(data *dataset.Dataset, heldOut bool) []teacher.Request {
	splits := [][]dataset.Explanation{data.Explanations.Train}
	if !heldOut {
		splits = append(splits, data.Explanations.Val, data.Explanations.Test)
	}
	var requests []teacher.Request
	seen := map[string]bool{}
	for _, split := range splits {
		for _, e := range split {
			if seen[e.Explanation] || e.HasRationale() {
				continue
			}
			seen[e.Explanation] = true
			requests = append(requests, teacher.Request{ID: storage.Digest([]byte(e.Explanation))[:32], Text: e.Explanation})
		}
	}
	return requests
}

// rationaleSet are finished rows by their requests' ids.
type rationaleSet map[string]teacher.Rationale

// storedRationales are those of the rows in the bucket that were asked for.
func storedRationales(
	ctx context.Context, store storage.Rationales[teacher.Rationale], requests []teacher.Request,
) (rationaleSet, error) {
	rows, err := store.Load(ctx)
	if err != nil {
		return nil, err
	}
	asked := make(map[string]bool, len(requests))
	for _, r := range requests {
		asked[r.ID] = true
	}
	done := make(rationaleSet, len(rows))
	for _, row := range rows {
		if asked[row.ID] {
			done[row.ID] = row
		}
	}
	return done, nil
}

// inOrder are the finished ones in the order of the requests.
func (done rationaleSet) inOrder(requests []teacher.Request) []teacher.Rationale {
	rows := make([]teacher.Rationale, 0, len(requests))
	for _, r := range requests {
		if row, ok := done[r.ID]; ok {
			rows = append(rows, row)
		}
	}
	return rows
}

func (done rationaleSet) missing(requests []teacher.Request) []teacher.Request {
	var missing []teacher.Request
	for _, r := range requests {
		if _, ok := done[r.ID]; !ok {
			missing = append(missing, r)
		}
	}
	return missing
}

// Distillation is what the distill stage says of its rationales, in distillation.json: the same
// bytes for the same rationales, however many workers and attempts they took.
type Distillation struct {
	Teacher string `json:"teacher"`
	Prompt  string `json:"prompt"`
	// Explanations is how many different texts the dataset has; Wanted of them were to be
	// distilled, and Left are not: people had their shards left out.
	Explanations int             `json:"explanations"`
	Wanted       int             `json:"wanted"`
	Skipped      int             `json:"skipped,omitempty"`
	Quality      teacher.Quality `json:"quality"`
}

// MergeRationales puts the finished rationales of a dataset into one artifact. It refuses those of
// a teacher of whom too much could not be used: training on the rest would hide it. A sample is for
// reading, so it is never refused.
func (a *Activities) MergeRationales(ctx context.Context, in DistillInput) (ref storage.Ref, err error) {
	ctx, work, err := a.begin(ctx, "distill")
	defer work.finish(&err)
	if err != nil {
		return ref, err
	}
	requests, all, err := a.requests(ctx, in, work.dir)
	if err != nil {
		return ref, err
	}
	done, err := storedRationales(ctx, in.store(a.Bucket), requests)
	if err != nil {
		return ref, err
	}
	rows := done.inOrder(requests)
	record := Distillation{
		Teacher: in.Teacher.Model, Prompt: in.Teacher.Prompt, Explanations: all, Wanted: len(requests), Skipped: len(requests) - len(rows),
		Quality: teacher.Measure(rows),
	}
	if in.Sample == 0 {
		if err := record.check(in.Teacher.MaxBad); err != nil {
			return ref, err
		}
	}
	out := filepath.Join(work.dir, "rationales")
	if err := writeRationales(out, rows, record); err != nil {
		return ref, err
	}
	return a.Bucket.PutFolder(ctx, "rationales", out)
}

func (r Distillation) check(maxBad float64) error {
	if r.Wanted == 0 {
		return nil
	}
	if bad := float64(r.Quality.Quarantined) / float64(r.Wanted); bad > maxBad {
		return fmt.Errorf("%w: %d of %d replies of teacher %q are quarantined, more than teacher.max_bad %g allows; first reasons: %v",
			ErrData, r.Quality.Quarantined, r.Wanted, r.Teacher, maxBad, r.Quality.Reasons)
	}
	return nil
}

func writeRationales(dir string, rows []teacher.Rationale, record Distillation) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("make folder for rationales: %w", err)
	}
	if err := writeJSONL(filepath.Join(dir, "rationales.jsonl"), rows); err != nil {
		return err
	}
	return writeJSON(filepath.Join(dir, "distillation.json"), record)
}

// Distill does it all in one go. Experiments that were begun before shards still ask for it; others
// are given [Activities.PlanDistillation], [Activities.DistillShard] and
// [Activities.MergeRationales] by the workflow Distillation.
func (a *Activities) Distill(ctx context.Context, in DistillInput) (storage.Ref, error) {
	plan, err := a.PlanDistillation(ctx, in)
	if err != nil {
		return storage.Ref{}, err
	}
	for shard := range plan.Shards {
		if _, err := a.DistillShard(ctx, DistillShardInput{in, plan.Artifact, shard + 1}); err != nil {
			return storage.Ref{}, err
		}
	}
	return a.MergeRationales(ctx, in)
}
