package workflows

import (
	"encoding/json"
	"fmt"
	"slices"

	"go.temporal.io/sdk/workflow"

	"rdrec/activities"
	"rdrec/storage"
)

// stub only provides its methods' names: activities are scheduled by name, on any worker that polls
// the queue.
var stub *activities.Activities //nolint:gochecknoglobals // a nil pointer that is never followed

// stage is one step of an experiment: its name, its inputs, and the activity that does the work.
type stage struct {
	// name identifies the stage in the bucket; label adds the trial for people. trial is the trial
	// alone, empty for a stage of all trials.
	name, label, trial string
	// settings and inputs determine the output completely; they make up the fingerprint.
	settings any
	inputs   []string
	queue    string
	// priority is the work's in its queue; 0 is the default.
	priority int
	// activity does the work; arg is its input.
	activity any
	arg      func(fingerprint string) any
	// run does the work of a stage that needs more than one activity.
	run func(ctx workflow.Context, entry *StageStatus) (activities.StageResult, error)
	// uncached stages are not looked up and not recorded here: the caller does so.
	uncached bool
}

// stageVersions returns the versions of all stages. A version is raised when the stage's code
// changes the output of the same inputs.
func stageVersions() map[string]int {
	versions := experimentVersions()
	versions[exportStage], versions["export-shard"], versions["export-format"] = 2, 2, 1
	return versions
}

// experimentVersions are the versions of the stages that an experiment can have.
func experimentVersions() map[string]int {
	return map[string]int{
		"import": 3, distillStage: 2, "preprocess": 1, "baseline": 3, "sasrec": 3, "bsarec": 3,
		"pretrain": 1, "evaluate": 1, "evaluate-shard": 1, "fuse": 3, "entailment": 1,
	}
}

// run returns the stage's earlier output, or does the work and records it.
func (t *stageTracker) run(ctx workflow.Context, s stage) (storage.Ref, error) {
	found, err := t.runStage(ctx, s)
	return found.Output, err
}

// runStage is [stageTracker.run] with the complete result. Only this function writes the record, in
// an activity that the workflow schedules, so the result of an abandoned attempt never becomes one.
func (t *stageTracker) runStage(ctx workflow.Context, s stage) (activities.StageResult, error) {
	record, err := t.record(s)
	if err != nil {
		return activities.StageResult{}, err
	}
	if t.planner != nil {
		return t.planner.plan(ctx, s, record)
	}
	entry := t.start(ctx, s, record.Fingerprint)
	ctx = workflow.WithValue(ctx, entryKey{}, entry)
	var found activities.StageResult
	if !s.uncached {
		if found, err = lookUp(ctx, record); err != nil {
			return activities.StageResult{}, t.finish(ctx, entry, Failed, found, err)
		}
	}
	if !found.Output.IsZero() {
		return found, t.finish(ctx, entry, Cached, found, nil)
	}
	if found, err = s.execute(ctx, entry, record.Fingerprint); err != nil {
		return activities.StageResult{}, t.finish(ctx, entry, Failed, found, err)
	}
	if !s.uncached && !found.Partial {
		err = commit(ctx, record, found)
	}
	if err != nil {
		return activities.StageResult{}, t.finish(ctx, entry, Failed, found, err)
	}
	return found, t.finish(ctx, entry, Finished, found, nil)
}

// execute does the stage's work.
func (s *stage) execute(
	ctx workflow.Context, entry *StageStatus, fingerprint string,
) (found activities.StageResult, err error) {
	started := workflow.Now(ctx)
	if s.run != nil {
		found, err = s.run(ctx, entry)
	} else {
		var out activities.StageOutput
		ctx := prioritized(stageOptions(ctx, s.queue, s.label), s.priority)
		err = execute(ctx, s.activity, s.arg(fingerprint), &out)
		found = out.Result()
	}
	if found.Seconds == 0 {
		found.Seconds = workflow.Now(ctx).Sub(started).Seconds()
	}
	return found, err
}

func lookUp(ctx workflow.Context, wanted storage.StageRecord) (found activities.StageResult, err error) {
	in := activities.LookUpInput{Stage: wanted.Stage, Fingerprint: wanted.Fingerprint, Label: wanted.Label}
	err = keepBooks(ctx, "look up "+wanted.Stage, stub.LookUp, in, &found)
	return found, err
}

// record returns what is known of a stage's record before its work.
func (t *stageTracker) record(s stage) (record storage.StageRecord, err error) {
	inputs := s.inputs
	if t.nonce != "" {
		inputs = append(slices.Clone(inputs), "nocache "+t.nonce)
	}
	version, versioned := stageVersions()[s.name]
	if !versioned {
		panic("stage " + s.name + " has no version")
	}
	fingerprint, err := storage.Fingerprint(s.name, version, s.settings, inputs...)
	if err != nil {
		return record, err
	}
	settings, err := json.Marshal(s.settings)
	if err != nil {
		return record, fmt.Errorf("encode the settings of stage %q: %w", s.name, err)
	}
	return storage.StageRecord{
		Stage: s.name, Label: s.label, Fingerprint: fingerprint, Inputs: s.inputs, Version: version,
		Settings: string(settings),
	}, nil
}

func commit(ctx workflow.Context, done storage.StageRecord, found activities.StageResult) error {
	run := workflow.GetInfo(ctx).WorkflowExecution
	done.Output, done.Seconds, done.Stats = found.Output, found.Seconds, found.Stats
	done.Workflow, done.Run = run.ID, run.RunID
	return keepBooks(ctx, "record "+done.Stage, stub.CommitStage, done, nil)
}
