package workflows

import (
	"fmt"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/workflow"

	"rdrec/activities"
	"rdrec/internal/spec"
	"rdrec/storage"
)

// DistillationInput names the explanations to distill and the teacher.
type DistillationInput struct {
	// Data is the source of the explanations, with its item indexing written out. Seed indexes
	// items as in an experiment.
	Data spec.Data `json:"data"`
	Seed int64     `json:"seed"`
	// HeldOut excludes the explanations of validation and test pairs.
	HeldOut bool         `json:"held_out"`
	Teacher spec.Teacher `json:"teacher"`
	// Sample, where not 0, is how many explanations are distilled for people to read.
	Sample int `json:"sample"`
	// Nonce, where set, requests every row again and stores the rows apart, see [NoCache].
	Nonce string `json:"nonce,omitempty"`
	// Parallel is the number of shards that run at the same time; 0 means 16. ShardsPerRun is how
	// many shards a run finishes before it continues as new; 0 means 500.
	Parallel     int `json:"parallel"`
	ShardsPerRun int `json:"shards_per_run"`
	// Imported is the data of the experiment that distills. Nil means that the workflow imports the
	// data and records the result itself.
	Imported *Imported `json:"imported"`
	// Resume is the state of the run that continued as new; nil in the first run.
	Resume *ResumeState `json:"resume"`
}

// Imported is the imported dataset and the digest of the teacher's weights.
type Imported struct {
	Dataset       storage.Ref `json:"dataset"`
	TeacherDigest string      `json:"teacher_digest"`
}

// DistillationResult is the result of [Distillation].
type DistillationResult struct {
	// Rationales is an artifact with rationales.jsonl and distillation.json.
	Rationales storage.Ref `json:"rationales"`
	// Partial means that shards were skipped. Stats are the stage's.
	Partial bool          `json:"partial,omitempty"`
	Stats   storage.Stats `json:"stats,omitzero"`
	// Seconds is how long it took, in the earlier run if it was cached.
	Seconds float64 `json:"seconds"`
}

const distillStage = "distill"

// NewDistillation returns the distillation of a spec.
func NewDistillation(s spec.Spec) (DistillationInput, error) {
	protocol, err := s.Resolve()
	return DistillationInput{Data: resolvedData(s), Seed: s.Seed, HeldOut: protocol.HeldOut, Teacher: s.Teacher}, err
}

// distillationOptions are the options of an experiment's own distillation.
func distillationOptions(ctx workflow.Context, teacher string) workflow.Context {
	return workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID:          workflow.GetInfo(ctx).WorkflowExecution.ID + "/" + distillStage,
		ParentClosePolicy:   enums.PARENT_CLOSE_POLICY_REQUEST_CANCEL,
		WaitForCancellation: true,
		StaticSummary:       fmt.Sprintf("rationales by %s", teacher),
		StaticDetails: "A teacher distills each explanation into a rationale, in shards. Finished rows are kept: " +
			"no row is requested twice.",
	})
}

// Distillation lets a teacher generate the rationales of a dataset, in shards for the workers that
// poll the GPU queue. People watch it by the queries [QueryStages] and [QueryDistillation] and
// control it by the updates [UpdatePause], [UpdateResume] and [UpdateSkip].
func Distillation(ctx workflow.Context, in DistillationInput) (result DistillationResult, err error) {
	ctx, stages, err := newStageTracker(ctx, "")
	if err != nil {
		return DistillationResult{}, err
	}
	defer func() { err = stages.end(ctx, err) }()
	d := newDistillation(in)
	d.pauser, d.stages = stages.pauser, stages
	if err := d.setHandlers(ctx); err != nil {
		return DistillationResult{}, err
	}
	d.standalone = in.Imported == nil || in.Resume != nil && in.Resume.Standalone
	if in.Imported == nil {
		if in.Imported, err = identifyAndImport(ctx, stages, in); err != nil {
			return DistillationResult{}, err
		}
	}
	d.in.Imported = in.Imported
	s := distillationStage(in, func(ctx workflow.Context, entry *StageStatus) (activities.StageResult, error) {
		d.entry = entry
		return d.run(ctx)
	})
	s.uncached = !d.standalone || in.Sample > 0
	found, err := stages.runStage(ctx, s)
	return DistillationResult{found.Output, found.Partial, found.Stats, found.Seconds}, err
}

// identifyAndImport does what an experiment does before it distills, so that each reuses the
// other's results.
func identifyAndImport(ctx workflow.Context, stages *stageTracker, in DistillationInput) (*Imported, error) {
	id, err := identify(ctx, activities.IdentifyInput{Data: in.Data, Teacher: in.Teacher, UsesTeacher: true})
	if err != nil {
		return nil, err
	}
	data, err := importData(ctx, stages, in.Data, in.Seed, id.Identity)
	return &Imported{data, id.Teacher}, err
}

// distillationStage is the stage of a distillation of imported data: the same for an experiment and
// for a distillation on its own.
func distillationStage(
	in DistillationInput, run func(workflow.Context, *StageStatus) (activities.StageResult, error),
) stage {
	settings := in.activityInput()
	settings.Teacher.Batch, settings.Teacher.ShardRows = 0, 0 // they change speed, never text
	return stage{
		name: distillStage, label: distillStage, settings: settings,
		inputs: []string{in.Imported.Dataset.Digest, in.Imported.TeacherDigest}, run: run,
	}
}

// activityInput returns the input of the activities.
func (in *DistillationInput) activityInput() activities.DistillInput {
	return activities.DistillInput{
		Dataset: in.Imported.Dataset, Teacher: in.Teacher, Weights: in.Imported.TeacherDigest, HeldOut: in.HeldOut,
		Sample: in.Sample, Nonce: in.Nonce,
	}
}
