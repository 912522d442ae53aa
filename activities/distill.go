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
	Dataset storage.Ref
	Teacher spec.Teacher
	// Weights is the digest of the teacher's weights.
	Weights string
	// HeldOut keeps explanations of validation and test pairs from being distilled.
	HeldOut bool
	// Fresh, where set, has every row asked again and kept apart from those that were finished before.
	Fresh string `json:",omitempty"`
	// Sample, where not 0, is how many explanations are distilled for people to read, spread over all of them.
	Sample int `json:",omitempty"`
}

// rationales are all that this teacher has ever written.
func (in *DistillInput) rationales(b *storage.Bucket) storage.Rationales[teacher.Rationale] {
	name := teacher.Fingerprint(in.Teacher, in.Weights)
	if in.Fresh != "" {
		name = storage.Digest([]byte(name + " fresh " + in.Fresh))
	}
	return storage.OpenRationales[teacher.Rationale](b, name)
}

// DistillPlan is how the work is split.
type DistillPlan struct {
	// Explanations is how many different texts the dataset has; Wanted of them are to be distilled, and Found are in the bucket already.
	Explanations int `json:"explanations"`
	Wanted       int `json:"wanted"`
	Found        int `json:"found"`
	// Parsed and Quarantined are of those that were found.
	Parsed      int `json:"parsed"`
	Quarantined int `json:"quarantined"`
	// Shards are the parts of the rest, all in one artefact.
	Shards   int         `json:"shards"`
	Artefact storage.Ref `json:"artefact"`
}

// shardFile names a shard, from 1 on, in the plan's artefact.
func shardFile(shard int) string { return fmt.Sprintf("%06d.jsonl", shard) }

// DistillPlan finds the explanations that have no rationale in the bucket yet and splits them into shards. What is missing decides the
// shards, so that whoever plans the same work, finds the same shards and what is finished of them.
func (a *Activities) DistillPlan(ctx context.Context, in DistillInput) (plan DistillPlan, err error) {
	ctx, work, err := a.begin(ctx, "distill")
	defer work.end(&err)
	if err != nil {
		return plan, err
	}
	wanted, all, err := a.wanted(ctx, in, work.dir)
	if err != nil {
		return plan, err
	}
	done, err := finished(ctx, in.rationales(a.Bucket), wanted)
	if err != nil {
		return plan, err
	}
	found := teacher.Measure(done.rows(wanted))
	plan = DistillPlan{
		Explanations: all, Wanted: len(wanted), Found: len(done), Parsed: found.Parsed, Quarantined: found.Quarantined,
	}
	missing := done.missing(wanted)
	if len(missing) == 0 {
		return plan, nil
	}
	out := filepath.Join(work.dir, "plan")
	if err := os.MkdirAll(out, 0o750); err != nil {
		return plan, fmt.Errorf("make folder for the plan: %w", err)
	}
	for len(missing) > 0 {
		n := min(len(missing), max(in.Teacher.Shard, 1))
		plan.Shards++
		if err := writeLines(filepath.Join(out, shardFile(plan.Shards)), missing[:n]); err != nil {
			return plan, err
		}
		missing = missing[n:]
	}
	plan.Artefact, err = a.Bucket.PutFolder(ctx, "plan", out)
	return plan, err
}

// wanted are the different texts to distil, in training order and bounded by the settings, and how many there are in all.
func (a *Activities) wanted(ctx context.Context, in DistillInput, dir string) ([]teacher.Request, int, error) {
	data, err := a.readDataset(ctx, in.Dataset, filepath.Join(dir, "dataset"))
	if err != nil {
		return nil, 0, err
	}
	requests := explanations(data, in.HeldOut)
	all := len(requests)
	if n := in.Teacher.Reviews; n > 0 && n < all {
		requests = requests[:n]
	}
	if in.Sample > 0 {
		var sample []teacher.Request
		for _, place := range dataset.Spread(len(requests), in.Sample) {
			sample = append(sample, requests[place])
		}
		requests = sample
	}
	return requests, all, nil
}

// explanations are the different texts of a dataset that have no rationale in it, in training order.
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

// rationales are finished rows by their requests' ids.
type rationales map[string]teacher.Rationale

// finished are those of the rows in the bucket that were asked for.
func finished(
	ctx context.Context, from storage.Rationales[teacher.Rationale], requests []teacher.Request,
) (rationales, error) {
	rows, err := from.Load(ctx)
	if err != nil {
		return nil, err
	}
	asked := make(map[string]bool, len(requests))
	for _, r := range requests {
		asked[r.ID] = true
	}
	done := make(rationales, len(rows))
	for _, row := range rows {
		if asked[row.ID] {
			done[row.ID] = row
		}
	}
	return done, nil
}

// rows are the finished ones in the order of the requests.
func (done rationales) rows(requests []teacher.Request) []teacher.Rationale {
	rows := make([]teacher.Rationale, 0, len(requests))
	for _, r := range requests {
		if row, ok := done[r.ID]; ok {
			rows = append(rows, row)
		}
	}
	return rows
}

func (done rationales) missing(requests []teacher.Request) []teacher.Request {
	var missing []teacher.Request
	for _, r := range requests {
		if _, ok := done[r.ID]; !ok {
			missing = append(missing, r)
		}
	}
	return missing
}

// Distillation is what the distill stage says of its rationales, in distillation.json: the same bytes for the same rationales, however
// many workers and attempts they took.
type Distillation struct {
	Teacher string `json:"teacher"`
	Prompt  string `json:"prompt"`
	// Explanations is how many different texts the dataset has; Wanted of them were to be distilled, and Left are not: people had
	// their shards left out.
	Explanations int             `json:"explanations"`
	Wanted       int             `json:"wanted"`
	Left         int             `json:"left,omitempty"`
	Quality      teacher.Quality `json:"quality"`
}

// DistillGather puts the finished rationales of a dataset into one artefact. It refuses those of a teacher of whom too much could not be
// used: training on the rest would hide it. A sample is for reading, so it is never refused.
func (a *Activities) DistillGather(ctx context.Context, in DistillInput) (ref storage.Ref, err error) {
	ctx, work, err := a.begin(ctx, "distill")
	defer work.end(&err)
	if err != nil {
		return ref, err
	}
	wanted, all, err := a.wanted(ctx, in, work.dir)
	if err != nil {
		return ref, err
	}
	done, err := finished(ctx, in.rationales(a.Bucket), wanted)
	if err != nil {
		return ref, err
	}
	rows := done.rows(wanted)
	record := Distillation{
		Teacher: in.Teacher.Model, Prompt: in.Teacher.Prompt, Explanations: all, Wanted: len(wanted), Left: len(wanted) - len(rows),
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
		return fmt.Errorf("%w: %d of %d replies of teacher %q can't be used (teacher.max_bad is %g); first reasons: %v",
			ErrData, r.Quality.Quarantined, r.Wanted, r.Teacher, maxBad, r.Quality.Reasons)
	}
	return nil
}

func writeRationales(dir string, rows []teacher.Rationale, record Distillation) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("make folder for rationales: %w", err)
	}
	if err := writeLines(filepath.Join(dir, "rationales.jsonl"), rows); err != nil {
		return err
	}
	return writeJSON(filepath.Join(dir, "distillation.json"), record)
}

// Distill does it all in one go. Experiments that were begun before shards still ask for it; others are given [Activities.DistillPlan],
// [Activities.DistillShard] and [Activities.DistillGather] by the workflow Distillation.
func (a *Activities) Distill(ctx context.Context, in DistillInput) (storage.Ref, error) {
	plan, err := a.DistillPlan(ctx, in)
	if err != nil {
		return storage.Ref{}, err
	}
	for shard := range plan.Shards {
		if _, err := a.DistillShard(ctx, DistillShardInput{in, plan.Artefact, shard + 1}); err != nil {
			return storage.Ref{}, err
		}
	}
	return a.DistillGather(ctx, in)
}
