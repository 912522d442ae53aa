package activities

import (
	"context"
	"errors"

	"go.temporal.io/sdk/activity"

	"rdrec/registry"
	"rdrec/storage"
)

// DraftReportInput is what a run has made so far.
type DraftReportInput struct {
	// Record has the finished parts only; Progress tells people which they are.
	Record   registry.RunRecord `json:"record"`
	Progress string             `json:"progress"`
}

// DraftReport writes the report on a running run beside the run's other files, in the place of the
// draft before it. It leaves the report of a finished run alone.
func (a *Activities) DraftReport(ctx context.Context, in DraftReportInput) (out ReportResult, err error) {
	ctx, work, err := a.begin(ctx, "draft report")
	defer work.finish(&err)
	if err != nil {
		return out, err
	}
	w := &reportWork{Activities: a, RunRecord: in.Record, progress: in.Progress}
	made, err := w.assemble(ctx, work.dir)
	if err != nil {
		return out, err
	}
	files, err := made.Files()
	if err != nil {
		return out, err
	}
	run := activity.GetInfo(ctx).WorkflowExecution
	if _, err := a.Bucket.GetRun(ctx, run.ID, run.RunID, storage.RunRecord); !errors.Is(err, storage.ErrNotFound) {
		return out, err
	}
	for name, data := range files {
		if err := a.Bucket.PutRun(ctx, run.ID, run.RunID, name, data); err != nil {
			return out, err
		}
	}
	out.HTML = storage.RunKey(run.ID, run.RunID, "report.html")
	if a.ReportURL != nil {
		out.URL = a.ReportURL(ctx, out.HTML)
	}
	return out, nil
}
