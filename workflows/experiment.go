// Package workflows defines the order of the work: an experiment imports, distills, preprocesses,
// trains and evaluates each trial, compares with baselines and reports. In: a [spec.Spec]; out: a
// reference to the report. It does no work itself: it schedules activities, each on the task queue
// of the resource that it needs, and reuses the results that the bucket has already.
package workflows

import (
	"fmt"
	"slices"

	"go.temporal.io/sdk/workflow"

	"rdrec/activities"
	"rdrec/internal/baseline"
	"rdrec/internal/room"
	"rdrec/internal/spec"
	"rdrec/registry"
	"rdrec/storage"
)

// ExperimentInput is the input of [Experiment].
type ExperimentInput struct {
	Spec spec.Spec `json:"spec"`
	// NoCache, where set, recomputes everything.
	NoCache NoCache `json:"no_cache,omitzero"`
}

// NoCache makes a run compute every stage itself, to check whether the same spec gives the same
// bytes. Earlier results are neither read nor overwritten: the nonce is part of each stage's
// fingerprint, so the run has its own records and checkpoints.
type NoCache struct {
	// Nonce names the run without cache; empty for a run that reuses earlier results.
	Nonce string `json:"nonce"`
	// Rationales makes the run request the rationales again, too. Without it finished rows are
	// reused: a server's replies cost money, and are not reproducible.
	Rationales bool `json:"rationales"`
}

// ExperimentResult is where the report is.
type ExperimentResult struct {
	// Report is an artifact with report.html, report.json and report.txt.
	Report storage.Ref `json:"report"`
	// HTML is the key of the run's report in the bucket.
	HTML string `json:"html"`
}

// Experiment runs a spec from data to report.
func Experiment(ctx workflow.Context, in ExperimentInput) (result ExperimentResult, err error) {
	ctx, stages, err := trackStages(ctx, in.NoCache.Nonce)
	if err != nil {
		return ExperimentResult{}, err
	}
	defer func() { err = stages.end(ctx, err) }()
	e, err := newExperiment(in, stages)
	if err != nil {
		return ExperimentResult{}, err
	}
	record, err := e.run(ctx)
	if err != nil {
		return ExperimentResult{}, err
	}
	out, err := e.report(ctx, record)
	if err != nil {
		return ExperimentResult{}, err
	}
	stages.conclude(ctx, concluded(out))
	return ExperimentResult{out.Report, out.HTML}, nil
}

// newExperiment returns an experiment with its protocol.
func newExperiment(in ExperimentInput, stages *stageTracker) (*experiment, error) {
	protocol, err := in.Spec.Resolve()
	if err != nil {
		return nil, invalidSpec(err)
	}
	return &experiment{spec: in.Spec, noCache: in.NoCache, protocol: protocol, stages: stages}, nil
}

// run runs all stages, in the order of their inputs, and returns their outputs.
func (e *experiment) run(ctx workflow.Context) (record registry.RunRecord, err error) {
	if record.Identity, err = e.identify(ctx); err != nil {
		return record, err
	}
	if record.Dataset, err = e.importData(ctx, record.Identity); err != nil {
		return record, err
	}
	if record.Rationales, err = e.distill(ctx, record.Identity, record.Dataset); err != nil {
		return record, err
	}
	if record.Preprocessed, err = e.preprocess(ctx, record.Dataset, record.Rationales); err != nil {
		return record, err
	}
	trials := e.startTrials(ctx, record.Identity, record.Preprocessed)
	defer e.draftReports(ctx, &record, trials)()
	if record.Baseline, err = e.baseline(ctx, record.Preprocessed); err != nil {
		return record, err
	}
	if record.Sasrec, err = e.sasrec(ctx, record.Preprocessed); err != nil {
		return record, err
	}
	if record.Bsarec, err = e.bsarec(ctx, record.Preprocessed); err != nil {
		return record, err
	}
	if record.Trials, err = e.awaitTrials(ctx, trials); err != nil {
		return record, err
	}
	if err = e.fuse(ctx, &record); err != nil {
		return record, err
	}
	return record, e.checkEntailment(ctx, &record)
}

// experiment is a running [Experiment].
type experiment struct {
	spec     spec.Spec
	noCache  NoCache
	protocol spec.Protocol
	stages   *stageTracker
	// room is what the work on the inputs takes, as the worker that identified them estimated it.
	room []room.Need
}

// usesTeacher reports whether any method trains on rationales.
func (e *experiment) usesTeacher() bool {
	return slices.ContainsFunc(spec.Methods(), func(m spec.Method) bool {
		return m.Rationale && slices.Contains(e.spec.Methods, m.Name)
	})
}

func (e *experiment) identify(ctx workflow.Context) (registry.Identity, error) {
	found, err := identify(ctx, e.identifyInput())
	e.room = found.Room
	return found.Identity, err
}

func (e *experiment) identifyInput() activities.IdentifyInput {
	return activities.IdentifyInput{
		Data: e.spec.Data, Teacher: e.spec.Teacher, UsesTeacher: e.usesTeacher(),
		ChecksEntailment: e.spec.Evaluate.EntailmentTexts > 0, Student: e.spec.Student, Train: e.spec.Train,
	}
}

func identify(ctx workflow.Context, in activities.IdentifyInput) (out activities.IdentifyResult, err error) {
	err = execute(stageOptions(ctx, QueueBookkeeping, "hash the inputs"), stub.Identify, in, &out)
	return out, err
}

func (e *experiment) importData(ctx workflow.Context, id registry.Identity) (storage.Ref, error) {
	return importData(ctx, e.stages, resolvedData(e.spec), e.spec.Seed, id)
}

// resolvedData returns a spec's data with the item indexing and its codes written out.
func resolvedData(s spec.Spec) spec.Data {
	data := s.Data
	data.Indexing, data.Codes = s.Indexing(), s.Codes()
	return data
}

func importData(
	ctx workflow.Context, stages *stageTracker, data spec.Data, seed int64, id registry.Identity,
) (storage.Ref, error) {
	data.Negatives = 0 // drawn later: not an input of this stage
	in := activities.ImportInput{Data: data, UserKey: id.UserKey}
	if row, err := spec.IndexingNamed(data.Indexing); err == nil && row.Seeded {
		in.Seed = seed
	}
	arg := in
	if data.InBucket() {
		arg.Source = id.Data
	}
	return stages.run(ctx, stage{
		name: "import", label: "import", queue: QueueCPU, activity: stub.Import,
		settings: in, inputs: []string{id.Data}, arg: func(string) any { return arg },
	})
}

func (e *experiment) distill(ctx workflow.Context, id registry.Identity, data storage.Ref) (storage.Ref, error) {
	if !e.usesTeacher() {
		return storage.Ref{}, nil
	}
	in := DistillationInput{
		Data: resolvedData(e.spec), Seed: e.spec.Seed, HeldOut: e.protocol.HeldOut, Teacher: e.spec.Teacher,
		Imported: &Imported{data, id.Teacher},
	}
	if e.noCache.Rationales {
		in.Nonce = e.noCache.Nonce
	}
	run := func(ctx workflow.Context, _ *StageStatus) (activities.StageResult, error) {
		var result DistillationResult
		err := workflow.ExecuteChildWorkflow(
			distillationOptions(ctx, e.spec.Teacher.Model), Distillation, in,
		).Get(ctx, &result)
		return activities.StageResult{
			Output: result.Rationales, Seconds: result.Seconds, Stats: result.Stats, Partial: result.Partial,
		}, err
	}
	return e.stages.run(ctx, distillationStage(in, run))
}

func (e *experiment) preprocess(ctx workflow.Context, data, rationales storage.Ref) (storage.Ref, error) {
	in := activities.PreprocessInput{
		Dataset: data, Rationales: rationales, Negatives: e.spec.Data.Negatives, Seed: e.spec.Seed,
	}
	return e.stages.run(ctx, stage{
		name: "preprocess", label: "preprocess", queue: QueueCPU, activity: stub.Preprocess,
		settings: in, inputs: []string{data.Digest, rationales.Digest}, arg: func(string) any { return in },
	})
}

func (e *experiment) baseline(ctx workflow.Context, preprocessed storage.Ref) (storage.Ref, error) {
	in := activities.RankBaselinesInput{
		Preprocessed: preprocessed, Evaluate: e.spec.Evaluate.ForPredictions(), Baselines: untrained(e.spec.Baselines),
	}
	return e.stages.run(ctx, stage{
		name: "baseline", label: "baseline", queue: QueueCPU, activity: stub.RankBaselines,
		settings: in, inputs: []string{preprocessed.Digest}, arg: func(string) any { return in },
	})
}

// untrained returns the baselines without a training stage. Popularity is always among them, as the
// floor of what may be served.
func untrained(names []string) []string {
	all := []string{baseline.Popularity}
	for _, name := range names {
		if !spec.IsTrained(name) && name != baseline.Popularity {
			all = append(all, name)
		}
	}
	return all
}

// sasrec trains SASRec if it is among the spec's baselines.
func (e *experiment) sasrec(ctx workflow.Context, preprocessed storage.Ref) (storage.Ref, error) {
	return e.trainBaseline(ctx, preprocessed, activities.TrainSasrecInput{Sasrec: e.spec.Sasrec})
}

// bsarec trains BSARec if it is among the spec's baselines.
func (e *experiment) bsarec(ctx workflow.Context, preprocessed storage.Ref) (storage.Ref, error) {
	in := activities.TrainSasrecInput{Baseline: spec.BSARec, Sasrec: e.spec.BsarecGrid()}
	return e.trainBaseline(ctx, preprocessed, in)
}

// trainsBaseline reports whether the spec has a baseline with a training stage.
func (e *experiment) trainsBaseline(name string) bool { return slices.Contains(e.spec.Baselines, name) }

func (e *experiment) trainBaseline(
	ctx workflow.Context, preprocessed storage.Ref, in activities.TrainSasrecInput,
) (storage.Ref, error) {
	name := in.Name()
	if !e.trainsBaseline(name) {
		return storage.Ref{}, nil
	}
	in.Preprocessed = preprocessed
	in.SequentialUsers, in.TopNUsers = e.spec.Evaluate.SequentialUsers, e.spec.Evaluate.TopNUsers
	in.TopN = e.spec.Evaluate.TopN
	for k := range e.spec.Trials {
		in.Seeds = append(in.Seeds, e.spec.Seed+int64(k))
	}
	return e.stages.run(ctx, stage{
		name: name, label: name, queue: QueueGPU, activity: stub.TrainSasrec, priority: trainingPriority,
		settings: in, inputs: []string{preprocessed.Digest},
		arg: func(fingerprint string) any { in.Fingerprint = fingerprint; return in },
	})
}

// fuse mixes each student with the baselines of the spec's fusion, if it has one.
func (e *experiment) fuse(ctx workflow.Context, record *registry.RunRecord) error {
	fusion := e.spec.Fusion()
	if fusion == nil {
		return nil
	}
	in := activities.FuseInput{
		Preprocessed: record.Preprocessed, Evaluate: e.spec.Evaluate.ForPredictions(), Fusion: *fusion,
		Trained: map[string]storage.Ref{},
	}
	if slices.Contains(fusion.Parts, spec.SASRec) {
		in.Trained[spec.SASRec] = record.Sasrec
	}
	if slices.Contains(fusion.Parts, spec.BSARec) {
		in.Trained[spec.BSARec] = record.Bsarec
	}
	return parallel(ctx, len(record.Trials), len(record.Trials), func(ctx workflow.Context, i int) (err error) {
		trial := &record.Trials[i]
		if trial.Variant != "" { // an ablation is of the student alone
			return nil
		}
		in := in
		in.Model, in.Method, in.Seed = trial.Model, trial.Method, trial.Seed
		trial.Fusion, err = e.stages.run(ctx, fuseStage(in))
		return err
	})
}

// fuseStage fits or applies a fusion.
func fuseStage(in activities.FuseInput) stage {
	inputs := []string{
		in.Preprocessed.Digest, in.Model.Digest, in.Fitted.Digest, in.Trained[spec.SASRec].Digest,
		in.Trained[spec.BSARec].Digest,
	}
	trial := fmt.Sprintf("%s/%d", in.Method, in.Seed)
	return stage{
		name: "fuse", label: "fuse " + trial, trial: trial, queue: QueueGPU, activity: stub.Fuse,
		priority: evaluationPriority, settings: in, inputs: inputs, arg: func(string) any { return in },
	}
}

// checkEntailment lets the teacher check some explanations of the first trial of each student, if
// the spec wants that.
func (e *experiment) checkEntailment(ctx workflow.Context, record *registry.RunRecord) (err error) {
	if e.spec.Evaluate.EntailmentTexts == 0 {
		return nil
	}
	in := activities.EntailmentInput{
		Preprocessed: record.Preprocessed, Teacher: e.spec.Teacher, Weights: record.Identity.Teacher,
		HeldOut: e.protocol.HeldOut, Texts: e.spec.Evaluate.EntailmentTexts,
	}
	inputs := []string{in.Preprocessed.Digest, in.Weights}
	for _, trial := range record.Trials {
		if trial.Seed == e.spec.Seed {
			in.Students = append(in.Students, activities.EntailmentStudent{
				Method: trial.Name(), Evaluations: trial.Evaluations,
			})
		}
	}
	record.Entailment, err = e.stages.run(ctx, stage{
		name: "entailment", label: "check entailment", queue: QueueGPU, activity: stub.CheckEntailment,
		settings: in, inputs: inputs, arg: func(string) any { return in },
	})
	return err
}

// startTrials starts a child workflow for each method and seed, and after those one for each
// ablated switch. The workers that poll the GPU queue share them.
func (e *experiment) startTrials(
	ctx workflow.Context, id registry.Identity, preprocessed storage.Ref,
) []workflow.Future {
	var trials []workflow.Future
	start := func(method, switchName string) {
		for k := range e.spec.Trials {
			in := TrialInput{
				Spec: e.spec, Method: method, FlippedSwitch: switchName, Seed: e.spec.Seed + int64(k),
				Pretrained: id.Student, Preprocessed: preprocessed,
				Nonce: e.noCache.Nonce,
			}
			trials = append(trials, e.startTrial(ctx, in))
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
	e.stages.followTrials(ctx)
	return trials
}

// startTrial starts a child workflow; a plan looks the trial's stages up itself.
func (e *experiment) startTrial(ctx workflow.Context, in TrialInput) workflow.Future {
	if e.stages.planner == nil {
		result := workflow.ExecuteChildWorkflow(trialOptions(ctx, in), Trial, in)
		e.stages.follow(statusOf(trialID(ctx, in), in), result)
		return result
	}
	future, planned := workflow.NewFuture(ctx)
	planned.Set(runTrial(ctx, in, e.stages))
	return future
}

func (e *experiment) awaitTrials(
	ctx workflow.Context, trials []workflow.Future,
) ([]registry.TrialResult, error) {
	results := make([]registry.TrialResult, len(trials))
	for i, trial := range trials {
		if err := trial.Get(ctx, &results[i]); err != nil {
			return nil, err
		}
	}
	return results, nil
}

// report is not cached: it names this run, states which stages were cached, and is cheap.
func (e *experiment) report(ctx workflow.Context, in registry.RunRecord) (out activities.ReportResult, err error) {
	setStageAttribute(ctx, "report")
	e.describe(&in)
	err = execute(stageOptions(ctx, QueueBookkeeping, "report"), stub.Report, in, &out)
	return out, err
}

// describe adds the spec, the versions and the stages so far to a record; those of the trials are
// in the bucket.
func (e *experiment) describe(record *registry.RunRecord) {
	record.Spec, record.StageVersions, record.Stages = e.spec, experimentVersions(), e.stages.times()
}
