package main

import (
	"testing"

	"go.temporal.io/sdk/client"

	"rdrec/storage"
)

// storeDraft stores the report of a running experiment so far.
func (env *testEnv) storeDraft(t *testing.T, id string) {
	t.Helper()
	c, err := client.Dial(client.Options{HostPort: env.address, Namespace: env.namespace, Logger: discardLogger()})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	found, err := c.DescribeWorkflowExecution(t.Context(), id, "")
	if err != nil {
		t.Fatal(err)
	}
	bucket, err := storage.Open(t.Context(), env.bucket)
	if err != nil {
		t.Fatal(err)
	}
	defer bucket.Close()
	run := found.GetWorkflowExecutionInfo().GetExecution().GetRunId()
	if err := bucket.PutRun(t.Context(), id, run, "report.txt", []byte("0 of 2 trials\n")); err != nil {
		t.Fatal(err)
	}
}
