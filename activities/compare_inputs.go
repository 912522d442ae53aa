package activities

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"rdrec/registry"
	"rdrec/storage"
)

// CompareInputsInput names a finished run, and what its spec reads from outside the bucket.
type CompareInputsInput struct {
	IdentifyInput
	Workflow string `json:"workflow"`
	Run      string `json:"run"`
	// Report is the run's report.
	Report storage.Ref `json:"report"`
	// StageVersions are the versions of the stages' code now.
	StageVersions map[string]int `json:"stage_versions"`
}

// CompareInputsResult is what changed since a run.
type CompareInputsResult struct {
	Identity registry.Identity `json:"identity"`
	// Changes is empty if a new run would give the same result.
	Changes []registry.Change `json:"changes,omitempty"`
}

// CompareInputs hashes what a spec reads and compares it with what a finished run read.
func (a *Activities) CompareInputs(ctx context.Context, in CompareInputsInput) (out CompareInputsResult, err error) {
	ctx, p := a.startHeartbeat(ctx, "hash the inputs")
	defer p.stop()
	defer func() { err = temporalError(ctx, err) }()
	if out.Identity, err = a.identify(ctx, in.IdentifyInput); err != nil {
		return out, err
	}
	record, err := a.runRecord(ctx, in)
	if errors.Is(err, storage.ErrNotFound) {
		out.Changes = []registry.Change{registry.ResultsMissing}
		return out, nil
	}
	if err != nil {
		return out, err
	}
	for _, c := range []struct {
		change registry.Change
		is     bool
	}{
		{registry.DataChanged, record.Identity.Data != out.Identity.Data},
		{registry.TeacherChanged, record.Identity.Teacher != out.Identity.Teacher},
		{registry.StudentChanged, record.Identity.Student != out.Identity.Student},
		{registry.UserKeyChanged, record.Identity.UserKey != out.Identity.UserKey},
		{registry.CodeChanged, record.StageVersions != nil && !maps.Equal(record.StageVersions, in.StageVersions)},
	} {
		if c.is {
			out.Changes = append(out.Changes, c.change)
		}
	}
	return out, nil
}

// runRecord returns the record of a run whose report is complete; it is [storage.ErrNotFound] if
// either is missing.
func (a *Activities) runRecord(ctx context.Context, in CompareInputsInput) (record registry.RunRecord, err error) {
	_, record, err = registry.ReadRun(ctx, a.Bucket, in.Workflow+"/"+in.Run)
	if err != nil {
		return record, err
	}
	complete, err := a.Bucket.IsComplete(ctx, in.Report)
	if err == nil && !complete {
		err = fmt.Errorf("report of run %q: %w", in.Run, storage.ErrNotFound)
	}
	return record, err
}
