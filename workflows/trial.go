package workflows

import (
	"fmt"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/workflow"

	"rdrec/activities"
	"rdrec/internal/spec"
	"rdrec/internal/task"
	"rdrec/registry"
	"rdrec/storage"
)

// TrialInput is one method trained and evaluated with one seed.
type TrialInput struct {
	Spec   spec.Spec `json:"spec"`
	Method string    `json:"method"`
	Seed   int64     `json:"seed"`
	// FlippedSwitch is the switch that an ablation flips; empty leaves the spec's protocol
	// unchanged.
	FlippedSwitch string `json:"flipped_switch,omitempty"`
	// Pretrained is the digest of the initial weights; empty starts from random weights.
	Pretrained   string      `json:"pretrained"`
	Preprocessed storage.Ref `json:"preprocessed"`
	// Nonce is the experiment's [NoCache] nonce.
	Nonce string `json:"nonce,omitempty"`
}

// resolve returns the trial's method and protocol, and the state of the switch that an ablation
// flipped.
func (in TrialInput) resolve() (method spec.Method, protocol spec.Protocol, variant string, err error) {
	if method, err = spec.MethodNamed(in.Method); err != nil {
		return method, protocol, "", err
	}
	if protocol, err = in.Spec.Resolve(); err != nil || in.FlippedSwitch == "" {
		return method, protocol, "", err
	}
	flipped, err := spec.SwitchNamed(in.FlippedSwitch)
	if err != nil {
		return method, protocol, "", err
	}
	protocol = flipped.Flip(protocol)
	return method, protocol, flipped.State(protocol), nil
}

// trialID returns the workflow id of a trial.
func trialID(ctx workflow.Context, in TrialInput) string {
	id := fmt.Sprintf("%s/%s-%d", workflow.GetInfo(ctx).WorkflowExecution.ID, in.Method, in.Seed)
	if in.FlippedSwitch != "" {
		id += "-" + in.FlippedSwitch
	}
	return id
}

func trialOptions(ctx workflow.Context, in TrialInput) workflow.Context {
	summary := fmt.Sprintf("%s, seed %d", in.Method, in.Seed)
	if in.FlippedSwitch != "" {
		summary += ", with " + in.FlippedSwitch + " flipped"
	}
	return workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID:          trialID(ctx, in),
		ParentClosePolicy:   enums.PARENT_CLOSE_POLICY_REQUEST_CANCEL,
		WaitForCancellation: true,
		StaticSummary:       summary,
		StaticDetails: fmt.Sprintf("One student: method **%s**, size **%s**, seed %d, trained and evaluated.",
			in.Method, in.Spec.Student.Size, in.Seed),
	})
}

// Trial trains one student and evaluates it on every task.
func Trial(ctx workflow.Context, in TrialInput) (result registry.TrialResult, err error) {
	ctx, stages, err := trackStages(ctx, in.Nonce)
	if err != nil {
		return registry.TrialResult{}, err
	}
	defer func() { err = stages.end(ctx, err) }()
	return runTrial(ctx, in, stages)
}

// runTrial runs the stages of a trial.
func runTrial(ctx workflow.Context, in TrialInput, stages *stageTracker) (result registry.TrialResult, err error) {
	t := &trial{TrialInput: in, stages: stages}
	if t.method, t.protocol, t.variant, err = in.resolve(); err != nil {
		return registry.TrialResult{}, invalidSpec(err)
	}
	model, err := t.pretrain(ctx)
	if err != nil {
		return registry.TrialResult{}, err
	}
	t.notifyTrained(ctx)
	result = registry.TrialResult{Method: in.Method, Variant: t.variant, Seed: in.Seed, Model: model}
	for _, task := range t.tasks() {
		predictions, err := t.evaluate(ctx, model, task)
		if err != nil {
			return registry.TrialResult{}, err
		}
		result.Evaluations = append(result.Evaluations, predictions)
	}
	run := workflow.GetInfo(ctx).WorkflowExecution
	result.Workflow, result.Run, result.Cost = run.ID, run.RunID, registry.CostOf(stages.times())
	return result, nil
}

// trial is a running [Trial].
type trial struct {
	TrialInput
	method   spec.Method
	protocol spec.Protocol
	variant  string
	stages   *stageTracker
}

// pretrain is the training stage. Its settings have only the switches of the protocol on which
// training depends, so that a switch without effect finds the same student.
func (t *trial) pretrain(ctx workflow.Context) (storage.Ref, error) {
	in := activities.PretrainInput{
		Preprocessed: t.Preprocessed, Protocol: t.protocol.ForTraining(t.method, t.Spec.Train.Ratio), Method: t.Method,
		Student: t.Spec.Student, Train: t.Spec.Train, Negatives: t.Spec.Data.Negatives, Seed: t.Seed,
	}
	settings := in
	// Checkpoints change the cost of a crash, never the weights; processes change their last bits.
	settings.Train.CheckpointSteps, settings.Train.KeepCheckpoints, settings.Train.Processes = 0, 0, 0
	return t.stages.run(ctx, stage{
		name: "pretrain", label: t.label("pretrain"), trial: t.name(), queue: QueueGPU, activity: stub.Pretrain,
		priority: trainingPriority, settings: settings, inputs: []string{t.Preprocessed.Digest, t.Pretrained},
		arg: func(fingerprint string) any { in.Fingerprint = fingerprint; return in },
	})
}

// tasks returns the tasks to evaluate.
func (t *trial) tasks() []task.Task {
	enabled := t.Spec.Evaluate
	var tasks []task.Task
	if enabled.SequentialUsers >= 0 {
		tasks = append(tasks, task.Sequential)
	}
	if enabled.TopNUsers >= 0 {
		tasks = append(tasks, task.TopN)
	}
	if enabled.Explanations >= 0 {
		tasks = append(tasks, task.Explanation)
	}
	return tasks
}

func (t *trial) evaluate(ctx workflow.Context, model storage.Ref, current task.Task) (storage.Ref, error) {
	protocol := t.protocol.ForRankings()
	if current == task.Explanation {
		protocol = t.protocol.ForTexts()
	}
	in := activities.EvaluateInput{
		Preprocessed: t.Preprocessed, Model: model, Task: current, Protocol: protocol, Method: t.Method,
		Evaluate: t.Spec.Evaluate.ForPredictions(), Seed: t.Seed,
	}
	unsharded := t.evaluationStage("evaluate", t.label("evaluate "+current.String()), in)
	if shards := t.Spec.Evaluate.Shards; shards > 1 {
		unsharded.run = func(ctx workflow.Context, _ *StageStatus) (activities.StageResult, error) {
			return t.evaluateShards(ctx, in, shards, unsharded.label)
		}
	}
	return t.stages.run(ctx, unsharded)
}

// evaluationStage is the stage that evaluates a task, or one shard of it.
func (t *trial) evaluationStage(name, label string, in activities.EvaluateInput) stage {
	return stage{
		name: name, label: label, trial: t.name(), queue: QueueGPU, activity: stub.Evaluate,
		priority: evaluationPriority,
		settings: in, inputs: []string{in.Preprocessed.Digest, in.Model.Digest}, arg: func(string) any { return in },
	}
}

// maxParallelShards is how many shards of an evaluation wait for a worker or run at the same time.
const maxParallelShards = 64

// evaluateShards evaluates the shards of a task in parallel, each as a stage that a later run
// reuses, and merges the predictions.
func (t *trial) evaluateShards(
	ctx workflow.Context, in activities.EvaluateInput, shards int, label string,
) (found activities.StageResult, err error) {
	merge := activities.MergePredictionsInput{Task: in.Task, Shards: make([]storage.Ref, shards)}
	err = parallel(ctx, shards, maxParallelShards, func(ctx workflow.Context, i int) error {
		shard := in
		shard.Shard, shard.Shards = i, shards
		name := fmt.Sprintf("%s, shard %d of %d", label, i+1, shards)
		ref, err := t.stages.run(ctx, t.evaluationStage("evaluate-shard", name, shard))
		merge.Shards[i] = ref
		return err
	})
	if err != nil {
		return found, err
	}
	err = execute(stageOptions(ctx, QueueCPU, "merge predictions"), stub.MergePredictions, merge, &found.Output)
	return found, err
}

func (t *trial) label(stage string) string {
	return stage + " " + t.name()
}

// name returns the trial's method and seed for people.
func (t *trial) name() string {
	return fmt.Sprintf("%s/%d", spec.MethodLabel(t.Method, t.variant), t.Seed)
}
