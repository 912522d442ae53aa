package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"
	sdk "go.temporal.io/sdk/worker"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"rdrec/activities"
	"rdrec/internal/spec"
	"rdrec/internal/staging"
	"rdrec/registry"
	"rdrec/storage"
	"rdrec/workflows"
)

// atLimits is an environment variable that makes [TestWorkflowsAtTheirLimits] use the documented
// limits (docs/reliability.md) instead of small numbers: "make limits".
const atLimits = "RDREC_LIMITS"

// limitsEnv is a server whose activities do nothing, at once, with results as large as real ones.
type limitsEnv struct {
	*staging.Env
	// outputs counts artifacts, which all differ.
	outputs atomic.Int64
	// shards, users and files are what the plans and the inbox have.
	shards, users, files int
}

// ref returns a new artifact.
func (l *limitsEnv) ref() storage.Ref {
	return storage.Ref{Digest: storage.Digest(fmt.Append(nil, l.outputs.Add(1))), Size: 1 << 40}
}

func (l *limitsEnv) output() activities.StageOutput {
	return activities.StageOutput{Ref: l.ref(), Seconds: 1234.56789, Units: 1 << 30, Unit: "samples"}
}

// activities returns the activities by type.
func (l *limitsEnv) activities() map[string]any {
	all := map[string]any{
		"Identify": func(context.Context, activities.IdentifyInput) (registry.Identity, error) {
			return registry.Identity{Data: l.ref().Digest, Teacher: l.ref().Digest}, nil
		},
		"LookUp": func(context.Context, activities.LookUpInput) (out activities.StageResult, err error) {
			return out, nil
		},
		"CommitStage": func(context.Context, storage.StageRecord) error { return nil },
		"PlanDistillation": func(context.Context, activities.DistillInput) (activities.DistillPlan, error) {
			plan := activities.DistillPlan{Wanted: 64 * l.shards, Shards: l.shards}
			for range (l.shards + 99) / 100 {
				plan.Parts = append(plan.Parts, l.ref())
			}
			return plan, nil
		},
		"DistillShard": func(context.Context, activities.DistillShardInput) (activities.DistillShardResult, error) {
			return activities.DistillShardResult{Rows: 64, Parsed: 64, Tokens: 9999, Seconds: 1234.56789}, nil
		},
		"PlanExport": func(context.Context, activities.ExportInput) (activities.ExportPlan, error) {
			return activities.ExportPlan{Users: l.users, Items: 1_000_000}, nil
		},
		"PublishExport": func(context.Context, activities.PublishExportInput) error { return nil },
		"Report": func(context.Context, registry.RunRecord) (activities.ReportResult, error) {
			return activities.ReportResult{Report: l.ref(), HTML: "runs/limits/report.html"}, nil
		},
		"DraftReport": func(context.Context, activities.DraftReportInput) (activities.ReportResult, error) {
			return activities.ReportResult{URL: "http://127.0.0.1:1/report.html"}, nil
		},
		"Ingest": func(context.Context, activities.IngestInput) (activities.IngestResult, error) {
			out := activities.IngestResult{RunNumber: 1, Reviews: l.ref()}
			for i := range l.files {
				name := fmt.Sprintf("inbox/reviews/2026/11/28/part-%08d.jsonl.gz", i)
				out.Ingested = append(out.Ingested, storage.File{Name: name, Ref: l.ref()})
			}
			return out, nil
		},
		"SanityCheck": func(context.Context, activities.SanityCheckInput) (activities.SanityCheckResult, error) {
			return activities.SanityCheckResult{}, nil
		},
		"CompareModels": func(context.Context, activities.CompareModelsInput) (activities.CompareModelsResult, error) {
			return activities.CompareModelsResult{}, nil
		},
		"Promote": func(context.Context, activities.PromoteInput) (registry.Promotion, error) {
			return registry.Promotion{Number: 1, Kind: registry.FirstPromotion}, nil
		},
		"RecordNightlyRun": func(context.Context, registry.NightlyRun) (int, error) { return 1, nil },
	}
	for _, name := range []string{
		"Import", "MergeRationales", "Preprocess", "RankBaselines", "Pretrain", "Evaluate", "MergePredictions",
		"ExportShard", "MergeExport", "FormatExport",
	} {
		all[name] = func(context.Context, any) (activities.StageOutput, error) { return l.output(), nil }
	}
	return all
}

// startWorkers runs the workflows and the activities that do nothing, until the test ends.
func (l *limitsEnv) startWorkers() {
	l.T.Helper()
	for _, queue := range polled(workflows.Queues()) {
		w := sdk.New(l.Client, queue, sdk.Options{
			MaxConcurrentActivityTaskPollers: 8, MaxConcurrentWorkflowTaskPollers: 8,
			MaxConcurrentActivityExecutionSize: 64, DisableRegistrationAliasing: true,
			DeadlockDetectionTimeout: time.Minute,
			Interceptors:             []interceptor.WorkerInterceptor{&activities.MeasureInterceptor{Now: time.Now}},
		})
		workflows.Register(w)
		for name, do := range l.activities() {
			w.RegisterActivityWithOptions(do, activity.RegisterOptions{Name: name})
		}
		if err := w.Start(); err != nil {
			l.T.Fatal(err)
		}
		l.T.Cleanup(w.Stop)
	}
}

// measured is what a workflow left on the server, over all its runs and children.
type measured struct {
	runs, events, bytes int
	// longest and largest are the events and bytes of the longest and largest history, payload the
	// size of the largest payload.
	longest, largest, payload int
	// queued are the places of activities in their queues, by type: queue, priority, fairness key.
	queued map[string]string
}

// measure reads the histories of a workflow, its runs that continued as new, and its children.
func (l *limitsEnv) measure(id string) (m measured) {
	l.T.Helper()
	m.queued = map[string]string{}
	ids, runs := []string{id}, []string{""}
	for len(ids) > 0 {
		var events, size int
		history := l.Client.GetWorkflowHistory(
			l.T.Context(), ids[0], runs[0], false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT,
		)
		ids, runs = ids[1:], runs[1:]
		for history.HasNext() {
			event, err := history.Next()
			if err != nil {
				l.T.Fatal(err)
			}
			events++
			size += proto.Size(event)
			m.payload = max(m.payload, largestPayload(event.ProtoReflect()))
			if a := event.GetActivityTaskScheduledEventAttributes(); a != nil {
				m.queued[a.GetActivityType().GetName()] = fmt.Sprintf("%s %d %s",
					a.GetTaskQueue().GetName(), a.GetPriority().GetPriorityKey(), a.GetPriority().GetFairnessKey())
			}
			if child := event.GetChildWorkflowExecutionStartedEventAttributes(); child != nil {
				ids = append(ids, child.GetWorkflowExecution().GetWorkflowId())
				runs = append(runs, child.GetWorkflowExecution().GetRunId())
			}
			started := event.GetWorkflowExecutionStartedEventAttributes()
			if previous := started.GetContinuedExecutionRunId(); previous != "" {
				ids, runs = append(ids, id), append(runs, previous)
			}
		}
		m.runs++
		m.events += events
		m.bytes += size
		m.longest, m.largest = max(m.longest, events), max(m.largest, size)
	}
	return m
}

// largestPayload returns the size of the largest payload in a message.
func largestPayload(message protoreflect.Message) (largest int) {
	if payload, ok := message.Interface().(*common.Payload); ok {
		return len(payload.GetData())
	}
	message.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		switch {
		case field.IsMap() && field.MapValue().Message() != nil:
			value.Map().Range(func(_ protoreflect.MapKey, v protoreflect.Value) bool {
				largest = max(largest, largestPayload(v.Message()))
				return true
			})
		case field.IsList() && field.Message() != nil:
			for i := range value.List().Len() {
				largest = max(largest, largestPayload(value.List().Get(i).Message()))
			}
		case !field.IsMap() && !field.IsList() && field.Message() != nil:
			largest = max(largest, largestPayload(value.Message()))
		}
		return true
	})
	return largest
}

// limit is a workflow at its limit: its input, and what it may leave on the server. Temporal allows
// 51,200 events and 50 MiB in a history, and 2 MiB in a payload.
type limit struct {
	name                      string
	workflow, in              any
	events, longest, megabyte int
}

// TestWorkflowsAtTheirLimits runs the real workflows with activities that do nothing.
func TestWorkflowsAtTheirLimits(t *testing.T) {
	l := &limitsEnv{Env: staging.New(t), shards: 30, users: 20_000, files: 200}
	trials, evaluated, perRun := 1, 20, 12
	if os.Getenv(atLimits) != "" {
		l.shards, l.users, l.files = 10_000, 10_000_000, 2000
		trials, evaluated, perRun = 100, 256, 0
	}
	l.startWorkers()
	s := spec.Default()
	s.Protocol, s.Methods, s.Trials = spec.Clean, []string{"rdrec", "pod"}, trials
	s.Ablate = []string{"skip_pads", "mask_cross", "constrained", "held_out"}
	nightly := s
	nightly.Name, nightly.Methods, nightly.Trials, nightly.Ablate = "nightly", []string{"pod"}, 1, nil
	nightly.Data.Reviews, nightly.Nightly = &spec.Reviews{}, &spec.Nightly{Inbox: "inbox/"}
	sharded := nightly
	sharded.Nightly, sharded.Evaluate.Shards = nil, evaluated
	distillation, err := workflows.NewDistillation(s)
	if err != nil {
		t.Fatal(err)
	}
	distillation.ShardsPerRun = perRun
	students := 10 * trials
	for _, c := range []limit{
		{
			fmt.Sprintf("experiment of %d students", students), workflows.Experiment,
			workflows.ExperimentInput{Spec: s},
			250 + 60*students, 300 + 7*students, 20,
		},
		{
			fmt.Sprintf("evaluation in %d shards", evaluated), workflows.Trial,
			workflows.TrialInput{Spec: sharded, Method: "pod", Seed: 1},
			200 + 24*evaluated, 8000, 10,
		},
		{
			fmt.Sprintf("distillation of %d shards", l.shards), workflows.Distillation, distillation,
			200 + 12*l.shards, 8000, 10,
		},
		{
			fmt.Sprintf("export of %d users", l.users), workflows.Export, workflows.ExportInput{
				ExportInput: activities.ExportInput{Top: 10}, Format: activities.FormatParquet,
			}, 4000, 4000, 10,
		},
		{
			fmt.Sprintf("nightly run with %d new files", l.files), workflows.Nightly,
			workflows.NightlyInput{Spec: nightly},
			400, 300, 10,
		},
	} {
		t.Run(c.name, func(t *testing.T) { l.check(t, c) })
	}
}

// check runs a workflow and compares what it left with what it may leave.
func (l *limitsEnv) check(t *testing.T, c limit) {
	t.Helper()
	id := strings.ReplaceAll(c.name, " ", "-")
	started := time.Now()
	run := l.Launch(id, c.workflow, c.in)
	if err := run.Get(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	took := time.Since(started)
	m := l.measure(id)
	l.checkQueued(t, id, m.queued)
	t.Logf("| %s | %d | %d | %d | %.1f | %d | %.0f s |", c.name, m.runs, m.events, m.longest,
		float64(m.largest)/1e6, m.payload/1000, took.Seconds())
	for _, figure := range []struct {
		name        string
		got, atMost int
	}{
		{"events", m.events, c.events},
		{"events of the longest history", m.longest, min(c.longest, 51_200)},
		{"bytes of the largest history", m.largest, min(c.megabyte, 50) << 20},
		{"bytes of the largest payload", m.payload, 2<<20 - 128<<10},
	} {
		if figure.got > figure.atMost {
			t.Errorf("%s: %d, want at most %d", figure.name, figure.got, figure.atMost)
		}
	}
}

// checkQueued compares where activities wait: evaluations go before trainings, bookkeeping does not
// wait behind imports, and the activities of all trials share the key of their run, so that it gets
// one share of the workers.
func (l *limitsEnv) checkQueued(t *testing.T, id string, got map[string]string) {
	t.Helper()
	for activityType, place := range map[string]string{
		"Import": "rdrec-cpu 0 ", "DistillShard": "rdrec-gpu 0 ",
		"Pretrain": "rdrec-gpu 4 ", "Evaluate": "rdrec-gpu 2 ",
		"Identify": "rdrec-bookkeeping 0 ", "Report": "rdrec-bookkeeping 0 ",
	} {
		if found, ran := got[activityType]; ran && found != place+id[max(0, len(id)-64):] {
			t.Errorf("%s waits in %q, want %q", activityType, found, place+id)
		}
	}
}

// TestTooLargeResultEndsTheRun has a nightly run with more files than fit into Temporal's payloads.
// The run fails with that reason; the server would let the activity try for ever.
func TestTooLargeResultEndsTheRun(t *testing.T) {
	t.Parallel()
	l := &limitsEnv{Env: staging.New(t), files: 14_000}
	l.startWorkers()
	s := spec.Default()
	s.Data.Reviews, s.Nightly = &spec.Reviews{}, &spec.Nightly{Inbox: "inbox/"}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err := l.Launch("nightly", workflows.Nightly, workflows.NightlyInput{Spec: s}).Get(ctx, nil)
	if err == nil {
		t.Fatal("the run ended without an error")
	}
	want := workflows.Failure{
		Type: activities.TypeInvalidConfig, Cause: "the result of Ingest has 2.1 MiB, and Temporal accepts 2 MiB",
	}
	if f := workflows.FailureOf(err); f.Cause != want.Cause || f.Type != want.Type {
		t.Errorf("failure %+v, want %+v", f, want)
	}
}
