package workflows

import (
	"fmt"

	"go.temporal.io/sdk/workflow"

	"rdrec/activities"
	"rdrec/internal/spec"
	"rdrec/registry"
	"rdrec/storage"
)

// draftChange is the version of runs that write their report while they go on.
const draftChange = "draft-report"

// maxDrafts bounds the drafts of a run with many trials: each draft's input, which the history
// keeps, names all trials so far.
const maxDrafts = 20

// draftReports writes the report anew as baselines and trials end, until the returned function is
// called, which waits for a draft that is being written. A run that computed nothing so far gets
// none: its report follows at once.
func (e *experiment) draftReports(
	ctx workflow.Context, record *registry.RunRecord, trials []workflow.Future,
) (stop func()) {
	if e.stages.planner != nil || workflow.GetVersion(ctx, draftChange, workflow.DefaultVersion, 1) < 1 {
		return func() {}
	}
	d := &draft{experiment: e, record: record, trials: trials}
	inner, cancel := workflow.WithCancel(ctx)
	ended, setEnded := workflow.NewFuture(ctx)
	workflow.Go(inner, func(ctx workflow.Context) {
		for workflow.Await(ctx, d.due) == nil {
			d.write(ctx)
		}
		setEnded.SetValue(nil)
	})
	return func() {
		cancel()
		uncancelled, _ := workflow.NewDisconnectedContext(ctx)
		_ = ended.Get(uncancelled, nil) //nolint:errcheck // it has no error
	}
}

// draft is the report on a run that goes on.
type draft struct {
	*experiment
	record *registry.RunRecord
	trials []workflow.Future
	// written is the number of parts in the last draft.
	written int
}

// parts returns how many baselines and trials are finished, and how many there are.
func (d *draft) parts() (done, total int) {
	total = 1 + len(d.trials)
	for _, name := range []string{spec.SASRec, spec.BSARec} {
		if d.trainsBaseline(name) {
			total++
		}
	}
	for _, ref := range []storage.Ref{d.record.Baseline, d.record.Sasrec, d.record.Bsarec} {
		if !ref.IsZero() {
			done++
		}
	}
	for _, trial := range d.trials {
		if trial.IsReady() {
			done++
		}
	}
	return done, total
}

// due reports whether there is enough that the last draft lacks. The last part needs no draft: the
// report itself follows.
func (d *draft) due() bool {
	done, total := d.parts()
	enough := max(1, (total+maxDrafts-1)/maxDrafts)
	return done < total && done-d.written >= enough && d.stages.computed() && !d.stages.pauser.paused
}

// write writes a draft. One that fails is replaced by the next.
func (d *draft) write(ctx workflow.Context) {
	in, finished := activities.DraftReportInput{Record: *d.record}, 0
	in.Record.Trials = nil
	for _, trial := range d.trials {
		var found registry.TrialResult
		if trial.IsReady() && trial.Get(ctx, &found) == nil {
			in.Record.Trials, finished = append(in.Record.Trials, found), finished+1
		}
	}
	d.describe(&in.Record)
	d.written, _ = d.parts()
	in.Progress = fmt.Sprintf("%d of %d trials were done", finished, len(d.trials))
	var out activities.ReportResult
	if err := workflow.ExecuteActivity(draftOptions(ctx), stub.DraftReport, in).Get(ctx, &out); err != nil {
		workflow.GetLogger(ctx).Warn("the report so far was not written", "error", err)
		return
	}
	d.stages.draft = out.URL
	d.stages.publish(ctx)
}

// computed reports whether any stage did work in this run, rather than being reused.
func (t *stageTracker) computed() bool {
	for _, e := range t.entries {
		if e.State == Finished {
			return true
		}
	}
	return t.trialCost.Computed > 0
}
