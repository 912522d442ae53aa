package activities

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"rdrec/internal/teacher"
	"rdrec/storage"
)

// DistillPlan is how a distillation is split.
type DistillPlan struct {
	// Explanations is how many distinct texts the dataset has. Wanted of them are to be distilled,
	// and Found are in the bucket already.
	Explanations int `json:"explanations"`
	Wanted       int `json:"wanted"`
	Found        int `json:"found"`
	// Parsed and Quarantined count the Found rows.
	Parsed      int `json:"parsed"`
	Quarantined int `json:"quarantined"`
	// Shards is the number of shards of the missing rows, all in one artifact.
	Shards   int         `json:"shards"`
	Artifact storage.Ref `json:"artifact"`
}

// maxShards is the greatest number of shards of a distillation; beyond it the shards have more rows
// than the teacher's shard_rows.
const maxShards = 10_000

// shardFile names a shard, from 1, in the plan's artifact.
func shardFile(shard int) string { return fmt.Sprintf("%06d.jsonl", shard) }

// PlanDistillation finds the explanations that have no rationale in the bucket yet and splits them
// into shards. Only the missing rows determine the shards, so planning the same work again gives
// the same shards.
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
		Explanations: all, Wanted: len(requests), Found: len(done), Parsed: stored.Parsed,
		Quarantined: stored.Quarantined,
	}
	missing := done.missing(requests)
	if len(missing) == 0 {
		return plan, nil
	}
	out := filepath.Join(work.dir, "plan")
	if err := os.MkdirAll(out, 0o750); err != nil {
		return plan, fmt.Errorf("make folder for the plan: %w", err)
	}
	rows := max(in.Teacher.ShardRows, 1, (len(missing)+maxShards-1)/maxShards)
	for len(missing) > 0 {
		n := min(len(missing), rows)
		plan.Shards++
		if err := writeJSONL(filepath.Join(out, shardFile(plan.Shards)), missing[:n]); err != nil {
			return plan, err
		}
		missing = missing[n:]
	}
	plan.Artifact, err = a.Bucket.PutFolder(ctx, "plan", out)
	return plan, err
}
