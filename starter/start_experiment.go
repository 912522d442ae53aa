package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"rdrec/activities"
	"rdrec/internal/spec"
	"rdrec/registry"
	"rdrec/workflows"
)

// errRunning is the error of a forced start while the experiment runs.
var errRunning = errors.New("the experiment is running")

// reuse is the finished run whose result a start reuses.
type reuse struct {
	Run   string    `json:"run"`
	Ended time.Time `json:"ended"`
	// Identity is the digests of the inputs, which are the same now.
	Identity registry.Identity `json:"identity"`
}

// startExperiment starts the experiment of a spec. Its id is derived from the spec: the same spec
// finds the running experiment, and the finished one if its inputs did not change since. With
// force, all stages are computed again. before is called before a new run starts; its error
// prevents the start.
func (a *app) startExperiment(
	ctx context.Context, to *server, s spec.Spec, force bool, before func() error,
) (*execution, error) {
	options, err := startOptions(s)
	if err != nil {
		return nil, err
	}
	in := workflows.ExperimentInput{Spec: s}
	found, err := find(ctx, to, options.ID)
	if errors.Is(err, errNoExperiment) {
		found, err = &execution{}, nil
	}
	if err != nil {
		return nil, err
	}
	switch {
	case force && found.status == enums.WORKFLOW_EXECUTION_STATUS_RUNNING:
		return nil, fmt.Errorf("%w: %s", errRunning, found.id)
	case found.status == enums.WORKFLOW_EXECUTION_STATUS_RUNNING:
		return startOrFind(ctx, to, options, workflows.Experiment, in)
	case force:
		in.NoCache = noCache(s, false)
		options.WorkflowIDReusePolicy = enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE
	case found.status == enums.WORKFLOW_EXECUTION_STATUS_COMPLETED:
		unchanged, err := a.checkInputs(ctx, found, s)
		if err != nil || unchanged {
			return found, err
		}
		options.WorkflowIDReusePolicy = enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE
	}
	if err := before(); err != nil {
		return nil, err
	}
	return startOrFind(ctx, to, options, workflows.Experiment, in)
}

// noCache returns the settings of a run that computes every stage itself. Rationales of a teacher
// behind a server cost money: they are requested again only if the user asks for it.
func noCache(s spec.Spec, regenerateRationales bool) workflows.NoCache {
	return workflows.NoCache{
		Nonce:      uuid.NewString()[:8],
		Rationales: regenerateRationales || !strings.HasPrefix(s.Teacher.Model, "openai:"),
	}
}

// checkInputs lets a worker hash the inputs of a finished experiment and reports whether they are
// unchanged.
func (a *app) checkInputs(ctx context.Context, e *execution, s spec.Spec) (unchanged bool, err error) {
	var result workflows.ExperimentResult
	if err := e.result(ctx, &result); err != nil {
		return false, err
	}
	if found, _ := e.hasWorker(ctx, workflows.QueueCPU); !found {
		a.logf("the inputs are compared with those of the last run: %s", noWorkerNote(workflows.QueueCPU))
	}
	in := workflows.InputsInput{Spec: s, Workflow: e.id, Run: e.run, Report: result.Report}
	check, err := startOrFind(ctx, e.server, client.StartWorkflowOptions{
		ID:                    workflows.InputsID(e.id),
		WorkflowIDReusePolicy: enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		StaticSummary:         "compare the inputs of " + e.id,
	}, workflows.Inputs, in)
	if err != nil {
		return false, err
	}
	var compared activities.CompareInputsResult
	if err := check.result(ctx, &compared); err != nil {
		if interrupted(ctx) {
			return false, errInterrupted
		}
		return false, err
	}
	ended := e.ended.Local().Format(time.DateTime)
	if len(compared.Changes) > 0 {
		reasons := make([]string, len(compared.Changes))
		for i, change := range compared.Changes {
			reasons[i] = string(change)
		}
		a.logf("since the run that ended at %s: %s; it runs again, stages with unchanged inputs are reused",
			ended, strings.Join(reasons, ", "))
		return false, nil
	}
	e.reused = &reuse{e.run, e.ended, compared.Identity}
	a.logf("reused: the run that ended at %s; its inputs did not change (data %.12s); --force computes it again",
		ended, compared.Identity.Data)
	return true, nil
}
