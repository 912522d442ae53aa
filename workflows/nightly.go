package workflows

import (
	"errors"
	"fmt"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"rdrec/activities"
	"rdrec/internal/spec"
	"rdrec/storage"
)

// NightlyInput is what [Nightly] is started with.
type NightlyInput struct {
	Spec spec.Spec
	// Retake has the files taken, too, that earlier nights set aside.
	Retake bool `json:",omitempty"`
}

// VerdictAttribute is the search attribute that says what came of a night.
func VerdictAttribute() temporal.SearchAttributeKeyKeyword {
	return temporal.NewSearchAttributeKeyKeyword("RdrecVerdict")
}

// Nightly is one night: it takes in new reviews, does an experiment's stages on all reviews so far, going on from the model in use, and
// puts the new model in its place if it is not worse. A night that promotes nothing ends well, and says why; one that fails is recorded
// and told of, too.
func Nightly(ctx workflow.Context, in NightlyInput) (activities.Night, error) {
	stages, err := open(ctx, "")
	if err != nil {
		return activities.Night{}, err
	}
	if in.Spec.Nightly == nil || in.Spec.Data.Reviews == nil {
		err := errors.New("the spec has no nightly block, or no data.reviews")
		return activities.Night{}, temporal.NewNonRetryableApplicationError(err.Error(), activities.TypeInvalidConfig, err)
	}
	protocol, err := in.Spec.Resolve()
	if err != nil {
		return activities.Night{}, temporal.NewNonRetryableApplicationError(err.Error(), activities.TypeInvalidConfig, err)
	}
	n := &nightly{
		settings: *in.Spec.Nightly, retake: in.Retake, began: workflow.Now(ctx).Unix(),
		experiment: &experiment{spec: in.Spec, protocol: protocol, stages: stages},
		night:      activities.Night{Name: in.Spec.Name, Metric: in.Spec.Nightly.Gate.Metric, Counts: map[string]int{}},
	}
	n.spec.Nightly = nil
	if err := n.run(ctx); err != nil {
		n.night.Verdict, n.night.Reasons = activities.NightFailed, []string{reason(err)}
		// A cancelled night is recorded and told of like any other.
		last, cancel := workflow.NewDisconnectedContext(ctx)
		defer cancel()
		if told := n.conclude(last); told != nil {
			workflow.GetLogger(ctx).Error("the failed night was not recorded", "error", told)
		}
		return n.night, err
	}
	return n.night, n.conclude(ctx)
}

// reason is what went wrong without the frames that Temporal puts around it.
func reason(err error) string {
	var failed *temporal.ApplicationError
	if errors.As(err, &failed) {
		return failed.Message()
	}
	return err.Error()
}

// nightly is a running [Nightly]; its experiment's spec is that of tonight, with what was gathered in the place of files.
type nightly struct {
	*experiment
	settings spec.Nightly
	retake   bool
	began    int64
	promoted storage.Promotion
	made     activities.ReportInput
	night    activities.Night
}

// run is the night up to its verdict.
func (n *nightly) run(ctx workflow.Context) error {
	if err := n.gather(ctx); err != nil || n.night.Verdict != "" {
		return err
	}
	for _, step := range []func(workflow.Context) error{n.prepare, n.distilled, n.train, n.judge} {
		if err := step(ctx); err != nil {
			return n.refuse(err)
		}
		if len(n.night.Reasons) > 0 {
			break
		}
	}
	if len(n.night.Reasons) > 0 {
		n.night.Verdict, n.night.SetAside = activities.NightKept, !n.settings.KeepRefused
	} else if err := n.promote(ctx); err != nil {
		return err
	}
	return n.report(ctx)
}

// refuse makes data that can't be used a reason to keep the model in use, where there is one: it came in tonight.
func (n *nightly) refuse(err error) error {
	var failed *temporal.ApplicationError
	if n.promoted.Number == 0 || !errors.As(err, &failed) || failed.Type() != activities.TypeDataCorrupt {
		return err
	}
	n.night.Verdict, n.night.SetAside = activities.NightKept, !n.settings.KeepRefused
	n.night.Reasons = append(n.night.Reasons, failed.Message())
	return nil
}

// gather takes in what is new, and has the experiment go on from the model in use.
func (n *nightly) gather(ctx workflow.Context) error {
	if from := n.settings.Source; from != nil {
		showStage(ctx, "draw")
		in := activities.DrawInput{Name: n.spec.Name, Inbox: n.settings.Inbox, Source: *from}
		if err := workflow.ExecuteActivity(work(ctx, QueueCPU, "draw what is new in the source"), acts.Draw, in).Get(ctx, nil); err != nil {
			return err
		}
	}
	showStage(ctx, "gather")
	in := activities.GatherInput{
		Name: n.spec.Name, Inbox: n.settings.Inbox, KeepRefused: n.settings.KeepRefused, Retake: n.retake,
	}
	var got activities.Gathered
	if err := workflow.ExecuteActivity(work(ctx, QueueCPU, "take in new reviews"), acts.Gather, in).Get(ctx, &got); err != nil {
		return err
	}
	n.promoted = got.Promoted
	n.night.Number, n.night.Against, n.night.Promotion = got.Night, got.Promoted.Number, got.Promoted.Number
	n.night.Taken, n.night.Held, n.night.Reviews = got.Taken, got.Held, got.Reviews
	if len(got.Taken) == 0 {
		n.night.Verdict = activities.NightIdle
		return nil
	}
	reviews := *n.spec.Data.Reviews
	reviews.Path = n.settings.Inbox // for people: the activity reads what was gathered
	n.spec.Data.Accumulated = &spec.Accumulated{Reviews: spec.Stored(got.Reviews), Numbers: spec.Stored(got.Promoted.Dataset)}
	if n.promoted.Number > 0 {
		reviews.MaxBad = 1 // the gate decides
		if n.promoted.Model.Size == n.spec.Student.Size && n.promoted.Model.Method == n.spec.Methods[0] {
			weights := spec.Stored(n.promoted.Model.Weights)
			n.spec.Student.Warm, n.night.Warm = &weights, true
		}
	}
	n.spec.Data.Reviews = &reviews
	return nil
}

// prepare imports, and looks at what came in.
func (n *nightly) prepare(ctx workflow.Context) (err error) {
	if n.made.Identity, err = n.identify(ctx); err != nil {
		return err
	}
	if w := n.spec.Student.Warm; w != nil {
		n.made.Identity.Student = w.Digest
	}
	if n.made.Dataset, err = n.importData(ctx, n.made.Identity); err != nil {
		return err
	}
	n.night.Dataset = n.made.Dataset
	return n.inspect(ctx)
}

// distilled has the teacher asked for what is new, and looks at its replies.
func (n *nightly) distilled(ctx workflow.Context) (err error) {
	if n.made.Rationales, err = n.distill(ctx, n.made.Identity, n.made.Dataset); err != nil || n.made.Rationales.IsZero() {
		return err
	}
	if err := n.inspect(ctx); err != nil {
		return err
	}
	for _, stage := range n.stages.times() {
		if stage.Name == distillStage && !stage.Cached {
			n.night.Counts[activities.CountAsked] = int(stage.Figures[activities.FigureAsked])
			n.night.Counts[activities.CountTokens] = int(stage.Figures[activities.FigureTokens])
		}
	}
	return nil
}

func (n *nightly) inspect(ctx workflow.Context) error {
	in := activities.InspectInput{
		Gate: n.settings.Gate, Before: n.promoted.Counts, Dataset: n.made.Dataset, Rationales: n.made.Rationales,
	}
	var out activities.Inspected
	if err := workflow.ExecuteActivity(quick(ctx, "look at what came in"), acts.Inspect, in).Get(ctx, &out); err != nil {
		return err
	}
	n.night.Counts, n.night.Reasons = out.Counts, out.Reasons
	return nil
}

// train makes the new student and examines it, beside the baselines.
func (n *nightly) train(ctx workflow.Context) (err error) {
	if n.made.Examples, err = n.preprocess(ctx, n.made.Dataset, n.made.Rationales); err != nil {
		return err
	}
	n.night.Examples = n.made.Examples
	trials := n.startTrials(ctx, n.made.Identity, n.made.Examples)
	if n.made.Baseline, err = n.baseline(ctx, n.made.Examples); err != nil {
		return err
	}
	if n.made.Sasrec, err = n.sasrec(ctx, n.made.Examples); err != nil {
		return err
	}
	if n.made.Trials, err = n.awaitTrials(ctx, trials); err == nil {
		n.night.Model = n.made.Trials[0].Model
	}
	return err
}

// judge examines the model in use on the same examples, and compares.
func (n *nightly) judge(ctx workflow.Context) error {
	old, err := n.examineOld(ctx)
	if err != nil {
		return err
	}
	in := activities.JudgeInput{
		Gate: n.settings.Gate, Items: n.night.Counts[activities.CountItems], Strict: n.protocol.Constrained, Seed: n.spec.Seed,
		New: n.made.Trials[0].Evaluations, Old: old, Against: n.promoted.Number,
	}
	var out activities.Judged
	if err := workflow.ExecuteActivity(quick(ctx, "compare with the model in use"), acts.Judge, in).Get(ctx, &out); err != nil {
		return err
	}
	n.night.Metrics, n.night.Compared, n.night.Coverage, n.night.Reasons = out.Metrics, out.Compared, out.Coverage, out.Reasons
	return nil
}

// examineOld has the model in use answer for the users that the new one answers for.
func (n *nightly) examineOld(ctx workflow.Context) ([]storage.Ref, error) {
	if n.promoted.Number == 0 {
		return nil, nil
	}
	in := TrialInput{Spec: n.spec, Method: n.promoted.Model.Method, Seed: n.spec.Seed, Examples: n.made.Examples}
	t := &trial{TrialInput: in, stages: n.stages}
	var err error
	if t.method, t.protocol, t.variant, err = in.resolve(); err != nil {
		return nil, temporal.NewNonRetryableApplicationError(err.Error(), activities.TypeInvalidConfig, err)
	}
	old, err := t.evaluate(ctx, n.promoted.Model.Weights, activities.GateKind(n.settings.Gate))
	return []storage.Ref{old}, err
}

// promote puts the new model in use.
func (n *nightly) promote(ctx workflow.Context) error {
	model, err := activities.Promotable(n.made.Trials[0].Model, n.spec)
	if err != nil {
		return err
	}
	in := activities.PromoteInput{Name: n.spec.Name, Before: n.promoted.Number, Promotion: storage.Promotion{
		Reviews: n.night.Reviews, Dataset: n.made.Dataset, Examples: n.made.Examples, Model: model,
		Metrics: n.night.Metrics, Compared: n.night.Compared, Counts: n.night.Counts,
	}}
	var now storage.Promotion
	if err := workflow.ExecuteActivity(quick(ctx, "promote"), acts.Promote, in).Get(ctx, &now); err != nil {
		return err
	}
	n.night.Promotion, n.night.Verdict = now.Number, activities.NightPromoted
	if now.Kind == storage.FirstPromotion {
		n.night.Verdict = activities.NightFirst
	}
	return nil
}

// report is the experiment's with the verdict in it. A night that was refused before it trained has its line on the page of the nights.
func (n *nightly) report(ctx workflow.Context) error {
	if len(n.made.Trials) == 0 {
		return nil
	}
	n.made.Night = &n.night
	out, err := n.experiment.report(ctx, n.made)
	n.night.Report, n.night.HTML = out.Report, out.HTML
	return err
}

// conclude records the night, shows its verdict and tells the webhook. A webhook that takes nothing stops no night.
func (n *nightly) conclude(ctx workflow.Context) error {
	n.night.Seconds = float64(workflow.Now(ctx).Unix() - n.began)
	if err := workflow.UpsertTypedSearchAttributes(ctx, VerdictAttribute().ValueSet(n.night.Verdict)); err != nil {
		workflow.GetLogger(ctx).Warn("the verdict's search attribute was not set", "error", err)
	}
	if n.night.Number > 0 {
		var number int
		if err := workflow.ExecuteActivity(quick(ctx, "record the night"), acts.RecordNight, n.night).Get(ctx, &number); err != nil {
			return err
		}
		n.night.Number = number
	}
	if n.settings.Webhook == "" {
		return nil
	}
	info := workflow.GetInfo(ctx)
	told := n.night
	told.Workflow, told.Run, told.Time = info.WorkflowExecution.ID, info.WorkflowExecution.RunID, workflow.Now(ctx).UTC()
	in := activities.NotifyInput{URL: n.settings.Webhook, Night: told}
	if err := workflow.ExecuteActivity(tell(ctx, "tell the webhook"), acts.Notify, in).Get(ctx, nil); err != nil {
		workflow.GetLogger(ctx).Warn("the webhook was not told", "error", err)
		workflow.SetCurrentDetails(ctx, fmt.Sprintf("%s, but the webhook was not told: %s", n.night.Verdict, reason(err)))
	}
	return nil
}
