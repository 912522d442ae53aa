package registry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"rdrec/internal/room"
	"rdrec/internal/spec"
	"rdrec/storage"
)

// Plan is what a run of a spec would do.
type Plan struct {
	Name string `json:"name"`
	// Since is the finished run of the same name that the spec is compared with; empty if there is
	// none.
	Since  string    `json:"since,omitempty"`
	Stages []PlanRow `json:"stages"`
	// Total is the time of all stages that will run, one after the other, and GPU the part of it
	// that fills an accelerator. Unknown is how many of these stages have no estimate.
	// OnGPU is the part of it whose estimate is from work on GPUs; zero if the workers had none.
	Total   Estimate `json:"total"`
	GPU     Estimate `json:"gpu"`
	OnGPU   Estimate `json:"on_gpu,omitzero"`
	Unknown int      `json:"unknown"`
	// Room is the memory and the disk that the stages take that will run, where it is known.
	Room []room.Need `json:"room,omitempty"`
}

// PlanRow is one stage of a plan.
type PlanRow struct {
	Label string `json:"label"`
	Stage string `json:"stage"`
	// Trial is the method and the seed; empty for a stage of all trials.
	Trial string `json:"trial,omitempty"`
	// GPU means that the work fills an accelerator.
	GPU    bool `json:"gpu,omitempty"`
	Cached bool `json:"cached"`
	// From and FromTime are the run that made a cached result, and when.
	From     string    `json:"from,omitempty"`
	FromTime time.Time `json:"from_time,omitzero"`
	// Why is why the stage runs; empty if it is cached.
	Why []Reason `json:"why,omitempty"`
	// Rows is how many units the work has, and Tokens how many a teacher generates: those of the
	// cached result, or estimated. Bytes is the size of the result. Zero means unknown.
	Rows   int    `json:"rows,omitempty"`
	Unit   string `json:"unit,omitempty"`
	Tokens int    `json:"tokens,omitempty"`
	Bytes  int64  `json:"bytes,omitempty"`
	// Estimate is how long the stage will run; without runs where it is cached or nothing is known.
	Estimate Estimate `json:"estimate"`
}

// Running returns the number of stages that will run.
func (p Plan) Running() int {
	n := 0
	for _, row := range p.Stages {
		if !row.Cached {
			n++
		}
	}
	return n
}

// maxPastRuns is how many runs of a bucket an estimate reads.
const maxPastRuns = 50

// NewPlan explains and estimates the stages that a spec's run would look up, from the finished runs
// of the bucket. With force, no stage is reused. [Plan.AddRoom] adds what they take.
func NewPlan(
	ctx context.Context, b *storage.Bucket, s spec.Spec, stages []PlannedStage, force bool,
) (Plan, error) {
	runs, err := PastRuns(ctx, b, maxPastRuns)
	if err != nil {
		return Plan{}, err
	}
	plan := Plan{Name: s.Name}
	previous := latest(runs, s.Name, time.Time{})
	if previous != nil {
		plan.Since = previous.Name
	}
	for _, planned := range stages {
		row := PlanRow{
			Label: planned.Label, Stage: planned.Stage, Trial: planned.Trial, GPU: planned.GPU, Cached: planned.Cached,
		}
		if planned.Cached {
			row.From, row.FromTime = planned.Workflow, planned.Time
			row.setWork(planned.Stats, 1)
			row.Bytes, err = artifactBytes(ctx, b, planned.Output)
		} else {
			row.Why, err = whyPlanned(ctx, b, previous, planned, force)
			if err == nil {
				err = plan.estimate(ctx, b, &row, s, runs)
			}
		}
		if err != nil {
			return plan, fmt.Errorf("plan stage %q: %w", planned.Label, err)
		}
		plan.Stages = append(plan.Stages, row)
	}
	return plan, nil
}

// AddRoom adds the needs of the stages that will run.
func (p *Plan) AddRoom(needs []room.Need) {
	stages := map[string]string{
		room.ImportWork: "import", room.DistillWork: "distill", room.TrainingWork: "pretrain",
		room.PreprocessWork: "preprocess", room.BaselineWork: "baseline", room.DataWork: "pretrain",
		room.EvaluateWork: "evaluate",
	}
	for _, need := range needs {
		runs := func(row PlanRow) bool { return row.Stage == stages[need.Work] && !row.Cached }
		if slices.ContainsFunc(p.Stages, runs) {
			p.Room = append(p.Room, need)
		}
	}
}

// DatasetRoom replaces the needs of the stages that read a dataset by those of the dataset's own
// size, if it is in the bucket already.
func DatasetRoom(
	ctx context.Context, b *storage.Bucket, stages []PlannedStage, needs []room.Need,
) ([]room.Need, error) {
	for _, name := range []string{"preprocess", "import"} {
		at := slices.IndexFunc(stages, func(p PlannedStage) bool { return p.Stage == name && p.Cached })
		if at < 0 {
			continue
		}
		artifact, err := b.Artifact(ctx, stages[at].Output)
		var corrupt *storage.CorruptError
		if errors.Is(err, storage.ErrNotFound) || errors.As(err, &corrupt) {
			continue // the run finds that out
		}
		if err != nil {
			return needs, err
		}
		folder := room.Folder{Files: map[string]int64{}}
		for _, f := range artifact.Files {
			folder.Files[f.Name] = f.Size
		}
		known := folder.Experiment()
		others := slices.DeleteFunc(slices.Clone(needs), func(need room.Need) bool {
			return slices.ContainsFunc(known, func(k room.Need) bool { return k.Work == need.Work })
		})
		return append(others, known...), nil
	}
	return needs, nil
}

// estimate estimates a stage that will run, and adds it to the totals.
func (p *Plan) estimate(
	ctx context.Context, b *storage.Bucket, row *PlanRow, s spec.Spec, runs []PastRun,
) (err error) {
	known := comparableStages(runs, s, row.Label)
	if len(known) == 0 {
		p.Unknown++
		return nil
	}
	row.Estimate = newEstimate(known)
	if row.Stage == "distill" { // finished rationales are reused, whatever else changed
		row.Estimate.Low = 0
	}
	p.Total = p.Total.add(row.Estimate)
	if row.GPU {
		p.GPU = p.GPU.add(row.Estimate)
	}
	if known[0].Stats.GPU != "" {
		p.OnGPU = p.OnGPU.add(row.Estimate)
	}
	row.setWork(known[0].Stats, known[0].ratio)
	row.Bytes, err = artifactBytes(ctx, b, known[0].Output)
	return err
}

func (r *PlanRow) setWork(stats storage.Stats, ratio float64) {
	r.Rows, r.Unit, r.Tokens = stats.Units, stats.Unit, int(ratio*float64(stats.Tokens))
	if stats.Requests > 0 {
		r.Rows, r.Unit = stats.Requests, "requests"
	}
	r.Rows = int(ratio * float64(r.Rows))
}

// artifactBytes returns the size of an artifact's files; 0 if the artifact is missing or corrupt.
func artifactBytes(ctx context.Context, b *storage.Bucket, ref storage.Ref) (total int64, err error) {
	artifact, err := b.Artifact(ctx, ref)
	var corrupt *storage.CorruptError
	if errors.Is(err, storage.ErrNotFound) || errors.As(err, &corrupt) {
		return 0, nil
	}
	for _, f := range artifact.Files {
		total += f.Size
	}
	return total, err
}

// whyPlanned returns why a stage will run, compared with an earlier run; nil means no earlier run.
func whyPlanned(
	ctx context.Context, b *storage.Bucket, previous *PastRun, planned PlannedStage, force bool,
) (reasons []Reason, err error) {
	if force {
		return []Reason{{Change: Forced}}, nil
	}
	for _, label := range planned.After {
		reasons = append(reasons, Reason{StageRuns, label})
	}
	var own []Reason
	if previous == nil {
		own = []Reason{{Change: NeverDone}}
	} else if own, err = whyDifferent(ctx, b, previous.RunRecord, planned.StageRecord); err != nil {
		return nil, err
	}
	for _, reason := range own { // a stage that waits for others has reasons of its own if it changed itself
		if len(planned.After) == 0 || reason.Change == SpecChanged || reason.Change == CodeChanged {
			reasons = append(reasons, reason)
		}
	}
	return reasons, nil
}

// whyDifferent returns why a run's result of a stage is not that of its work now.
func whyDifferent(
	ctx context.Context, b *storage.Bucket, run RunRecord, now storage.StageRecord,
) ([]Reason, error) {
	earlier, done := run.stage(now.Label)
	if !done {
		return []Reason{{Change: NeverDone}}, nil
	}
	before, err := b.StageRecord(ctx, now.Stage, earlier.Fingerprint)
	if errors.Is(err, storage.ErrNotFound) {
		if earlier.Fingerprint == now.Fingerprint {
			return []Reason{{Change: ResultsMissing}}, nil
		}
		return []Reason{{UnknownChange, "the earlier record is missing"}}, nil
	}
	if err != nil {
		return nil, err
	}
	return CompareStages(before, now), nil
}
