package workflows_test

import (
	"fmt"
	"strings"
	"testing"

	"rdrec/activities"
	"rdrec/storage"
	"rdrec/workflows"
)

// TestTooLargeInputEndsTheRun has a nightly run that ingested more files than its report's input
// may name. The server would reject the workflow's task, and let it try for ever.
func TestTooLargeInputEndsTheRun(t *testing.T) {
	t.Parallel()
	n := newNightlyEnv(t)
	n.ingested.Ingested = nil
	for i := range 13_000 {
		name := fmt.Sprintf("inbox/reviews/2026/11/28/part-%08d.jsonl.gz", i)
		file := storage.File{Name: name, Ref: storage.Ref{Digest: storage.Digest([]byte(name)), Size: 1 << 40}}
		n.ingested.Ingested = append(n.ingested.Ingested, file)
	}
	n.env.ExecuteWorkflow(workflows.Nightly, workflows.NightlyInput{Spec: nightlySpec()})
	err := n.env.GetWorkflowError()
	if err == nil {
		t.Fatal("the run ended without an error")
	}
	want := "report: its input has 1.9 MiB, and Temporal accepts 2 MiB: run fewer trials, shards or files at once"
	if f := workflows.FailureOf(err); !strings.HasPrefix(f.Cause, want) || f.Type != activities.TypeInvalidConfig {
		t.Errorf("failure %+v, want %q", f, want)
	}
}
