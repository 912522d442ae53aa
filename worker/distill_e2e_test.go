package main_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/client"

	"rdrec/internal/spec"
	"rdrec/workflows"
)

// chatServer is an HTTP server that speaks OpenAI's chat protocol with a delay and counts its
// prompts.
type chatServer struct {
	*httptest.Server
	mutex sync.Mutex
	// prompts counts the requests by their last user message; replied is the number of replies
	// written.
	prompts map[string]int
	replied int
	// After limit replies (0: no limit), reached is closed and all others wait until released is
	// closed.
	limit             int
	accepted          int
	reached, released chan struct{}
	// onPrompt, if set, is called with each prompt and the key of the worker that sent it.
	onPrompt func(key, prompt string)
}

func newChatServer(t *testing.T, delay time.Duration) *chatServer {
	t.Helper()
	s := &chatServer{prompts: map[string]int{}, reached: make(chan struct{}), released: make(chan struct{})}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var chatRequest struct {
			Messages []struct{ Role, Content string }
		}
		if err := json.NewDecoder(r.Body).Decode(&chatRequest); err != nil {
			return // the worker was killed during the request
		}
		prompt := ""
		for _, m := range chatRequest.Messages {
			if m.Role == "user" {
				prompt = m.Content
			}
		}
		blocked := s.accept(prompt)
		if s.onPrompt != nil {
			s.onPrompt(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), prompt)
		}
		select {
		case <-blocked:
		case <-r.Context().Done():
			return
		}
		select {
		case <-time.After(delay):
		case <-r.Context().Done():
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{ //nolint:errcheck // the worker may be gone
			"choices": []any{map[string]any{"finish_reason": "stop", "message": map[string]any{
				"role":    "assistant",
				"content": "1. The user prefers soft hair.\n2. The item's attributes are roses and foam.",
			}}},
			"usage": map[string]any{"prompt_tokens": 20, "completion_tokens": 18},
		})
		s.mutex.Lock()
		defer s.mutex.Unlock()
		if s.replied++; s.replied == s.limit {
			close(s.reached)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// accept counts a prompt and returns the channel that its reply waits for.
func (s *chatServer) accept(prompt string) <-chan struct{} {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.prompts[prompt]++
	if s.limit > 0 && s.accepted >= s.limit {
		return s.released
	}
	s.accepted++
	open := make(chan struct{})
	close(open)
	return open
}

// awaitLimit waits until the server has replied to limit prompts.
func (s *chatServer) awaitLimit(t *testing.T) {
	t.Helper()
	select {
	case <-s.reached:
	case <-time.After(2 * time.Minute):
		t.Fatalf("the server replied to fewer than %d prompts", s.limit)
	}
}

// counts maps a number of requests to the number of prompts that were sent so often.
func (s *chatServer) counts() map[int]int {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	n := map[int]int{}
	for _, times := range s.prompts {
		n[times]++
	}
	return n
}

// concurrency is the number of requests in flight at once: so many prompts may be sent twice after
// a kill.
const concurrency = 4

// smallReviews is a spec of the shipped reviews in protocol clean.
const smallReviews = `
protocol: clean
data: {reviews: {path: testdata/reviews/All_Beauty_5.json.gz, user_core: 3, item_core: 1}}
`

// distillationInput returns a distillation of the first rows of the shipped reviews by a server.
func distillationInput(t *testing.T, s *chatServer, rows int) workflows.DistillationInput {
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

func (p *testEnv) startDistillation(id string, in workflows.DistillationInput) client.WorkflowRun {
	p.t.Helper()
	return p.launch(id, workflows.Distillation, in)
}

func (p *testEnv) awaitDistillation(run client.WorkflowRun) (result workflows.DistillationResult) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), 4*time.Minute)
	defer cancel()
	if err := run.Get(ctx, &result); err != nil {
		p.t.Fatal(err)
	}
	return result
}

// The worker is killed while it distills, the run is terminated, and a second run distills the same
// rows: no finished row is requested again, whether a sample or the killed run finished it.
func TestFinishedRowsAreNotRequestedAgain(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("kills processes as Linux does")
	}
	t.Parallel()
	const rows = 60
	s := newChatServer(t, 5*time.Millisecond)
	in := distillationInput(t, s, rows)
	s.limit = 25
	p := newTestEnv(t)
	p.start()
	sample := in
	sample.Sample = 8
	p.awaitDistillation(p.startDistillation("sample", sample))
	if diff := cmp.Diff(map[int]int{1: 8}, s.counts()); diff != "" {
		t.Fatalf("prompts of the sample: %s", diff)
	}
	run := p.startDistillation("full", in)
	s.awaitLimit(t)
	p.waitFor("the finished rows stored", 2*time.Minute, func() bool { return len(p.rows()) >= s.limit })
	p.kill()
	close(s.released)
	if n := s.counts()[1]; n >= rows {
		t.Fatalf("%d prompts before the worker was killed, so nothing was tested", n)
	}
	if err := p.client.TerminateWorkflow(
		t.Context(), run.GetID(), run.GetRunID(), "the test replaces the run",
	); err != nil {
		t.Fatal(err)
	}
	p.start()
	first := p.awaitDistillation(p.startDistillation("full", in))
	counts := s.counts()
	if counts[1]+counts[2] != rows || counts[2] > concurrency || len(counts) > 2 {
		t.Errorf("times to prompts: %v; want %d prompts, at most those in flight at the kill twice", counts, rows)
	}
	t.Logf("%d prompts sent once, %d in flight at the kill sent twice; %v requests by the second run",
		counts[1], counts[2], first.Stats.Requests)
	again := p.awaitDistillation(p.startDistillation("full", in))
	if again.Rationales != first.Rationales || !cmp.Equal(counts, s.counts()) {
		t.Errorf("the third run sent prompts again: %v", s.counts())
	}
	p.recordHistory(run, "distillation-found")
}

// The artifact has the same bytes for any number of shards, attempts, pauses and workers.
func TestShardsAndPausesKeepBytes(t *testing.T) {
	t.Parallel()
	s := newChatServer(t, 5*time.Millisecond)
	in := distillationInput(t, s, 40)
	p := newTestEnv(t)
	p.start()
	s.limit = 10
	run := p.startDistillation("paused", in)
	s.awaitLimit(t)
	update := func(name, wantError string, args ...any) workflows.DistillationStatus {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		handle, err := p.client.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
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
	before := s.counts()
	close(s.released)
	update(workflows.UpdateResume, "")
	first := p.awaitDistillation(run)
	after := s.counts()
	if before[1] >= 40 || after[1]+after[2] != 40 || after[2] > concurrency || len(after) > 2 {
		t.Errorf("times to prompts: %v at the pause, %v at the end", before, after)
	}
	if first.Stats.Requests != 40 || first.Stats.Tokens != 40*18 {
		t.Errorf("statistics %v: want those before the pause included", first.Stats)
	}
	p.recordHistory(run, "distillation-paused")

	other := newTestEnv(t)
	other.start()
	in.Teacher.ShardRows, in.Teacher.Batch = 1000, 1
	second := other.awaitDistillation(other.startDistillation("whole", in))
	if second.Rationales != first.Rationales {
		t.Errorf("in shards of 15: %v; in one: %v", first.Rationales, second.Rationales)
	}
}

// awaitPaused waits until no shard is running, and checks that the status shows the finished rows.
func (p *testEnv) awaitPaused(id string) {
	p.t.Helper()
	for range 400 {
		value, err := p.client.QueryWorkflow(p.t.Context(), id, "", workflows.QueryDistillation)
		if err != nil {
			p.t.Fatal(err)
		}
		var status workflows.DistillationStatus
		if err := value.Get(&status); err != nil {
			p.t.Fatal(err)
		}
		if len(status.Running) == 0 {
			value, err := p.client.QueryWorkflow(p.t.Context(), id, "", workflows.QueryStages)
			var stages []workflows.StageStatus
			if err == nil {
				err = value.Get(&stages)
			}
			if err != nil || stages[len(stages)-1].Progress.Done < 10 {
				p.t.Errorf("while paused: %+v, %v; want at least 10 rows done", stages, err)
			}
			return
		}
		<-time.After(50 * time.Millisecond)
	}
	p.t.Fatal("a shard was still running 20 s after the pause")
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
	p := newTestEnv(t)
	p.start()
	result := p.awaitDistillation(p.startDistillation("meta", in))
	if result.Stats.Requests != 12 || result.Stats.Tokens < 12*8 {
		t.Errorf("statistics %v", result.Stats)
	}
	if again := p.awaitDistillation(p.startDistillation("meta", in)); again.Rationales != result.Rationales {
		t.Errorf("%v, then %v", result.Rationales, again.Rationales)
	}
}
