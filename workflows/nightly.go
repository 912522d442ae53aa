package workflows

import (
	"errors"
	"fmt"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"rdrec/activities"
	"rdrec/internal/spec"
	"rdrec/registry"
	"rdrec/storage"
)

// NightlyInput is what [Nightly] is started with.
type NightlyInput struct {
	Spec spec.Spec `json:"spec"`
	// RetryAll has the files taken, too, that earlier nights set aside.
	RetryAll bool `json:"retry_all,omitempty"`
}

// VerdictAttribute is the search attribute that says what came of a night.
func VerdictAttribute() temporal.SearchAttributeKeyKeyword {
	return temporal.NewSearchAttributeKeyKeyword("RdrecVerdict")
}

// Nightly is one night: it takes in new reviews, does an experiment's stages on all reviews so far,
// going on from the model in use, and puts the new model in its place if it is not worse. A night
// that promotes nothing ends well, and says why; one that fails is recorded and told of, too.
func Nightly(ctx workflow.Context, in NightlyInput) (registry.NightlyRun, error) {
	stages, err := newStageTracker(ctx, "")
	if err != nil {
		return registry.NightlyRun{}, err
	}
	if in.Spec.Nightly == nil || in.Spec.Data.Reviews == nil {
		err := errors.New("the spec has no nightly block, or no data.reviews")
		return registry.NightlyRun{}, temporal.NewNonRetryableApplicationError(err.Error(), activities.TypeInvalidConfig, err)
	}
	protocol, err := in.Spec.Resolve()
	if err != nil {
		return registry.NightlyRun{}, temporal.NewNonRetryableApplicationError(err.Error(), activities.TypeInvalidConfig, err)
	}
	n := &nightly{
		settings: *in.Spec.Nightly, retryAll: in.RetryAll, startedAt: workflow.Now(ctx).Unix(),
		experiment: &experiment{spec: in.Spec, protocol: protocol, stages: stages},
		record:     registry.NightlyRun{Name: in.Spec.Name, Metric: in.Spec.Nightly.Gate.Metric},
	}
	n.spec.Nightly = nil
	if err := n.run(ctx); err != nil {
		n.record.Verdict, n.record.Reasons = registry.VerdictFailed, []string{reason(err)}
		// A cancelled night is recorded and told of like any other.
		final, cancel := workflow.NewDisconnectedContext(ctx)
		defer cancel()
		if notified := n.recordAndNotify(final); notified != nil {
			workflow.GetLogger(ctx).Error("the failed nightly run was not recorded", "error", notified)
		}
		return n.record, err
	}
	return n.record, n.recordAndNotify(ctx)
}

// reason is what went wrong without the frames that Temporal puts around it.
func reason(err error) string {
	var failed *temporal.ApplicationError
	if errors.As(err, &failed) {
		return failed.Message()
	}
	return err.Error()
}

// nightly is a running [Nightly]; its experiment's spec is that of tonight, with what was gathered
// in the place of files.
type nightly struct {
	*experiment
	settings  spec.Nightly
	retryAll  bool
	startedAt int64
	promoted  registry.Promotion
	results   registry.RunRecord
	record    registry.NightlyRun
}

// run is the night up to its verdict.
func (n *nightly) run(ctx workflow.Context) error {
	if err := n.ingest(ctx); err != nil || n.record.Verdict != "" {
		return err
	}
	for _, step := range []func(workflow.Context) error{n.importAndCheck, n.distillAndCheck, n.train, n.compareModels} {
		if err := step(ctx); err != nil {
			return n.reject(err)
		}
		if len(n.record.Reasons) > 0 {
			break
		}
	}
	if len(n.record.Reasons) > 0 {
		n.record.Verdict, n.record.SkipFiles = registry.VerdictRejected, !n.settings.RetryRejected
	} else if err := n.promote(ctx); err != nil {
		return err
	}
	return n.report(ctx)
}

// reject makes data that can't be used a reason to keep the model in use, where there is one: it
// came in tonight.
func (n *nightly) reject(err error) error {
	var failed *temporal.ApplicationError
	if n.promoted.Number == 0 || !errors.As(err, &failed) || failed.Type() != activities.TypeDataCorrupt {
		return err
	}
	n.record.Verdict, n.record.SkipFiles = registry.VerdictRejected, !n.settings.RetryRejected
	n.record.Reasons = append(n.record.Reasons, failed.Message())
	return nil
}

// ingest takes in what is new, and has the experiment go on from the model in use.
func (n *nightly) ingest(ctx workflow.Context) error {
	if previous := n.settings.Source; previous != nil {
		setStageAttribute(ctx, "ingest source")
		in := activities.IngestSourceInput{Name: n.spec.Name, Inbox: n.settings.Inbox, Source: *previous}
		if err := workflow.ExecuteActivity(stageOptions(ctx, QueueCPU, "ingest new rows of the source"), stub.IngestSource, in).Get(ctx, nil); err != nil {
			return err
		}
	}
	setStageAttribute(ctx, "ingest")
	in := activities.IngestInput{
		Name: n.spec.Name, Inbox: n.settings.Inbox, RetryRejected: n.settings.RetryRejected, RetryAll: n.retryAll,
	}
	var ingested activities.IngestResult
	if err := workflow.ExecuteActivity(stageOptions(ctx, QueueCPU, "ingest new reviews"), stub.Ingest, in).Get(ctx, &ingested); err != nil {
		return err
	}
	n.promoted = ingested.Promoted
	n.record.Number, n.record.PreviousPromotion, n.record.Promotion = ingested.RunNumber, ingested.Promoted.Number, ingested.Promoted.Number
	n.record.Ingested, n.record.SkippedFiles, n.record.Reviews = ingested.Ingested, ingested.SkippedFiles, ingested.Reviews
	if len(ingested.Ingested) == 0 {
		n.record.Verdict = registry.VerdictIdle
		return nil
	}
	reviews := *n.spec.Data.Reviews
	reviews.Path = n.settings.Inbox // for people: the activity reads what was gathered
	n.spec.Data.Accumulated = &spec.Accumulated{Reviews: spec.Ref(ingested.Reviews), PreviousDataset: spec.Ref(ingested.Promoted.Dataset)}
	if n.promoted.Number > 0 {
		reviews.MaxBad = 1 // the gate decides
		if n.promoted.Model.Size == n.spec.Student.Size && n.promoted.Model.Method == n.spec.Methods[0] {
			weights := spec.Ref(n.promoted.Model.Weights)
			n.spec.Student.WarmStart, n.record.WarmStart = &weights, true
		}
	}
	n.spec.Data.Reviews = &reviews
	return nil
}

// importAndCheck imports, and looks at what came in.
func (n *nightly) importAndCheck(ctx workflow.Context) (err error) {
	if n.results.Identity, err = n.identify(ctx); err != nil {
		return err
	}
	if w := n.spec.Student.WarmStart; w != nil {
		n.results.Identity.Student = w.Digest
	}
	if n.results.Dataset, err = n.importData(ctx, n.results.Identity); err != nil {
		return err
	}
	n.record.Dataset = n.results.Dataset
	return n.sanityCheck(ctx)
}

// distillAndCheck has the teacher asked for what is new, and looks at its replies.
func (n *nightly) distillAndCheck(ctx workflow.Context) (err error) {
	if n.results.Rationales, err = n.distill(ctx, n.results.Identity, n.results.Dataset); err != nil || n.results.Rationales.IsZero() {
		return err
	}
	if err := n.sanityCheck(ctx); err != nil {
		return err
	}
	for _, stage := range n.stages.times() {
		if stage.Name == distillStage && !stage.Cached {
			n.record.Counts.Requests = stage.Stats.Requests
			n.record.Counts.Tokens = stage.Stats.Tokens
		}
	}
	return nil
}

func (n *nightly) sanityCheck(ctx workflow.Context) error {
	in := activities.SanityCheckInput{
		Gate: n.settings.Gate, Previous: n.promoted.Counts, Dataset: n.results.Dataset, Rationales: n.results.Rationales,
	}
	var out activities.SanityCheckResult
	if err := workflow.ExecuteActivity(bookkeepingOptions(ctx, "check the ingested reviews"), stub.SanityCheck, in).Get(ctx, &out); err != nil {
		return err
	}
	n.record.Counts, n.record.Reasons = out.Counts, out.Reasons
	return nil
}

// train makes the new student and examines it, beside the baselines.
func (n *nightly) train(ctx workflow.Context) (err error) {
	if n.results.Preprocessed, err = n.preprocess(ctx, n.results.Dataset, n.results.Rationales); err != nil {
		return err
	}
	n.record.Preprocessed = n.results.Preprocessed
	trials := n.startTrials(ctx, n.results.Identity, n.results.Preprocessed)
	if n.results.Baseline, err = n.baseline(ctx, n.results.Preprocessed); err != nil {
		return err
	}
	if n.results.Sasrec, err = n.sasrec(ctx, n.results.Preprocessed); err != nil {
		return err
	}
	if n.results.Trials, err = n.awaitTrials(ctx, trials); err == nil {
		n.record.Model = n.results.Trials[0].Model
	}
	return err
}

// compareModels examines the model in use on the same examples, and compares.
func (n *nightly) compareModels(ctx workflow.Context) error {
	current, err := n.evaluateCurrent(ctx)
	if err != nil {
		return err
	}
	in := activities.CompareModelsInput{
		Gate: n.settings.Gate, Items: n.record.Counts.Items, Strict: n.protocol.Constrained, Seed: n.spec.Seed,
		New: n.results.Trials[0].Evaluations, Old: current, CurrentPromotion: n.promoted.Number,
	}
	var out activities.CompareModelsResult
	if err := workflow.ExecuteActivity(bookkeepingOptions(ctx, "compare with the current model"), stub.CompareModels, in).Get(ctx, &out); err != nil {
		return err
	}
	n.record.Metrics, n.record.Comparison, n.record.Coverage, n.record.Reasons = out.Metrics, out.Comparison, out.Coverage, out.Reasons
	return nil
}

// evaluateCurrent has the model in use answer for the users that the new one answers for.
func (n *nightly) evaluateCurrent(ctx workflow.Context) ([]storage.Ref, error) {
	if n.promoted.Number == 0 {
		return nil, nil
	}
	in := TrialInput{Spec: n.spec, Method: n.promoted.Model.Method, Seed: n.spec.Seed, Preprocessed: n.results.Preprocessed}
	t := &trial{TrialInput: in, stages: n.stages}
	var err error
	if t.method, t.protocol, t.variant, err = in.resolve(); err != nil {
		return nil, temporal.NewNonRetryableApplicationError(err.Error(), activities.TypeInvalidConfig, err)
	}
	predictions, err := t.evaluate(ctx, n.promoted.Model.Weights, activities.GateTask(n.settings.Gate))
	return []storage.Ref{predictions}, err
}

// promote puts the new model in use.
func (n *nightly) promote(ctx workflow.Context) error {
	model, err := registry.NewPromotedModel(n.results.Trials[0].Model, n.spec)
	if err != nil {
		return err
	}
	in := activities.PromoteInput{Name: n.spec.Name, Previous: n.promoted.Number, Promotion: registry.Promotion{
		Reviews: n.record.Reviews, Dataset: n.results.Dataset, Preprocessed: n.results.Preprocessed, Model: model,
		Metrics: n.record.Metrics, Comparison: n.record.Comparison, Counts: &n.record.Counts,
	}}
	var promotion registry.Promotion
	if err := workflow.ExecuteActivity(bookkeepingOptions(ctx, "promote"), stub.Promote, in).Get(ctx, &promotion); err != nil {
		return err
	}
	n.record.Promotion, n.record.Verdict = promotion.Number, registry.VerdictPromoted
	if promotion.Kind == registry.FirstPromotion {
		n.record.Verdict = registry.VerdictFirst
	}
	return nil
}

// report is the experiment's with the verdict in it. A night that was refused before it trained has
// its line on the page of the nights.
func (n *nightly) report(ctx workflow.Context) error {
	if len(n.results.Trials) == 0 {
		return nil
	}
	n.results.NightlyRun = &n.record
	out, err := n.experiment.report(ctx, n.results)
	n.record.Report, n.record.HTML = out.Report, out.HTML
	return err
}

// recordAndNotify records the night, shows its verdict and tells the webhook. A webhook that takes
// nothing stops no night.
func (n *nightly) recordAndNotify(ctx workflow.Context) error {
	n.record.Seconds = float64(workflow.Now(ctx).Unix() - n.startedAt)
	if err := workflow.UpsertTypedSearchAttributes(ctx, VerdictAttribute().ValueSet(n.record.Verdict)); err != nil {
		workflow.GetLogger(ctx).Warn("the verdict's search attribute was not set", "error", err)
	}
	if n.record.Number > 0 {
		var number int
		if err := workflow.ExecuteActivity(bookkeepingOptions(ctx, "record the nightly run"), stub.RecordNightlyRun, n.record).Get(ctx, &number); err != nil {
			return err
		}
		n.record.Number = number
	}
	if n.settings.Webhook == "" {
		return nil
	}
	info := workflow.GetInfo(ctx)
	notified := n.record
	notified.Workflow, notified.Run, notified.Time = info.WorkflowExecution.ID, info.WorkflowExecution.RunID, workflow.Now(ctx).UTC()
	in := activities.NotifyInput{URL: n.settings.Webhook, Run: notified}
	if err := workflow.ExecuteActivity(notifyOptions(ctx, "notify the webhook"), stub.Notify, in).Get(ctx, nil); err != nil {
		workflow.GetLogger(ctx).Warn("the webhook was not notified", "error", err)
		workflow.SetCurrentDetails(ctx, fmt.Sprintf("%s, but the webhook was not notified: %s", n.record.Verdict, reason(err)))
	}
	return nil
}
