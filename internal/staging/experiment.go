package staging

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.temporal.io/sdk/client"

	"rdrec/internal/spec"
	"rdrec/workflows"
)

// StartExperiment starts the experiment and returns its handle.
func (e *Env) StartExperiment(s spec.Spec) client.WorkflowRun {
	e.T.Helper()
	return e.Launch(s.Name, workflows.Experiment, workflows.ExperimentInput{Spec: s})
}

// AwaitWeights waits for the experiment and returns the digest of its student's weights.
func (e *Env) AwaitWeights(run client.WorkflowRun) string {
	e.T.Helper()
	ctx, cancel := context.WithTimeout(e.T.Context(), 8*time.Minute)
	defer cancel()
	var result workflows.ExperimentResult
	if err := run.Get(ctx, &result); err != nil {
		e.T.Fatal(err)
	}
	return e.Weights()
}

// AwaitError waits for an experiment to end and returns its error.
func (e *Env) AwaitError(run client.WorkflowRun) error {
	e.T.Helper()
	ctx, cancel := context.WithTimeout(e.T.Context(), 4*time.Minute)
	defer cancel()
	var result workflows.ExperimentResult
	err := run.Get(ctx, &result)
	if ctx.Err() != nil {
		e.T.Fatal("the experiment did not end")
	}
	return err
}

// ShortSpec returns an experiment that trains for a few seconds.
func ShortSpec(t *testing.T, overrides ...string) spec.Spec {
	t.Helper()
	path := filepath.Join(t.TempDir(), "short.yaml")
	text := `
name: short
data: {folder: testdata/rdrec/beauty_mini}
teacher: {model: copy}
student: {size: t5-tiny}
train: {batch: 2, epochs: 2, epoch_steps: 30, validation_rows: 8, checkpoint_steps: 5, learning_rate: 0.001}
evaluate:
  {sequential_users: 4, topn_users: 2, explanations: 2, num_beams: 4, num_return_sequences: 4, topn: 4,
  explanation_num_beams: 3, explanation_num_beam_groups: 3}
`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := spec.Load(path, overrides)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// CurrentAttempt returns the attempt number of the trial's running activity, or 0.
func (e *Env) CurrentAttempt() int {
	d, err := e.Client.DescribeWorkflowExecution(e.T.Context(), "short/rdrec-1", "")
	if err != nil || len(d.GetPendingActivities()) == 0 {
		return 0
	}
	return int(d.GetPendingActivities()[0].GetAttempt())
}

// PendingFailure returns the type of the latest failure of the trial's running activity, or "".
func (e *Env) PendingFailure() string {
	d, err := e.Client.DescribeWorkflowExecution(e.T.Context(), "short/rdrec-1", "")
	if err != nil {
		return ""
	}
	for _, a := range d.GetPendingActivities() {
		if errorType := a.GetLastFailure().GetApplicationFailureInfo().GetType(); errorType != "" {
			return errorType
		}
	}
	return ""
}
