package workflows_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
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
			workflows.Register(replayer)
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
func readHistory(t *testing.T, path string) (*historypb.History, workflow.Execution) {
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

// TestStagesOfAHistory replays histories without a worker and compares the stages with what a
// reader of the history finds in it.
func TestStagesOfAHistory(t *testing.T) {
	t.Parallel()
	want := map[string][]string{
		"trial.json": {
			"pretrain rdrec/1 done", "evaluate sequential rdrec/1 done", "evaluate topn rdrec/1 done",
			"evaluate explanation rdrec/1 done",
		},
	}
	for file, stages := range want {
		history, execution := readHistory(t, filepath.Join("testdata", file))
		var first []workflows.StageStatus
		for length := range history.Events {
			if length+1 < len(history.Events) && isCommand(history.Events[length+1]) {
				continue // the server stores the commands of a workflow task at once
			}
			part := &historypb.History{Events: history.Events[:length+1]}
			got, err := workflows.Payloads{}.ReplayStages(part, execution)
			if err != nil {
				t.Fatalf("%s: the first %d events: %v", file, length+1, err)
			}
			if first == nil {
				first = got
			}
			if length+1 < len(history.Events) {
				continue
			}
			var names []string
			for _, s := range got {
				names = append(names, s.Name+" "+string(s.State))
			}
			if diff := cmp.Diff(stages, names); diff != "" {
				t.Errorf("%s (-want +got):\n%s", file, diff)
			}
		}
		if len(first) != 1 || first[0].State != workflows.Running {
			t.Errorf("%s: the first stages are %+v", file, first)
		}
	}
}

// isCommand reports whether an event stands for a command of a workflow task.
func isCommand(event *historypb.HistoryEvent) bool {
	return slices.Contains([]enums.EventType{
		enums.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED, enums.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES,
		enums.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED, enums.EVENT_TYPE_MARKER_RECORDED,
		enums.EVENT_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED,
	}, event.GetEventType())
}
