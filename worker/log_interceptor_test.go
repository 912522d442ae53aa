package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/testsuite"
	sdk "go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"rdrec/storage"
	"rdrec/workflows"
)

// TestLogsOfARunAreKept runs an activity that fails once, logs a secret and succeeds.
func TestLogsOfARunAreKept(t *testing.T) {
	t.Parallel()
	bucket, err := storage.Open(t.Context(), "mem://")
	if err != nil {
		t.Fatal(err)
	}
	defer bucket.Close()
	var suite testsuite.WorkflowTestSuite
	suite.SetContextPropagators(workflows.Payloads{}.Propagators())
	env := suite.NewTestWorkflowEnvironment()
	env.SetWorkerOptions(sdk.Options{Interceptors: []interceptor.WorkerInterceptor{&logInterceptor{
		bucket: bucket, out: io.Discard, level: zerolog.InfoLevel, secrets: []string{"sk-verysecret"}, now: time.Now,
	}}})
	env.RegisterActivityWithOptions(func(ctx context.Context) error {
		zerolog.Ctx(ctx).Warn().Msg("the key is sk-verysecret at https://me:you@host/")
		if activity.GetInfo(ctx).Attempt == 1 {
			return errors.New("out of order")
		}
		return nil
	}, activity.RegisterOptions{Name: "Work"})
	env.ExecuteWorkflow(func(ctx workflow.Context) error {
		return workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
			StartToCloseTimeout: time.Minute, Summary: "pretrain rdrec/1",
		}), "Work").Get(ctx, nil)
	})
	if err := env.GetWorkflowError(); err != nil {
		t.Fatal(err)
	}
	files, err := bucket.Logs(t.Context(), "default-test-workflow-id")
	if err != nil || len(files) != 2 {
		t.Fatalf("%v, %v; want a log of each attempt", files, err)
	}
	var got []string
	for _, f := range files {
		text, err := bucket.ReadLog(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			var l struct{ Stage, Level, Message, Error string }
			if err := json.Unmarshal([]byte(line), &l); err != nil {
				t.Fatal(err)
			}
			got = append(got, strings.TrimSpace(strings.Join([]string{l.Stage, l.Level, l.Message, l.Error}, " ")))
		}
	}
	want := []string{
		"pretrain rdrec/1 info activity starts",
		"pretrain rdrec/1 warn the key is *** at https://***@host/",
		"pretrain rdrec/1 warn activity fails out of order",
		"pretrain rdrec/1 info activity starts",
		"pretrain rdrec/1 warn the key is *** at https://***@host/",
		"pretrain rdrec/1 info activity ends",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestLogBufferIsBounded writes more than it keeps.
func TestLogBufferIsBounded(t *testing.T) {
	t.Parallel()
	b := &logBuffer{}
	line := `{"message":"` + strings.Repeat("x", 1000) + `"}` + "\n"
	for range 200 {
		if _, err := b.Write([]byte(line)); err != nil {
			t.Fatal(err)
		}
	}
	lines, changed := b.read()
	if !changed || len(lines) > maxLogHead+len(leftOut)+maxLogTail || len(lines) < 60_000 {
		t.Errorf("it keeps %d bytes, changed: %t", len(lines), changed)
	}
	if strings.Count(string(lines), leftOut) != 1 || !strings.HasSuffix(string(lines), line) {
		t.Error("it does not say what is left out, or ends with another line")
	}
	if _, changed := b.read(); changed {
		t.Error("it changed since")
	}
}
