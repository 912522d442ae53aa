package workflows

import (
	"fmt"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"rdrec/activities"
	"rdrec/internal/spec"
	"rdrec/internal/task"
	"rdrec/storage"
)

// TrialInput is one method trained and evaluated with one seed.
type TrialInput struct {
	Spec   spec.Spec
	Method string
	Seed   int64
	// Flip is the switch that an ablation flips; empty leaves the spec's protocol as it is.
	Flip string `json:",omitempty"`
	// Student is the digest of the weights to start from; empty starts from random weights.
	Student  string
	Examples storage.Ref
	// Fresh is the experiment's [Fresh] nonce.
	Fresh string `json:",omitempty"`
}

// resolve finds the tables' rows that the trial is about, and says what an ablation flipped.
func (in TrialInput) resolve() (method spec.Method, protocol spec.Protocol, variant string, err error) {
	if method, err = spec.MethodNamed(in.Method); err != nil {
		return method, protocol, "", err
	}
	if protocol, err = in.Spec.Resolve(); err != nil || in.Flip == "" {
		return method, protocol, "", err
	}
	flipped, err := spec.SwitchNamed(in.Flip)
	if err != nil {
		return method, protocol, "", err
	}
	protocol = flipped.Flip(protocol)
	return method, protocol, flipped.State(protocol), nil
}

func trialOptions(ctx workflow.Context, in TrialInput) workflow.Context {
	id := fmt.Sprintf("%s/%s-%d", workflow.GetInfo(ctx).WorkflowExecution.ID, in.Method, in.Seed)
	summary := fmt.Sprintf("%s, seed %d", in.Method, in.Seed)
	if in.Flip != "" {
		id += "-" + in.Flip
		summary += ", with " + in.Flip + " the other way round"
	}
	return workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID:          id,
		ParentClosePolicy:   enums.PARENT_CLOSE_POLICY_REQUEST_CANCEL,
		WaitForCancellation: true,
		StaticSummary:       summary,
	})
}

// Trial trains one student and examines it on every kind of task.
func Trial(ctx workflow.Context, in TrialInput) (activities.TrialResult, error) {
	stages, err := open(ctx, in.Fresh)
	if err != nil {
		return activities.TrialResult{}, err
	}
	t := &trial{TrialInput: in, stages: stages}
	if t.method, t.protocol, t.variant, err = in.resolve(); err != nil {
		return activities.TrialResult{}, temporal.NewNonRetryableApplicationError(err.Error(), activities.TypeInvalidConfig, err)
	}
	model, err := t.pretrain(ctx)
	if err != nil {
		return activities.TrialResult{}, err
	}
	result := activities.TrialResult{Method: in.Method, Variant: t.variant, Seed: in.Seed, Model: model}
	for _, kind := range t.kinds() {
		evaluation, err := t.evaluate(ctx, model, kind)
		if err != nil {
			return activities.TrialResult{}, err
		}
		result.Evaluations = append(result.Evaluations, evaluation)
	}
	result.Stages = stages.times()
	return result, nil
}

// trial is a running [Trial].
type trial struct {
	TrialInput
	method   spec.Method
	protocol spec.Protocol
	variant  string
	stages   *ledger
}

// pretrain is the training. Its settings hold of the protocol what it can depend on, so that a switch that changes nothing here finds
// the same student.
func (t *trial) pretrain(ctx workflow.Context) (storage.Ref, error) {
	in := activities.PretrainInput{
		Examples: t.Examples, Protocol: t.protocol.ForTraining(t.method, t.Spec.Train.Ratio), Method: t.Method,
		Student: t.Spec.Student, Train: t.Spec.Train, Negatives: t.Spec.Data.Negatives, Seed: t.Seed,
	}
	settings := in
	settings.Train.CheckpointSteps, settings.Train.Keep = 0, 0 // they change what a crash costs, never the weights
	return t.stages.run(ctx, stage{
		name: "pretrain", label: t.label("pretrain"), version: 1, queue: QueueGPU, activity: acts.Pretrain,
		settings: settings, inputs: []string{t.Examples.Digest, t.Student},
		arg: func(fingerprint string) any { in.Fingerprint = fingerprint; return in },
	})
}

// kinds are the kinds of tasks that the method learnt and the spec wants examined.
func (t *trial) kinds() []task.Kind {
	wanted := t.Spec.Evaluate
	var kinds []task.Kind
	if wanted.SequentialUsers >= 0 {
		kinds = append(kinds, task.KindSequential)
	}
	if wanted.TopNUsers >= 0 {
		kinds = append(kinds, task.KindTopN)
	}
	if wanted.Explanations >= 0 {
		kinds = append(kinds, task.KindExplanation)
	}
	return kinds
}

func (t *trial) evaluate(ctx workflow.Context, model storage.Ref, kind task.Kind) (storage.Ref, error) {
	protocol := t.protocol.ForRankings()
	if kind == task.KindExplanation {
		protocol = t.protocol.ForTexts()
	}
	in := activities.EvaluateInput{
		Examples: t.Examples, Model: model, Kind: kind, Protocol: protocol, Method: t.Method,
		Evaluate: t.Spec.Evaluate.Asked(), Seed: t.Seed,
	}
	whole := t.answers("evaluate", t.label("evaluate "+kind.String()), in)
	if parts := t.Spec.Evaluate.Shards; parts > 1 {
		whole.do = func(ctx workflow.Context, _ *StageStatus) (activities.Found, error) {
			return t.parts(ctx, in, parts, whole.label)
		}
	}
	return t.stages.run(ctx, whole)
}

// answers is the stage that answers a kind of examples, or a part of them.
func (t *trial) answers(name, label string, in activities.EvaluateInput) stage {
	return stage{
		name: name, label: label, version: 1, queue: QueueGPU, activity: acts.Evaluate,
		settings: in, inputs: []string{in.Examples.Digest, in.Model.Digest}, arg: func(string) any { return in },
	}
}

// parts has an examination's parts answered side by side, each a stage that a later run finds, and puts the answers together.
func (t *trial) parts(ctx workflow.Context, in activities.EvaluateInput, parts int, label string) (found activities.Found, err error) {
	merge := activities.MergeInput{Kind: in.Kind, Parts: make([]storage.Ref, parts)}
	err = share(ctx, parts, parts, func(ctx workflow.Context, i int) error {
		part := in
		part.Part, part.Parts = i, parts
		name := fmt.Sprintf("%s, part %d of %d", label, i+1, parts)
		ref, err := t.stages.run(ctx, t.answers("evaluate-part", name, part))
		merge.Parts[i] = ref
		return err
	})
	if err != nil {
		return found, err
	}
	err = workflow.ExecuteActivity(work(ctx, QueueCPU, "merge answers"), acts.MergeAnswers, merge).Get(ctx, &found.Output)
	return found, err
}

func (t *trial) label(stage string) string {
	return fmt.Sprintf("%s %s/%d", stage, spec.VariantName(t.Method, t.variant), t.Seed)
}
