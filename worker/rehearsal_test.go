package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"rdrec/internal/faultproxy"
	"rdrec/internal/spec"
	"rdrec/internal/staging"
	"rdrec/workflows"
)

// rehearse is an environment variable that makes [TestRehearsal] run: "make rehearsal".
const rehearse = "RDREC_REHEARSAL"

// trialsOfRehearsal is the number of trials of each of the two experiments.
const trialsOfRehearsal = 10

// rehearsal is a production in small: a cluster, an S3-compatible bucket, a teacher behind a
// server, and a process for each queue.
type rehearsal struct {
	*faultEnv
	proxy *faultproxy.Proxy
	runs  []client.WorkflowRun
	since time.Time
	rows  []string
}

// TestRehearsal runs two experiments of ten trials at once and a nightly run beside them, on
// Temporal's own server with PostgreSQL, mutual TLS and a namespace of its own. Meanwhile a worker
// is killed, one is added, the database crashes, and all workers are upgraded. It checks that
// nothing is lost and prints the figures of docs/scale.md.
func TestRehearsal(t *testing.T) {
	if os.Getenv(rehearse) == "" {
		t.Skip(`"make rehearsal" runs it`)
	}
	teacher := staging.StartLlamaCpp(t)
	cluster := staging.StartCluster(t)
	r := &rehearsal{faultEnv: &faultEnv{staging.NewOn(cluster, "rehearsal")}}
	r.proxy = r.UseS3()
	start := func(build, queue string) *staging.Process {
		return r.StartWorker("--deployment", "rdrec", "--build-id", build, "--queues", queue,
			"--heartbeat-throttle", "15s")
	}
	old := []*staging.Process{start("v1", workflows.QueueCPU), start("v1", workflows.QueueGPU)}
	victim := start("v1", workflows.QueueGPU)
	r.deploy("v1")

	r.since = time.Now()
	r.runs = []client.WorkflowRun{r.experiment("alpha", teacher, 0.001), r.experiment("beta", teacher, 0.002)}
	r.awaitTrained(2)
	r.killAndAdd(victim, func() { old = append(old, start("v1", workflows.QueueGPU)) })
	r.awaitTrained(6)
	r.crashDatabase(cluster)
	r.awaitTrained(10)
	start("v2", workflows.QueueCPU)
	start("v2", workflows.QueueGPU)
	r.deploy("v2")
	r.startNightly()

	for _, run := range r.runs {
		var result workflows.ExperimentResult
		if err := run.Get(t.Context(), &result); err != nil {
			t.Errorf("experiment %s: %v", run.GetID(), err)
		}
	}
	r.figure("both experiments, %d trainings and %d evaluations: %s", 2*trialsOfRehearsal, 2*trialsOfRehearsal,
		time.Since(r.since).Round(time.Second))
	for _, w := range old {
		w.Drain()
	}
	r.awaitNightly()
	r.checkNothingIsLost()
	r.measureQueues()
	r.measureHistories()
	traffic := r.proxy.Traffic()
	r.figure("bucket: %d requests, %.0f MB written, %.0f MB read", traffic.Requests, megabytes(traffic.Written),
		megabytes(traffic.Read))
	for _, row := range r.rows {
		t.Log("| " + row)
	}
}

func megabytes(n int64) float64 { return float64(n) / 1e6 }

// figure adds a row to what the test prints.
func (r *rehearsal) figure(format string, args ...any) {
	r.rows = append(r.rows, fmt.Sprintf(format, args...))
}

// deploy makes a version of the workers current once one of them polls.
func (r *rehearsal) deploy(build string) {
	r.T.Helper()
	r.WaitFor("version "+build+" polls", time.Minute, func() bool {
		_, _, code := r.Starter("deploy", "rdrec", build)
		return code == 0
	})
}

// experiment starts an experiment of ten trials, whose rationales come from a teacher's server.
func (r *rehearsal) experiment(name, teacher string, learningRate float64) client.WorkflowRun {
	r.T.Helper()
	s, err := spec.Load(filepath.Join(staging.Root(), "experiments/demo.yaml"), []string{
		"name=" + name, fmt.Sprint("trials=", trialsOfRehearsal), "student.size=t5-tiny",
		"teacher={model: \"openai:" + teacher + "/v1#smollm2-" + name + "\", max_reviews: 8, shard_rows: 4, " +
			"prompt: few-shot, constrain: two-lines}",
		fmt.Sprint("train.learning_rate=", learningRate), "train.epochs=2", "train.epoch_steps=40",
		"train.checkpoint_steps=10", "train.validation_rows=16",
		"evaluate.sequential_users=40", "evaluate.topn_users=-1", "evaluate.explanations=-1", "evaluate.num_beams=10",
		"evaluate.num_return_sequences=10", "evaluate.fusion.users=40",
	})
	if err != nil {
		r.T.Fatal(err)
	}
	return r.StartExperiment(s)
}

// awaitTrained waits until the experiments have finished n trainings.
func (r *rehearsal) awaitTrained(n int) {
	r.T.Helper()
	r.WaitFor(fmt.Sprint(n, " trainings"), 20*time.Minute, func() bool {
		for _, run := range r.runs {
			if err := r.failure(run); err != nil {
				r.T.Fatalf("experiment %s: %v", run.GetID(), err)
			}
		}
		return r.CountFiles("stages/pretrain/*.json") >= n
	})
}

// failure returns the error of an experiment that has failed.
func (r *rehearsal) failure(run client.WorkflowRun) error {
	d, err := r.Client.DescribeWorkflowExecution(r.T.Context(), run.GetID(), run.GetRunID())
	if err == nil && d.GetWorkflowExecutionInfo().GetStatus() == enums.WORKFLOW_EXECUTION_STATUS_FAILED {
		return run.Get(r.T.Context(), nil)
	}
	return nil // it runs, has ended well, or the server restarts
}

// killAndAdd kills a worker and adds one, and waits until the killed worker's job runs again.
func (r *rehearsal) killAndAdd(victim *staging.Process, add func()) {
	r.T.Helper()
	victim.Kill()
	killed := time.Now()
	add()
	r.WaitFor("the killed worker's job runs again", 10*time.Minute, func() bool {
		return slices.ContainsFunc(r.Workers, func(w *staging.Process) bool {
			return len(w.LogLines(staging.MsgTriedAgain)) > 0
		})
	})
	r.figure("a killed worker's job runs again after %s", time.Since(killed).Round(time.Second))
}

// crashDatabase stops PostgreSQL for ten seconds as a crash does, and waits until a job ends.
func (r *rehearsal) crashDatabase(cluster *staging.Cluster) {
	r.T.Helper()
	cluster.StopDatabase()
	<-time.After(10 * time.Second)
	cluster.StartDatabase()
	back := time.Now()
	r.WaitFor("a job ends after the database is back", 10*time.Minute, func() bool {
		for _, events := range r.Histories() {
			if last := events[len(events)-1].GetEventTime().AsTime(); last.After(back) {
				return true
			}
		}
		return false
	})
	r.figure("after ten seconds without a database, workflows go on %s after its start",
		time.Since(back).Round(100*time.Millisecond))
}

// startNightly starts a nightly run beside the experiments.
func (r *rehearsal) startNightly() {
	r.T.Helper()
	r.addReviews("first.json", 0, firstOfJune, unchanged)
	r.createSchedule()
	r.MustStarter("schedule", "trigger", "beauty-nightly")
}

// awaitNightly waits for the nightly run's verdict.
func (r *rehearsal) awaitNightly() {
	r.T.Helper()
	r.AwaitFiles("nightly/beauty-nightly/promotions/*", 1)
	r.figure("the nightly run beside them had promoted its model %s after the experiments' start",
		time.Since(r.since).Round(time.Second))
}

// checkNothingIsLost checks that each training and evaluation was recorded once, and the bucket.
func (r *rehearsal) checkNothingIsLost() {
	r.T.Helper()
	const nightly = 1
	const want = 2*trialsOfRehearsal + nightly
	models, done := r.CountFiles("stages/pretrain/*.json"), r.CompletedActivities()["Pretrain"]
	if models != want || done != want {
		r.T.Errorf("%d trained models and %d completed trainings, want %d of each", models, done, want)
	}
	for _, run := range r.runs {
		if n := r.CountFiles("runs/" + run.GetID() + "/*/report.html"); n != 1 {
			r.T.Errorf("%d reports of %s", n, run.GetID())
		}
	}
	for _, f := range r.BadObjects() {
		r.T.Errorf("the bucket is corrupt: %s: %s", f.Key, f.Reason)
	}
}

// measureQueues adds the waits of first attempts in each queue.
func (r *rehearsal) measureQueues() {
	r.T.Helper()
	waits := map[string][]time.Duration{}
	for _, events := range r.Histories() {
		scheduled := map[int64]string{}
		at := map[int64]time.Time{}
		for _, event := range events {
			if a := event.GetActivityTaskScheduledEventAttributes(); a != nil {
				scheduled[event.GetEventId()] = a.GetTaskQueue().GetName()
				at[event.GetEventId()] = event.GetEventTime().AsTime()
			}
			if a := event.GetActivityTaskStartedEventAttributes(); a.GetAttempt() == 1 {
				queue := scheduled[a.GetScheduledEventId()]
				waits[queue] = append(waits[queue], event.GetEventTime().AsTime().Sub(at[a.GetScheduledEventId()]))
			}
		}
	}
	for _, queue := range []string{workflows.QueueGPU, workflows.QueueCPU, workflows.QueueBookkeeping} {
		all := waits[queue]
		slices.Sort(all)
		if len(all) == 0 {
			r.T.Errorf("no activity of queue %s", queue)
			continue
		}
		r.figure("queue %s: %d activities waited %s (median), %s (95th percentile), %s (longest)", queue, len(all),
			seconds(all[len(all)/2]), seconds(all[len(all)*95/100]), seconds(all[len(all)-1]))
	}
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }

// measureHistories adds the sizes of the histories.
func (r *rehearsal) measureHistories() {
	r.T.Helper()
	list, err := r.Client.ListWorkflow(r.T.Context(), &workflowservice.ListWorkflowExecutionsRequest{})
	if err != nil {
		r.T.Fatal(err)
	}
	events, size, largest := int64(0), int64(0), int64(0)
	types := map[string]int{}
	for _, w := range list.GetExecutions() {
		if strings.HasPrefix(w.GetType().GetName(), "temporal-") {
			continue
		}
		types[w.GetType().GetName()]++
		events += w.GetHistoryLength()
		size += w.GetHistorySizeBytes()
		largest = max(largest, w.GetHistorySizeBytes())
	}
	r.figure("histories: %v, %d events, %.1f MB, the largest %.0f kB", types, events, megabytes(size),
		float64(largest)/1e3)
}
