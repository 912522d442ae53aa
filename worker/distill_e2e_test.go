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

	"rdrec/activities"
	"rdrec/internal/spec"
	"rdrec/workflows"
)

// chatServer is a real HTTP server that speaks OpenAI's chat protocol, takes its time, and counts what it is asked.
type chatServer struct {
	*httptest.Server
	mutex sync.Mutex
	// asked counts the prompts, by their last message; answered are those whose reply was written.
	asked    map[string]int
	answered int
	// The first replies, as many as limit says, come; then reached is closed, and all others wait until released is. 0 is no limit.
	limit             int
	admitted          int
	reached, released chan struct{}
	// watch, where set, is told of each prompt and of who asks: the worker's key.
	watch func(key, prompt string)
}

func newChatServer(t *testing.T, delay time.Duration) *chatServer {
	t.Helper()
	s := &chatServer{asked: map[string]int{}, reached: make(chan struct{}), released: make(chan struct{})}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var asked struct {
			Messages []struct{ Role, Content string }
		}
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
			return // the worker was killed while it asked
		}
		said := ""
		for _, m := range asked.Messages {
			if m.Role == "user" {
				said = m.Content
			}
		}
		held := s.admit(said)
		if s.watch != nil {
			s.watch(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), said)
		}
		select {
		case <-held:
		case <-r.Context().Done():
			return
		}
		select {
		case <-time.After(delay):
		case <-r.Context().Done():
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{ //nolint:errcheck // nobody may listen any more
			"choices": []any{map[string]any{"finish_reason": "stop", "message": map[string]any{
				"role": "assistant", "content": "1. The user prefers soft hair.\n2. The item's attributes are roses and foam.",
			}}},
			"usage": map[string]any{"prompt_tokens": 20, "completion_tokens": 18},
		})
		s.mutex.Lock()
		defer s.mutex.Unlock()
		if s.answered++; s.answered == s.limit {
			close(s.reached)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// admit counts a prompt and returns what its reply waits for.
func (s *chatServer) admit(prompt string) <-chan struct{} {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.asked[prompt]++
	if s.limit > 0 && s.admitted >= s.limit {
		return s.released
	}
	s.admitted++
	open := make(chan struct{})
	close(open)
	return open
}

// await waits until as many prompts were answered as the limit says.
func (s *chatServer) await(t *testing.T) {
	t.Helper()
	select {
	case <-s.reached:
	case <-time.After(2 * time.Minute):
		t.Fatalf("the server answered fewer than %d prompts", s.limit)
	}
}

// counts is how often prompts were asked: times to prompts.
func (s *chatServer) counts() map[int]int {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	n := map[int]int{}
	for _, times := range s.asked {
		n[times]++
	}
	return n
}

// concurrency is how many requests are in flight at once, and so how many may be asked twice after a kill.
const concurrency = 4

// schooling is a distillation of some rows of the small real data set by a server.
func schooling(t *testing.T, s *chatServer, rows int) workflows.DistillationInput {
	t.Helper()
	settings, err := spec.Parse("test", []byte("name: counted\nprotocol: clean\ndata: {reviews: {path: testdata/reviews/All_Beauty_5.json.gz, user_core: 3, item_core: 1}}\n"), []string{
		fmt.Sprintf("teacher.model=%q", "openai:"+s.URL+"/v1#counted"), fmt.Sprintf("teacher.reviews=%d", rows),
		fmt.Sprintf("teacher.batch=%d", concurrency), "teacher.shard=15",
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

func (p *plant) distil(id string, in workflows.DistillationInput) client.WorkflowRun {
	p.t.Helper()
	return p.launch(id, workflows.Distillation, in)
}

func (p *plant) distilled(run client.WorkflowRun) (result workflows.DistillationResult) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), 4*time.Minute)
	defer cancel()
	if err := run.Get(ctx, &result); err != nil {
		p.t.Fatal(err)
	}
	return result
}

// Kill -9 in mid-distill, give the run up, and distil again: no finished row is asked again, in a sample, a second run or otherwise.
func TestNoFinishedRowIsAskedAgain(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("kills processes as Linux does")
	}
	t.Parallel()
	const rows = 60
	s := newChatServer(t, 5*time.Millisecond)
	in := schooling(t, s, rows)
	s.limit = 25
	p := newPlant(t)
	p.start()
	sample := in
	sample.Sample = 8
	p.distilled(p.distil("sample", sample))
	if diff := cmp.Diff(map[int]int{1: 8}, s.counts()); diff != "" {
		t.Fatalf("prompts of the sample: %s", diff)
	}
	run := p.distil("full", in)
	s.await(t)
	p.until("the finished rows stored", 2*time.Minute, func() bool { return len(p.rows()) >= s.limit })
	p.kill()
	close(s.released)
	if n := s.counts()[1]; n >= rows {
		t.Fatalf("%d prompts before the worker was killed: nothing was tested", n)
	}
	if err := p.client.TerminateWorkflow(t.Context(), run.GetID(), run.GetRunID(), "the test's user gives it up"); err != nil {
		t.Fatal(err)
	}
	p.start()
	first := p.distilled(p.distil("full", in))
	counts := s.counts()
	if counts[1]+counts[2] != rows || counts[2] > concurrency || len(counts) > 2 {
		t.Errorf("times to prompts: %v; want %d prompts, at most those in flight at the kill twice", counts, rows)
	}
	t.Logf("%d prompts asked once, %d that were in flight at the kill twice; %v rows asked in the second life", counts[1], counts[2], first.Figures["asked"])
	if again := p.distilled(p.distil("full", in)); again.Rationales != first.Rationales || !cmp.Equal(counts, s.counts()) {
		t.Errorf("a third run asked again: %v", s.counts())
	}
	p.record(run, "distillation-found")
}

// The artefact is the same bytes for any number of shards, attempts, pauses and workers.
func TestShardsAndPausesChangeNoByte(t *testing.T) {
	t.Parallel()
	s := newChatServer(t, 5*time.Millisecond)
	in := schooling(t, s, 40)
	p := newPlant(t)
	p.start()
	s.limit = 10
	run := p.distil("paused", in)
	s.await(t)
	steer := func(update, refusal string, args ...any) workflows.DistillationStatus {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		handle, err := p.client.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
			WorkflowID: "paused", UpdateName: update, Args: args, WaitForStage: client.WorkflowUpdateStageCompleted,
		})
		var status workflows.DistillationStatus
		if err == nil {
			err = handle.Get(ctx, &status)
		}
		if (err == nil) != (refusal == "") || err != nil && !strings.Contains(err.Error(), refusal) {
			t.Errorf("%s: error %v, want %q", update, err, refusal)
		}
		return status
	}
	if status := steer(workflows.UpdatePause, ""); !status.Paused {
		t.Errorf("after the pause: %+v", status)
	}
	steer(workflows.UpdatePause, "is paused already")
	steer(workflows.UpdateSkip, "there are 3 shards", workflows.SkipShard{Shard: 4})
	p.quiet("paused")
	before := s.counts()
	close(s.released)
	steer(workflows.UpdateResume, "")
	first := p.distilled(run)
	after := s.counts()
	if before[1] >= 40 || after[1]+after[2] != 40 || after[2] > concurrency || len(after) > 2 {
		t.Errorf("times to prompts: %v at the pause, %v in the end", before, after)
	}
	if first.Figures[activities.FigureAsked] != 40 || first.Figures[activities.FigureTokens] != 40*18 {
		t.Errorf("figures %v: want those before the pause too", first.Figures)
	}
	p.record(run, "distillation-paused")

	other := newPlant(t)
	other.start()
	in.Teacher.Shard, in.Teacher.Batch = 1000, 1
	if second := other.distilled(other.distil("whole", in)); second.Rationales != first.Rationales {
		t.Errorf("in shards of 15: %v; in one: %v", first.Rationales, second.Rationales)
	}
}

// quiet waits until nobody works at a shard, and checks that the people who paused see what is finished.
func (p *plant) quiet(id string) {
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
		if len(status.Worked) == 0 {
			value, err := p.client.QueryWorkflow(p.t.Context(), id, "", workflows.QueryStages)
			var stages []workflows.StageStatus
			if err == nil {
				err = value.Get(&stages)
			}
			if err != nil || stages[len(stages)-1].Progress.Done < 10 {
				p.t.Errorf("while it is paused: %+v, %v; want at least 10 rows done", stages, err)
			}
			return
		}
		<-time.After(50 * time.Millisecond)
	}
	p.t.Fatal("a shard was still worked at 20 s after the pause")
}

// A folder in Meta's form, with random weights, distils from end to end: all its replies have two lines, so that what is quarantined of
// such babble is it for what the lines say.
func TestAMetaFolderDistilsThroughAWorker(t *testing.T) {
	t.Parallel()
	folder, err := filepath.Abs(filepath.Join("..", "internal", "llama", "testdata", "meta-llama2"))
	if err != nil {
		t.Fatal(err)
	}
	settings, err := spec.Parse("test", []byte("name: meta\nprotocol: clean\ndata: {reviews: {path: testdata/reviews/All_Beauty_5.json.gz, user_core: 3, item_core: 1}}\n"), []string{
		fmt.Sprintf("teacher.model=%q", "meta:"+folder), "teacher.prompt=paper", "teacher.constrain=two-lines", "teacher.max_context=4096",
		"teacher.max_tokens=48", "teacher.reviews=12", "teacher.shard=5", "teacher.max_bad=0.25",
	})
	if err != nil {
		t.Fatal(err)
	}
	in, err := workflows.NewDistillation(settings)
	if err != nil {
		t.Fatal(err)
	}
	p := newPlant(t)
	p.start()
	result := p.distilled(p.distil("meta", in))
	if result.Figures["asked"] != 12 || result.Figures["tokens"] < 12*8 {
		t.Errorf("figures %v", result.Figures)
	}
	if again := p.distilled(p.distil("meta", in)); again.Rationales != result.Rationales {
		t.Errorf("%v, then %v", result.Rationales, again.Rationales)
	}
}
