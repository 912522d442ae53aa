package workflows_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"rdrec/workflows"
)

// TestCommittedHistoriesReplay replays histories of real runs (a kind of workflow and what happened
// in it are the file's name). One that fails means that the code would break experiments that are
// running: give the change a version instead of the history a new file.
func TestCommittedHistoriesReplay(t *testing.T) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) < 15 {
		t.Fatalf("histories %v (%v): want those of every workflow and of what can happen in it", files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			replayer := worker.NewWorkflowReplayer()
			replayer.RegisterWorkflow(workflows.Experiment)
			replayer.RegisterWorkflow(workflows.Trial)
			replayer.RegisterWorkflow(workflows.Distillation)
			replayer.RegisterWorkflow(workflows.Export)
			replayer.RegisterWorkflow(workflows.Recommend)
			replayer.RegisterWorkflow(workflows.Nightly)
			replayer.RegisterWorkflow(workflows.Promotion)
			logger := log.NewStructuredLogger(slog.New(slog.DiscardHandler))
			history, execution := readHistory(t, file)
			options := worker.ReplayWorkflowHistoryOptions{OriginalExecution: execution}
			if err := replayer.ReplayWorkflowHistoryWithOptions(logger, history, options); err != nil {
				t.Error(err)
			}
		})
	}
}

// readHistory reads a history and whose it is: children are named after their parents.
func readHistory(t *testing.T, path string) (*history.History, workflow.Execution) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	events, err := client.HistoryFromJSON(f, client.HistoryJSONOptions{})
	if err != nil {
		t.Fatal(err)
	}
	started := events.Events[0].GetWorkflowExecutionStartedEventAttributes()
	return events, workflow.Execution{ID: started.GetWorkflowId(), RunID: started.GetOriginalExecutionRunId()}
}
