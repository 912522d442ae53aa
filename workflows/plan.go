package workflows

import (
	"encoding/json"
	"fmt"

	"go.temporal.io/sdk/workflow"

	"rdrec/activities"
	"rdrec/internal/room"
	"rdrec/registry"
	"rdrec/storage"
)

// PlanInput is the input of [Plan].
type PlanInput struct {
	Experiment ExperimentInput `json:"experiment"`
}

// PlanResult is what a run of the spec would do.
type PlanResult struct {
	// Identity is the digests of the inputs now.
	Identity registry.Identity       `json:"identity"`
	Stages   []registry.PlannedStage `json:"stages"`
	// Room is what the work on the inputs takes.
	Room []room.Need `json:"room,omitempty"`
}

// Plan looks up every stage of a spec as [Experiment] does and returns which of them a run would
// reuse. It runs no stage and records nothing.
func Plan(ctx workflow.Context, in PlanInput) (result PlanResult, err error) {
	defer func() { err = workflowError(err) }()
	stages := &stageTracker{nonce: in.Experiment.NoCache.Nonce, pauser: &pauser{}, planner: &planner{}}
	e, err := newExperiment(in.Experiment, stages)
	if err != nil {
		return result, err
	}
	record, err := e.run(ctx)
	return PlanResult{record.Identity, stages.planner.stages, e.room}, err
}

// planner replaces the work of a run's stages in a [Plan].
type planner struct{ stages []registry.PlannedStage }

// plan looks a stage up. If there is no earlier output, the stage gets a placeholder as output,
// which makes every stage that reads it wait for this one.
func (p *planner) plan(
	ctx workflow.Context, s stage, record storage.StageRecord,
) (found activities.StageResult, err error) {
	planned := registry.PlannedStage{StageRecord: record, Trial: s.trial, GPU: s.runsOnGPU()}
	text, err := json.Marshal([]any{s.settings, s.inputs})
	if err != nil {
		return found, fmt.Errorf("read the inputs of stage %q: %w", s.name, err)
	}
	planned.After = registry.PlannedInputs(text)
	if len(planned.After) == 0 && !s.uncached {
		in := activities.LookUpInput{Stage: s.name, Fingerprint: record.Fingerprint, Plan: true}
		if err := keepBooks(ctx, "look up "+s.name, stub.LookUp, in, &found); err != nil {
			return found, err
		}
	}
	planned.Cached = !found.Output.IsZero()
	if !planned.Cached {
		found.Output = registry.PlannedOutput(s.label)
	} else {
		planned.Output, planned.Seconds, planned.Stats = found.Output, found.Seconds, found.Stats
		planned.Workflow, planned.Run, planned.Time = found.From.Workflow, found.From.Run, found.From.Time
	}
	p.stages = append(p.stages, planned)
	return found, nil
}

// runsOnGPU reports whether the stage's work fills an accelerator.
func (s *stage) runsOnGPU() bool { return s.queue == QueueGPU || s.name == distillStage }
