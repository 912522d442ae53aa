package workflows

import (
	"fmt"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/workflow"

	"rdrec/activities"
	"rdrec/internal/spec"
	"rdrec/storage"
)

// DistillationInput says what is distilled, and by whom.
type DistillationInput struct {
	// Data is where the explanations come from, with its numbering written out; Seed numbers items
	// as an experiment's does.
	Data spec.Data `json:"data"`
	Seed int64     `json:"seed"`
	// HeldOut keeps explanations of validation and test pairs from being distilled.
	HeldOut bool         `json:"held_out"`
	Teacher spec.Teacher `json:"teacher"`
	// Sample, where not 0, is how many explanations are distilled for people to read.
	Sample int `json:"sample"`
	// Nonce, where set, has every row asked again and kept apart, see [Nonce].
	Nonce string `json:"nonce,omitempty"`
	// Parallel is how many shards are worked at together; 0 means 16. Lap is how many of them a run
	// finishes before it begins its history anew; 0 means 500.
	Parallel     int `json:"parallel"`
	ShardsPerRun int `json:"shards_per_run"`
	// Imported is what an experiment knows already; nil means that the data are to be imported, and
	// that the result is recorded here.
	Imported *Imported `json:"imported"`
	// ResumeState is where an earlier run of the same distillation stopped to begin its history
	// anew.
	Resume *ResumeState `json:"resume"`
}

// Imported is the imported data and the digest of the teacher's weights.
type Imported struct {
	Dataset       storage.Ref `json:"dataset"`
	TeacherDigest string      `json:"teacher_digest"`
}

// DistillationResult is what [Distillation] made.
type DistillationResult struct {
	// Rationales is an artifact with rationales.jsonl and distillation.json.
	Rationales storage.Ref `json:"rationales"`
	// Partial says that shards were skipped. Figures are the stage's.
	Partial bool          `json:"partial,omitempty"`
	Stats   storage.Stats `json:"stats,omitzero"`
	// Seconds is what it took, or had taken when it was found.
	Seconds float64 `json:"seconds"`
}

const (
	distillStage = "distill"
	// distillVersion is raised when the stage's code changes what it makes from the same inputs.
	distillVersion = 2
)

// NewDistillation is the distillation of a spec.
func NewDistillation(s spec.Spec) (DistillationInput, error) {
	protocol, err := s.Resolve()
	return DistillationInput{Data: resolvedData(s), Seed: s.Seed, HeldOut: protocol.HeldOut, Teacher: s.Teacher}, err
}

// distillationOptions are those of an experiment's own distillation.
func distillationOptions(ctx workflow.Context, teacher string) workflow.Context {
	return workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID:          workflow.GetInfo(ctx).WorkflowExecution.ID + "/" + distillStage,
		ParentClosePolicy:   enums.PARENT_CLOSE_POLICY_REQUEST_CANCEL,
		WaitForCancellation: true,
		StaticSummary:       fmt.Sprintf("rationales by %s", teacher),
	})
}

// Distillation has a teacher write the rationales of a data set, shard by shard, over the workers
// that poll the GPU queue. People watch it by the queries [QueryStages] and [QueryDistillation] and
// steer it by the updates [UpdatePause], [UpdateResume] and [UpdateSkip].
func Distillation(ctx workflow.Context, in DistillationInput) (DistillationResult, error) {
	stages, err := newStageTracker(ctx, "")
	if err != nil {
		return DistillationResult{}, err
	}
	d := newDistillation(in)
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

// identifyAndImport does what an experiment does before it distils, so that either finds what the
// other did.
func identifyAndImport(ctx workflow.Context, stages *stageTracker, in DistillationInput) (*Imported, error) {
	id, err := identify(ctx, activities.IdentifyInput{Data: in.Data, Teacher: in.Teacher, UsesTeacher: true})
	if err != nil {
		return nil, err
	}
	data, err := importData(ctx, stages, in.Data, in.Seed, id.Data)
	return &Imported{data, id.Teacher}, err
}

// distillationStage is the stage of a distillation whose data are known: the same for an experiment
// and for people who distil beforehand.
func distillationStage(in DistillationInput, run func(workflow.Context, *StageStatus) (activities.StageResult, error)) stage {
	settings := in.activityInput()
	settings.Teacher.Batch, settings.Teacher.ShardRows = 0, 0 // they change speed, never text
	return stage{
		name: distillStage, label: distillStage, version: distillVersion, settings: settings,
		inputs: []string{in.Imported.Dataset.Digest, in.Imported.TeacherDigest}, run: run,
	}
}

// execute is what the activities are told.
func (in *DistillationInput) activityInput() activities.DistillInput {
	return activities.DistillInput{
		Dataset: in.Imported.Dataset, Teacher: in.Teacher, Weights: in.Imported.TeacherDigest, HeldOut: in.HeldOut, Sample: in.Sample, Nonce: in.Nonce,
	}
}
