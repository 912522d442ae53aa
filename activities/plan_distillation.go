package activities

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

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
	// Shards is the number of shards of the missing rows, and Parts are artifacts of partShards
	// shards each, in order: the list of all files would be read by each shard.
	Shards int           `json:"shards"`
	Parts  []storage.Ref `json:"parts,omitempty"`
	// Artifact has all shards where an earlier version planned them.
	Artifact storage.Ref `json:"artifact,omitzero"`
}

// partShards is the number of shards in a part of a plan: as many as [maxShards] has parts, so that
// neither the plan nor a part is long.
const partShards = 100

// Of returns the artifact that has a shard, from 1.
func (p DistillPlan) Of(shard int) storage.Ref {
	if part := (shard - 1) / partShards; part < len(p.Parts) {
		return p.Parts[part]
	}
	return p.Artifact
}

// maxShards is the greatest number of shards of a distillation; beyond it the shards have more rows
// than the teacher's shard_rows.
const maxShards = 10_000

// shardFile names a shard, from 1, in its part of the plan.
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
	rows := max(in.Teacher.ShardRows, 1, (len(missing)+maxShards-1)/maxShards)
	for from := 0; from < len(missing); from += rows * partShards {
		part := missing[from:min(from+rows*partShards, len(missing))]
		ref, shards, err := a.storePart(ctx, filepath.Join(work.dir, "plan"), plan.Shards, part, rows)
		if err != nil {
			return plan, err
		}
		plan.Parts, plan.Shards = append(plan.Parts, ref), plan.Shards+shards
	}
	return plan, nil
}

// storePart stores a part of a plan, whose shards have so many rows each and follow the shard with
// the number last.
func (a *Activities) storePart(
	ctx context.Context, dir string, last int, requests []teacher.Request, rows int,
) (ref storage.Ref, shards int, err error) {
	if err := os.RemoveAll(dir); err != nil {
		return ref, 0, fmt.Errorf("remove a part of the plan: %w", err)
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return ref, 0, fmt.Errorf("make folder for the plan: %w", err)
	}
	for shard := range slices.Chunk(requests, rows) {
		shards++
		if err := writeJSONL(filepath.Join(dir, shardFile(last+shards)), shard); err != nil {
			return ref, 0, err
		}
	}
	ref, err = a.Bucket.PutFolder(ctx, "plan", dir)
	return ref, shards, err
}
