package main_test

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/client"

	"rdrec/internal/spec"
	"rdrec/internal/staging"
	"rdrec/workflows"
)

// concurrency is the number of requests in flight at once: so many prompts may be sent twice after
// a kill.
const concurrency = 4

// smallReviews is a spec of the shipped reviews in protocol clean.
const smallReviews = `
protocol: clean
data: {reviews: {path: testdata/reviews/All_Beauty_5.json.gz, user_core: 3, item_core: 1}}
`

// distillationInput returns a distillation of the first rows of the shipped reviews by a server.
func distillationInput(t *testing.T, s *staging.ChatServer, rows int) workflows.DistillationInput {
	t.Helper()
	settings, err := spec.Parse("test", []byte("name: counted"+smallReviews), []string{
		fmt.Sprintf("teacher.model=%q", "openai:"+s.URL+"/v1#counted"), fmt.Sprintf("teacher.max_reviews=%d", rows),
		fmt.Sprintf("teacher.batch=%d", concurrency), "teacher.shard_rows=15",
	})
	if err != nil {
		t.Fatal(err)
	}
	in, err := workflows.NewDistillation(settings)
	if err != nil {
		t.Fatal(err)
	}
	return in
}

func (s *faultEnv) startDistillation(id string, in workflows.DistillationInput) client.WorkflowRun {
	s.T.Helper()
	return s.Launch(id, workflows.Distillation, in)
}

func (s *faultEnv) awaitDistillation(run client.WorkflowRun) (result workflows.DistillationResult) {
	s.T.Helper()
	ctx, cancel := context.WithTimeout(s.T.Context(), 4*time.Minute)
	defer cancel()
	if err := run.Get(ctx, &result); err != nil {
		s.T.Fatal(err)
	}
	return result
}

// sampleOf reads a sample of a distillation as docs/howto.md describes it for OpenAI: with the
// command line, and the key in the environment of the worker.
func (s *faultEnv) sampleOf(server *staging.ChatServer, in workflows.DistillationInput, rows int) {
	s.T.Helper()
	var keys sync.Map
	server.OnPrompt = func(key, _ string) { keys.Store(key, true) }
	path := filepath.Join(s.T.TempDir(), "counted.yaml")
	writeFile(s.T, path, fmt.Sprintf(
		"name: counted%steacher: {model: %q, max_reviews: %d, batch: %d, shard_rows: %d}\n",
		smallReviews, in.Teacher.Model, in.Teacher.MaxReviews, in.Teacher.Batch, in.Teacher.ShardRows))
	out := s.MustStarter("distill", path, "--sample", strconv.Itoa(rows))
	for _, want := range []string{
		"preference   The user prefers soft hair.", fmt.Sprintf("%[1]d of %[1]d wanted rationales by openai:", rows),
	} {
		if !strings.Contains(out, want) {
			s.T.Errorf("the sample lacks %q:\n%s", want, out)
		}
	}
	if diff := cmp.Diff(map[int]int{1: rows}, server.Counts()); diff != "" {
		s.T.Fatalf("prompts of the sample: %s", diff)
	}
	keys.Range(func(key, _ any) bool {
		if key != "sk-shop" {
			s.T.Errorf("a prompt was sent with the key %q", key)
		}
		return true
	})
}

// The worker is killed while it distills, the run is terminated, and a second run distills the same
// rows: no finished row is requested again, whether a sample or the killed run finished it.
func TestFinishedRowsAreNotRequestedAgain(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("kills processes as Linux does")
	}
	t.Parallel()
	const rows = 60
	s := staging.NewChatServer(t, 5*time.Millisecond)
	in := distillationInput(t, s, rows)
	s.Limit = 25
	p := newFaultEnv(t)
	p.Variables = append(p.Variables, "OPENAI_API_KEY=sk-shop")
	w := p.StartWorker()
	p.sampleOf(s, in, 8)
	run := p.startDistillation("full", in)
	s.AwaitLimit(t)
	p.WaitFor("the finished rows stored", 2*time.Minute, func() bool { return len(p.Rows()) >= s.Limit })
	w.Kill()
	close(s.Released)
	if n := s.Counts()[1]; n >= rows {
		t.Fatalf("%d prompts before the worker was killed, so nothing was tested", n)
	}
	if err := p.Client.TerminateWorkflow(
		t.Context(), run.GetID(), run.GetRunID(), "the test replaces the run",
	); err != nil {
		t.Fatal(err)
	}
	p.StartWorker()
	first := p.awaitDistillation(p.startDistillation("full", in))
	counts := s.Counts()
	if counts[1]+counts[2] != rows || counts[2] > concurrency || len(counts) > 2 {
		t.Errorf("times to prompts: %v; want %d prompts, at most those in flight at the kill twice", counts, rows)
	}
	t.Logf("%d prompts sent once, %d in flight at the kill sent twice; %v requests by the second run",
		counts[1], counts[2], first.Stats.Requests)
	again := p.awaitDistillation(p.startDistillation("full", in))
	if again.Rationales != first.Rationales || !cmp.Equal(counts, s.Counts()) {
		t.Errorf("the third run sent prompts again: %v", s.Counts())
	}
	p.recordHistory(run, "distillation-found")
}

// The artifact has the same bytes for any number of shards, attempts, pauses and workers.
func TestShardsAndPausesKeepBytes(t *testing.T) {
	t.Parallel()
	s := staging.NewChatServer(t, 5*time.Millisecond)
	in := distillationInput(t, s, 40)
	p := newFaultEnv(t)
	p.StartWorker()
	s.Limit = 10
	run := p.startDistillation("paused", in)
	s.AwaitLimit(t)
	update := func(name, wantError string, args ...any) workflows.DistillationStatus {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		handle, err := p.Client.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
			WorkflowID: "paused", UpdateName: name, Args: args, WaitForStage: client.WorkflowUpdateStageCompleted,
		})
		var status workflows.DistillationStatus
		if err == nil {
			err = handle.Get(ctx, &status)
		}
		if (err == nil) != (wantError == "") || err != nil && !strings.Contains(err.Error(), wantError) {
			t.Errorf("%s: error %v, want %q", name, err, wantError)
		}
		return status
	}
	if status := update(workflows.UpdatePause, ""); !status.Paused {
		t.Errorf("after the pause: %+v", status)
	}
	update(workflows.UpdatePause, "already paused")
	update(workflows.UpdateSkip, "there are 3 shards", workflows.SkipShard{Shard: 4})
	p.awaitPaused("paused")
	before := s.Counts()
	close(s.Released)
	update(workflows.UpdateResume, "")
	first := p.awaitDistillation(run)
	after := s.Counts()
	if before[1] >= 40 || after[1]+after[2] != 40 || after[2] > concurrency || len(after) > 2 {
		t.Errorf("times to prompts: %v at the pause, %v at the end", before, after)
	}
	if first.Stats.Requests != 40 || first.Stats.Tokens != 40*18 {
		t.Errorf("statistics %v: want those before the pause included", first.Stats)
	}
	p.recordHistory(run, "distillation-paused")

	other := newFaultEnv(t)
	other.StartWorker()
	in.Teacher.ShardRows, in.Teacher.Batch = 1000, 1
	second := other.awaitDistillation(other.startDistillation("whole", in))
	if second.Rationales != first.Rationales {
		t.Errorf("in shards of 15: %v; in one: %v", first.Rationales, second.Rationales)
	}
}

// awaitPaused waits until no shard is running, and checks that the status shows the finished rows.
func (s *faultEnv) awaitPaused(id string) {
	s.T.Helper()
	for range 400 {
		value, err := s.Client.QueryWorkflow(s.T.Context(), id, "", workflows.QueryDistillation)
		if err != nil {
			s.T.Fatal(err)
		}
		var status workflows.DistillationStatus
		if err := value.Get(&status); err != nil {
			s.T.Fatal(err)
		}
		if len(status.Running) == 0 {
			value, err := s.Client.QueryWorkflow(s.T.Context(), id, "", workflows.QueryStages)
			var stages []workflows.StageStatus
			if err == nil {
				err = value.Get(&stages)
			}
			if err != nil || stages[len(stages)-1].Progress.Done < 10 {
				s.T.Errorf("while paused: %+v, %v; want at least 10 rows done", stages, err)
			}
			return
		}
		<-time.After(50 * time.Millisecond)
	}
	s.T.Fatal("a shard was still running 20 s after the pause")
}

// A folder in Meta's format with random weights distills from end to end. Decoding is constrained
// to two lines, so replies are quarantined only for the content of the lines.
func TestMetaFolderDistills(t *testing.T) {
	t.Parallel()
	folder, err := filepath.Abs(filepath.Join("..", "internal", "llama", "testdata", "meta-llama2"))
	if err != nil {
		t.Fatal(err)
	}
	settings, err := spec.Parse("test", []byte("name: meta"+smallReviews), []string{
		fmt.Sprintf("teacher.model=%q", "meta:"+folder), "teacher.prompt=paper", "teacher.constrain=two-lines",
		"teacher.max_context=4096", "teacher.max_tokens=48", "teacher.max_reviews=12", "teacher.shard_rows=5",
		"teacher.max_bad=0.25",
	})
	if err != nil {
		t.Fatal(err)
	}
	in, err := workflows.NewDistillation(settings)
	if err != nil {
		t.Fatal(err)
	}
	p := newFaultEnv(t)
	p.StartWorker()
	result := p.awaitDistillation(p.startDistillation("meta", in))
	if result.Stats.Requests != 12 || result.Stats.Tokens < 12*8 {
		t.Errorf("statistics %v", result.Stats)
	}
	if again := p.awaitDistillation(p.startDistillation("meta", in)); again.Rationales != result.Rationales {
		t.Errorf("%v, then %v", result.Rationales, again.Rationales)
	}
}
