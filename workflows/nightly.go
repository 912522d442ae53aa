package workflows

import (
	"errors"
	"fmt"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"rdrec/activities"
	"rdrec/internal/spec"
	"rdrec/internal/task"
	"rdrec/registry"
	"rdrec/storage"
)

// NightlyInput is the input of [Nightly].
type NightlyInput struct {
	Spec spec.Spec `json:"spec"`
	// RetryAll also ingests the files that earlier runs skipped.
	RetryAll bool `json:"retry_all,omitempty"`
	// Retake names files of the inbox to ingest although earlier runs skipped them or set them
	// aside.
	Retake []string `json:"retake,omitempty"`
}

// VerdictAttribute is the search attribute with the verdict of a nightly run.
func VerdictAttribute() temporal.SearchAttributeKeyKeyword {
	return temporal.NewSearchAttributeKeyKeyword("RdrecVerdict")
}

// Nightly is one nightly retraining run: it ingests new reviews, runs an experiment's stages on all
// reviews so far, starting from the model in use, and promotes the new model if it is not worse. A
// run that promotes nothing completes, with its reasons; a failed run is recorded and sends the
// webhook, too.
func Nightly(ctx workflow.Context, in NightlyInput) (run registry.NightlyRun, err error) {
	ctx, stages, err := trackStages(ctx, "")
	if err != nil {
		return registry.NightlyRun{}, err
	}
	defer func() { err = stages.end(ctx, err) }()
	if in.Spec.Nightly == nil || in.Spec.Data.Reviews == nil {
		return registry.NightlyRun{}, invalidSpec(errors.New("the spec has no nightly block, or no data.reviews"))
	}
	protocol, err := in.Spec.Resolve()
	if err != nil {
		return registry.NightlyRun{}, invalidSpec(err)
	}
	n := &nightly{
		settings: *in.Spec.Nightly, retryAll: in.RetryAll, retake: in.Retake, startedAt: workflow.Now(ctx).Unix(),
		experiment: &experiment{spec: in.Spec, protocol: protocol, stages: stages},
		record:     registry.NightlyRun{Name: in.Spec.Name, Metric: in.Spec.Nightly.Gate.Metric},
	}
	n.spec.Nightly = nil
	stages.pauser.notify = n.paused
	if err := n.run(ctx); err != nil {
		n.record.Verdict, n.record.Reasons = registry.VerdictFailed, []string{FailureOf(err).Cause}
		// A cancelled run is recorded and sends the webhook like any other.
		final, cancel := workflow.NewDisconnectedContext(ctx)
		defer cancel()
		if notified := n.recordAndNotify(final); notified != nil {
			workflow.GetLogger(ctx).Error("the failed nightly run was not recorded", "error", notified)
		}
		return n.record, err
	}
	return n.record, n.recordAndNotify(ctx)
}

// nightly is a running [Nightly]. Its experiment's spec has the accumulated reviews as data.
type nightly struct {
	*experiment
	settings  spec.Nightly
	retryAll  bool
	retake    []string
	startedAt int64
	promoted  registry.Promotion
	userKey   string // the digest of the key of the ingested reviews' pseudonyms
	results   registry.RunRecord
	record    registry.NightlyRun
	// reported is what the report says; zero for a run that trained nothing.
	reported conclusion
}

// run runs all steps up to the verdict.
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
		// Without a model in use, the files are all there is to train on.
		n.record.Verdict = registry.VerdictRejected
		n.record.SkipFiles = !n.settings.RetryRejected && n.promoted.Number > 0
	} else if err := n.promote(ctx); err != nil {
		return err
	}
	return n.report(ctx)
}

// reject makes unusable data a reason to reject the run if a model is in use: the data were
// ingested by this run. Other errors are returned.
func (n *nightly) reject(err error) error {
	var failed *temporal.ApplicationError
	if n.promoted.Number == 0 || !errors.As(err, &failed) || failed.Type() != activities.TypeDataCorrupt {
		return err
	}
	n.record.Verdict, n.record.SkipFiles = registry.VerdictRejected, !n.settings.RetryRejected
	n.record.Reasons = append(n.record.Reasons, failed.Message())
	return nil
}

// ingest ingests the new files, and makes the experiment start from the model in use.
func (n *nightly) ingest(ctx workflow.Context) error {
	if previous := n.settings.Source; previous != nil {
		setStageAttribute(ctx, "ingest source")
		in := activities.IngestSourceInput{Name: n.spec.Name, Inbox: n.settings.Inbox, Source: *previous}
		if n.spec.Data.Pseudonyms {
			in.Pseudonyms, in.Columns = true, n.spec.Data.Reviews.Columns
		}
		options := stageOptions(ctx, QueueCPU, "ingest new rows of the source")
		if err := execute(options, stub.IngestSource, in, nil); err != nil {
			return err
		}
	}
	setStageAttribute(ctx, "ingest")
	in := activities.IngestInput{
		Name: n.spec.Name, Inbox: n.settings.Inbox, RetryRejected: n.settings.RetryRejected, RetryAll: n.retryAll,
		Retake: n.retake, Reviews: n.spec.Data.Reviews, Pseudonyms: n.spec.Data.Pseudonyms,
	}
	var ingested activities.IngestResult
	if err := execute(stageOptions(ctx, QueueCPU, "ingest new reviews"), stub.Ingest, in, &ingested); err != nil {
		return err
	}
	n.promoted, n.userKey = ingested.Promoted, ingested.UserKey
	n.record.Number = ingested.RunNumber
	n.record.PreviousPromotion, n.record.Promotion = ingested.Promoted.Number, ingested.Promoted.Number
	n.record.Ingested, n.record.SkippedFiles = ingested.Ingested, ingested.SkippedFiles
	n.record.Reviews, n.record.SetAside = ingested.Reviews, ingested.SetAside
	if len(ingested.Ingested) == 0 {
		n.record.Verdict = registry.VerdictIdle
		if len(ingested.SetAside) > 0 {
			n.record.Verdict = registry.VerdictRejected
			n.record.Reasons = []string{fmt.Sprintf("none of %d new files can be read", len(ingested.SetAside))}
		}
		return nil
	}
	if err := n.checkMargin(); err != nil {
		return err
	}
	reviews := *n.spec.Data.Reviews
	reviews.Path = n.settings.Inbox // for people: the activity reads the accumulated reviews
	n.spec.Data.Accumulated = &spec.Accumulated{
		Reviews: ingested.Reviews, PreviousDataset: ingested.Promoted.Dataset,
	}
	if n.promoted.Number > 0 {
		reviews.MaxBad = 1 // the gate decides
		if n.promoted.Model.Size == n.spec.Student.Size && n.promoted.Model.Method == n.spec.Methods[0] {
			weights := n.promoted.Model.Weights
			n.spec.Student.WarmStart, n.record.WarmStart = &weights, true
		}
	}
	n.spec.Data.Reviews = &reviews
	return nil
}

// checkMargin returns an error if the gate's margin cannot protect the model in use, before the run
// pays for anything. [activities.Activities.CompareModels] checks it on the run's own users.
func (n *nightly) checkMargin() error {
	for _, m := range n.promoted.Metrics {
		if m.Metric != n.settings.Gate.Metric {
			continue
		}
		if _, err := activities.Margin(n.settings.Gate, m.Value); err != nil {
			return temporal.NewNonRetryableApplicationError(err.Error(), activities.TypeInvalidConfig, err)
		}
	}
	return nil
}

// importAndCheck imports the reviews and runs the sanity check.
func (n *nightly) importAndCheck(ctx workflow.Context) (err error) {
	if n.results.Identity, err = n.identify(ctx); err != nil {
		return err
	}
	if n.results.Identity.UserKey != n.userKey {
		return temporal.NewNonRetryableApplicationError("the reviews were ingested with another RDREC_USER_KEY than "+
			"they are imported with", activities.TypeUserKey, nil)
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

// distillAndCheck distills the new explanations and runs the sanity check on the teacher's replies.
func (n *nightly) distillAndCheck(ctx workflow.Context) (err error) {
	n.results.Rationales, err = n.distill(ctx, n.results.Identity, n.results.Dataset)
	if err != nil || n.results.Rationales.IsZero() {
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
		Gate: n.settings.Gate, Previous: n.promoted.Counts, Dataset: n.results.Dataset,
		Rationales: n.results.Rationales,
	}
	var out activities.SanityCheckResult
	if err := execute(bookkeepingOptions(ctx, "check the ingested reviews"), stub.SanityCheck, in, &out); err != nil {
		return err
	}
	n.record.Counts, n.record.Reasons = out.Counts, out.Reasons
	return nil
}

// train trains and evaluates the new student, and ranks the baselines.
func (n *nightly) train(ctx workflow.Context) (err error) {
	if n.results.Preprocessed, err = n.preprocess(ctx, n.results.Dataset, n.results.Rationales); err != nil {
		return err
	}
	n.record.Preprocessed = n.results.Preprocessed
	trials := n.startTrials(ctx, n.results.Identity, n.results.Preprocessed)
	defer n.draftReports(ctx, &n.results, trials)()
	if n.results.Baseline, err = n.baseline(ctx, n.results.Preprocessed); err != nil {
		return err
	}
	if n.results.Sasrec, err = n.sasrec(ctx, n.results.Preprocessed); err != nil {
		return err
	}
	if n.results.Bsarec, err = n.bsarec(ctx, n.results.Preprocessed); err != nil {
		return err
	}
	if n.results.Trials, err = n.awaitTrials(ctx, trials); err != nil {
		return err
	}
	n.record.Model = n.results.Trials[0].Model
	return n.fuse(ctx, &n.results)
}

// compareModels evaluates the model in use on the same examples, and compares.
func (n *nightly) compareModels(ctx workflow.Context) error {
	current, err := n.evaluateCurrent(ctx)
	if err != nil {
		return err
	}
	in := activities.CompareModelsInput{
		Gate: n.settings.Gate, Items: n.record.Counts.Items, Strict: n.protocol.Constrained, Seed: n.spec.Seed,
		New: n.results.Trials[0].Served(), Old: current, CurrentPromotion: n.promoted.Number,
		Baselines: n.results.Baseline,
	}
	var out activities.CompareModelsResult
	options := bookkeepingOptions(ctx, "compare with the current model")
	if err := execute(options, stub.CompareModels, in, &out); err != nil {
		return err
	}
	n.record.Metrics, n.record.Comparison, n.record.Baseline = out.Metrics, out.Comparison, out.Baseline
	n.record.Lists, n.record.Reasons = &out.Lists, out.Reasons
	return nil
}

// evaluateCurrent evaluates the model in use for the new model's users.
func (n *nightly) evaluateCurrent(ctx workflow.Context) ([]storage.Ref, error) {
	if n.promoted.Number == 0 {
		return nil, nil
	}
	in := TrialInput{
		Spec: n.spec, Method: n.promoted.Model.Method, Seed: n.spec.Seed, Preprocessed: n.results.Preprocessed,
	}
	t := &trial{TrialInput: in, stages: n.stages}
	var err error
	if t.method, t.protocol, t.variant, err = in.resolve(); err != nil {
		return nil, invalidSpec(err)
	}
	gated := activities.GateTask(n.settings.Gate)
	if fitted := n.promoted.Model.Fusion; !fitted.IsZero() && gated == task.Sequential {
		mixed, err := n.stages.run(ctx, fuseStage(activities.FuseInput{
			Preprocessed: n.results.Preprocessed, Model: n.promoted.Model.Weights, Fitted: fitted,
			Method: n.promoted.Model.Method, Evaluate: n.spec.Evaluate.ForPredictions(), Seed: n.spec.Seed,
		}))
		return []storage.Ref{mixed}, err
	}
	predictions, err := t.evaluate(ctx, n.promoted.Model.Weights, gated)
	return []storage.Ref{predictions}, err
}

// promote puts the new model in use.
func (n *nightly) promote(ctx workflow.Context) error {
	model, err := registry.NewPromotedModel(n.results.Trials[0].Model, n.results.Trials[0].Fusion, n.spec)
	if err != nil {
		return err
	}
	model.UserKey = n.userKey
	in := activities.PromoteInput{Name: n.spec.Name, Previous: n.promoted.Number, Promotion: registry.Promotion{
		Reviews: n.record.Reviews, Dataset: n.results.Dataset, Preprocessed: n.results.Preprocessed, Model: model,
		Metrics: n.record.Metrics, Comparison: n.record.Comparison, Counts: &n.record.Counts,
	}}
	var promotion registry.Promotion
	if err := execute(bookkeepingOptions(ctx, "promote"), stub.Promote, in, &promotion); err != nil {
		return err
	}
	n.record.Promotion, n.record.Verdict = promotion.Number, registry.VerdictPromoted
	if promotion.Kind == registry.FirstPromotion {
		n.record.Verdict = registry.VerdictFirst
	}
	return nil
}

// report is the experiment's report with the verdict. A run that was rejected before it trained has
// a row on the page of nightly runs only.
func (n *nightly) report(ctx workflow.Context) error {
	if len(n.results.Trials) == 0 {
		return nil
	}
	n.results.NightlyRun = &n.record
	out, err := n.experiment.report(ctx, n.results)
	n.record.Report, n.record.HTML = out.Report, out.HTML
	n.reported = concluded(out)
	return err
}

// recordAndNotify records the run, publishes its verdict and notifies the webhook. A failing
// webhook does not fail the run.
func (n *nightly) recordAndNotify(ctx workflow.Context) error {
	n.record.Summary = n.record.Sentence()
	n.record.Seconds = float64(workflow.Now(ctx).Unix() - n.startedAt)
	n.reported.verdict, n.reported.decision = n.record.Summary, n.record.Verdict
	n.stages.conclude(ctx, n.reported)
	if n.record.Number > 0 {
		var number int
		options := bookkeepingOptions(ctx, "record the nightly run")
		if err := execute(options, stub.RecordNightlyRun, n.record, &number); err != nil {
			return err
		}
		n.record.Number = number
	}
	n.notify(ctx, n.record)
	return nil
}

// paused tells people that the run waits for them.
func (n *nightly) paused(ctx workflow.Context, reason string) {
	record := n.record
	record.Verdict, record.Reasons = registry.VerdictPaused, []string{reason}
	record.Summary = record.Sentence()
	if err := workflow.UpsertTypedSearchAttributes(ctx, VerdictAttribute().ValueSet(record.Verdict)); err != nil {
		workflow.GetLogger(ctx).Warn("the verdict's search attribute was not set", "error", err)
	}
	n.notify(ctx, record)
}

// notify posts a record to the webhook, if there is one. A failing webhook fails no run.
func (n *nightly) notify(ctx workflow.Context, notified registry.NightlyRun) {
	if n.settings.Webhook == "" {
		return
	}
	run := workflow.GetInfo(ctx).WorkflowExecution
	notified.Workflow, notified.Run, notified.Time = run.ID, run.RunID, workflow.Now(ctx).UTC()
	in := activities.NotifyInput{URL: n.settings.Webhook, Run: notified}
	if err := workflow.ExecuteActivity(
		notifyOptions(ctx, "notify the webhook"), stub.Notify, in,
	).Get(ctx, nil); err != nil {
		workflow.GetLogger(ctx).Warn("the webhook was not notified", "error", err)
		n.stages.warning = "The webhook was not notified: " + FailureOf(err).Cause
		n.stages.publish(ctx)
	}
}
