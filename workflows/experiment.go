// Package workflows says in which order things happen: an experiment imports, distils,
// preprocesses, trains and evaluates each trial, compares with baselines and reports. In: a
// [spec.Spec]; out: a reference to the report. It does no work itself: it calls activities, each on
// the task queue of the resource that it needs, and finds those that were done before in the
// bucket.
package workflows

import (
	"slices"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"rdrec/activities"
	"rdrec/internal/spec"
	"rdrec/registry"
	"rdrec/storage"
)

// ExperimentInput is what [Experiment] is started with.
type ExperimentInput struct {
	Spec spec.Spec `json:"spec"`
	// Nonce, where set, has everything done anew.
	NoCache NoCache `json:"no_cache,omitzero"`
}

// Nonce makes a run do every stage itself, to see whether the same spec gives the same bytes. What
// was done before is neither looked at nor overwritten: the nonce is part of each stage's
// fingerprint, so records and checkpoints of a fresh run are its own.
type NoCache struct {
	// Nonce names the fresh run; empty for a run that takes over what is done.
	Nonce string `json:"nonce"`
	// Rationales has the teacher asked again, too. Without it the rows that it finished are taken
	// over: a server's replies cost money, and are not the same twice.
	Rationales bool `json:"rationales"`
}

// ExperimentResult is where the report is.
type ExperimentResult struct {
	// Report is an artifact with report.html, report.json and report.txt.
	Report storage.Ref `json:"report"`
	// HTML is the bucket's key of the report for this run.
	HTML string `json:"html"`
}

// Experiment runs a spec from data to report.
func Experiment(ctx workflow.Context, in ExperimentInput) (ExperimentResult, error) {
	stages, err := newStageTracker(ctx, in.NoCache.Nonce)
	if err != nil {
		return ExperimentResult{}, err
	}
	protocol, err := in.Spec.Resolve()
	if err != nil {
		return ExperimentResult{}, temporal.NewNonRetryableApplicationError(err.Error(), activities.TypeInvalidConfig, err)
	}
	e := &experiment{in.Spec, in.NoCache, protocol, stages}
	id, err := e.identify(ctx)
	if err != nil {
		return ExperimentResult{}, err
	}
	data, err := e.importData(ctx, id)
	if err != nil {
		return ExperimentResult{}, err
	}
	rationales, err := e.distill(ctx, id, data)
	if err != nil {
		return ExperimentResult{}, err
	}
	preprocessed, err := e.preprocess(ctx, data, rationales)
	if err != nil {
		return ExperimentResult{}, err
	}
	trials := e.startTrials(ctx, id, preprocessed)
	baseline, err := e.baseline(ctx, preprocessed)
	if err != nil {
		return ExperimentResult{}, err
	}
	sasrec, err := e.sasrec(ctx, preprocessed)
	if err != nil {
		return ExperimentResult{}, err
	}
	results, err := e.awaitTrials(ctx, trials)
	if err != nil {
		return ExperimentResult{}, err
	}
	return e.report(ctx, registry.RunRecord{
		Identity: id, Dataset: data, Rationales: rationales, Preprocessed: preprocessed, Baseline: baseline, Sasrec: sasrec, Trials: results,
	})
}

// experiment is a running [Experiment].
type experiment struct {
	spec     spec.Spec
	noCache  NoCache
	protocol spec.Protocol
	stages   *stageTracker
}

// usesTeacher says whether any method learns rationales.
func (e *experiment) usesTeacher() bool {
	return slices.ContainsFunc(spec.Methods(), func(m spec.Method) bool {
		return m.Rationale && slices.Contains(e.spec.Methods, m.Name)
	})
}

func (e *experiment) identify(ctx workflow.Context) (registry.Identity, error) {
	return identify(ctx, activities.IdentifyInput{
		Data: e.spec.Data, Teacher: e.spec.Teacher, UsesTeacher: e.usesTeacher(), Student: e.spec.Student,
	})
}

func identify(ctx workflow.Context, in activities.IdentifyInput) (id registry.Identity, err error) {
	err = workflow.ExecuteActivity(stageOptions(ctx, QueueCPU, "hash the inputs"), stub.Identify, in).Get(ctx, &id)
	return id, err
}

func (e *experiment) importData(ctx workflow.Context, id registry.Identity) (storage.Ref, error) {
	return importData(ctx, e.stages, resolvedData(e.spec), e.spec.Seed, id.Data)
}

// resolvedData is a spec's data with their numbering written out.
func resolvedData(s spec.Spec) spec.Data {
	data := s.Data
	data.Indexing = s.Indexing()
	return data
}

func importData(ctx workflow.Context, stages *stageTracker, data spec.Data, seed int64, digest string) (storage.Ref, error) {
	data.Negatives = 0 // drawn later: not an input of this stage
	in := activities.ImportInput{Data: data}
	if row, err := spec.IndexingNamed(data.Indexing); err == nil && row.Seeded {
		in.Seed = seed
	}
	return stages.run(ctx, stage{
		name: "import", label: "import", version: 1, queue: QueueCPU, activity: stub.Import,
		settings: in, inputs: []string{digest}, arg: func(string) any { return in },
	})
}

func (e *experiment) distill(ctx workflow.Context, id registry.Identity, data storage.Ref) (storage.Ref, error) {
	if !e.usesTeacher() {
		return storage.Ref{}, nil
	}
	in := DistillationInput{
		Data: resolvedData(e.spec), Seed: e.spec.Seed, HeldOut: e.protocol.HeldOut, Teacher: e.spec.Teacher, Imported: &Imported{data, id.Teacher},
	}
	if e.noCache.Rationales {
		in.Nonce = e.noCache.Nonce
	}
	return e.stages.run(ctx, distillationStage(in, func(ctx workflow.Context, _ *StageStatus) (activities.StageResult, error) {
		var result DistillationResult
		err := workflow.ExecuteChildWorkflow(distillationOptions(ctx, e.spec.Teacher.Model), Distillation, in).Get(ctx, &result)
		return activities.StageResult{Output: result.Rationales, Seconds: result.Seconds, Stats: result.Stats, Partial: result.Partial}, err
	}))
}

func (e *experiment) preprocess(ctx workflow.Context, data, rationales storage.Ref) (storage.Ref, error) {
	in := activities.PreprocessInput{
		Dataset: data, Rationales: rationales, Negatives: e.spec.Data.Negatives, Seed: e.spec.Seed,
	}
	return e.stages.run(ctx, stage{
		name: "preprocess", label: "preprocess", version: 1, queue: QueueCPU, activity: stub.Preprocess,
		settings: in, inputs: []string{data.Digest, rationales.Digest}, arg: func(string) any { return in },
	})
}

func (e *experiment) baseline(ctx workflow.Context, preprocessed storage.Ref) (storage.Ref, error) {
	in := activities.RankBaselinesInput{Preprocessed: preprocessed, Evaluate: e.spec.Evaluate.WithoutShards()}
	return e.stages.run(ctx, stage{
		name: "baseline", label: "baseline", version: 1, queue: QueueCPU, activity: stub.RankBaselines,
		settings: in, inputs: []string{preprocessed.Digest}, arg: func(string) any { return in },
	})
}

// sasrec trains SASRec where the spec wants it. Specs from before there was a choice do not, so
// their histories replay.
func (e *experiment) sasrec(ctx workflow.Context, preprocessed storage.Ref) (storage.Ref, error) {
	if !slices.Contains(e.spec.Baselines, spec.SASRec) {
		return storage.Ref{}, nil
	}
	in := activities.TrainSasrecInput{
		Preprocessed: preprocessed, Sasrec: e.spec.Sasrec,
		SequentialUsers: e.spec.Evaluate.SequentialUsers, TopNUsers: e.spec.Evaluate.TopNUsers, TopN: e.spec.Evaluate.TopN,
	}
	for k := range e.spec.Trials {
		in.Seeds = append(in.Seeds, e.spec.Seed+int64(k))
	}
	return e.stages.run(ctx, stage{
		name: "sasrec", label: "sasrec", version: 1, queue: QueueGPU, activity: stub.TrainSasrec,
		settings: in, inputs: []string{preprocessed.Digest}, arg: func(string) any { return in },
	})
}

// startTrials starts a child workflow for each method and seed, and after those one for each switch
// that is ablated; they spread over the workers that poll the GPU queue.
func (e *experiment) startTrials(ctx workflow.Context, id registry.Identity, preprocessed storage.Ref) []workflow.ChildWorkflowFuture {
	var trials []workflow.ChildWorkflowFuture
	start := func(method, switchName string) {
		for k := range e.spec.Trials {
			in := TrialInput{
				Spec: e.spec, Method: method, FlippedSwitch: switchName, Seed: e.spec.Seed + int64(k), Pretrained: id.Student, Preprocessed: preprocessed,
				Nonce: e.noCache.Nonce,
			}
			trials = append(trials, workflow.ExecuteChildWorkflow(trialOptions(ctx, in), Trial, in))
		}
	}
	for _, method := range e.spec.Methods {
		start(method, "")
	}
	for _, row := range spec.Methods() {
		if !slices.Contains(e.spec.Methods, row.Name) {
			continue
		}
		for _, ablated := range e.spec.Ablations(row) {
			start(row.Name, ablated.Name)
		}
	}
	return trials
}

func (e *experiment) awaitTrials(ctx workflow.Context, trials []workflow.ChildWorkflowFuture) ([]registry.TrialResult, error) {
	results := make([]registry.TrialResult, len(trials))
	for i, trial := range trials {
		if err := trial.Get(ctx, &results[i]); err != nil {
			return nil, err
		}
	}
	return results, nil
}

// report is not cached: it names this run, says which stages were found and which were done, and is
// cheap.
func (e *experiment) report(ctx workflow.Context, in registry.RunRecord) (ExperimentResult, error) {
	in.Spec = e.spec
	setStageAttribute(ctx, "report")
	in.Stages = e.stages.times()
	for _, trial := range in.Trials {
		in.Stages = append(in.Stages, trial.Stages...)
	}
	var out activities.ReportResult
	err := workflow.ExecuteActivity(stageOptions(ctx, QueueCPU, "report"), stub.Report, in).Get(ctx, &out)
	return ExperimentResult{out.Report, out.HTML}, err
}
