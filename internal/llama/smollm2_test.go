package llama_test

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/cachedir"
	"rdrec/internal/golden"
	"rdrec/internal/llama"
	"rdrec/internal/spec"
	"rdrec/internal/teacher"
	"rdrec/internal/torch"
	"rdrec/internal/torch/torchtest"
)

// smolLM2 opens the demo's teacher, or skips the test if setup did not fetch it. It uses one
// thread, because tests run in parallel.
func smolLM2(t testing.TB, options llama.Options) *llama.Engine {
	t.Helper()
	path, err := cachedir.DemoTeacherFile()
	if errors.Is(err, cachedir.ErrNoTeacher) {
		t.Skip(err)
	}
	options.Device, options.Type, options.Threads = torchtest.Name(), "f32", 1
	return open(t, path, options)
}

func open(t testing.TB, path string, options llama.Options) *llama.Engine {
	t.Helper()
	engine, err := llama.Open(path, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := engine.Close(); err != nil {
			t.Error(err)
		}
	})
	return engine
}

type llamaCPP struct {
	Rows []struct {
		Prompt string
		IDs    []int32 `json:"ids"`
		Greedy []int32
		Top    [][][2]float64
	}
}

// tolerance is the maximum difference of a logit from llama.cpp's in float32. The largest measured
// difference is 1e-4.
const tolerance = 1e-3

func TestLogitsMatchLlamaCPP(t *testing.T) {
	engine := smolLM2(t, llama.Options{Batch: 16})
	for _, row := range readLlamaCPP(t).Rows {
		ids := engine.ChatTokens([]teacher.Message{{Role: teacher.User, Content: row.Prompt}})
		if diff := cmp.Diff(row.IDs, ids); diff != "" {
			t.Errorf("%q: tokens (-want +got):\n%s", row.Prompt, diff)
			continue
		}
		logits, err := engine.Logits(append(slices.Clone(ids), row.Greedy[:len(row.Greedy)-1]...), len(row.Greedy))
		if err != nil {
			t.Fatal(err)
		}
		worst := 0.0
		for step, top := range row.Top {
			for _, want := range top {
				worst = max(worst, math.Abs(float64(logits[step][int(want[0])])-want[1]))
			}
		}
		if worst > tolerance {
			t.Errorf("%q: logits differ by up to %g", row.Prompt, worst)
		}
		t.Logf("%q: logits differ by up to %.1e", row.Prompt, worst)
	}
}

func TestGreedyMatchesLlamaCPP(t *testing.T) {
	engine := smolLM2(t, llama.Options{Batch: 16})
	var prompts []teacher.Prompt
	rows := readLlamaCPP(t).Rows
	for _, row := range rows {
		prompts = append(prompts, teacher.Prompt{
			Messages: []teacher.Message{{Role: teacher.User, Content: row.Prompt}},
			Sampling: teacher.Sampling{MaxTokens: 32, RepetitionPenalty: 1},
		})
	}
	for i, reply := range complete(t, engine, prompts) {
		if want := engine.Decode(rows[i].Greedy); reply.Text != want {
			t.Errorf("%q: got %q, want %q", rows[i].Prompt, reply.Text, want)
		}
	}
}

func readLlamaCPP(t *testing.T) llamaCPP {
	t.Helper()
	data, err := os.ReadFile(golden.Data(t, "llama/smollm2_llamacpp.json"))
	if err != nil {
		t.Fatal(err)
	}
	var file llamaCPP
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	return file
}

func complete(t testing.TB, engine teacher.Engine, prompts []teacher.Prompt) []teacher.Reply {
	t.Helper()
	replies := make([]teacher.Reply, len(prompts))
	err := engine.Complete(t.Context(), prompts, func(i int, reply teacher.Reply) error {
		replies[i] = reply
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return replies
}

func TestSmolLM2Distils(t *testing.T) {
	explanations := []string{
		"I love the smell of this body wash", "It lathers well and leaves skin feeling soft and clean",
		"Arrived opened and leaking all over the box", "This is a very good soap for dry skin",
		"The holder is a good size and even fits a thick bar of soap", "It also keeps my feet soft and smooth",
	}
	engine := smolLM2(t, llama.Options{Batch: 16})
	weights := torch.Live()
	rows := distil(t, engine, explanations)
	if q := teacher.Measure(rows); q.Parsed < 5 || q.Grounded < 0.3 {
		t.Errorf("%+v", q)
	}
	if now := torch.Live(); now != weights {
		t.Errorf("%d tensors live after distilling, %d before", now, weights)
	}
	for _, r := range rows {
		t.Logf("%q: %q %q", r.Text, r.Preference, r.Attribution)
	}
	if diff := cmp.Diff(rows[:1], distil(t, engine, explanations[:1])); diff != "" {
		t.Errorf("(-in a batch +alone):\n%s", diff)
	}
}

// distil returns the rationales in the order of the explanations.
func distil(t *testing.T, engine teacher.Engine, explanations []string) []teacher.Rationale {
	t.Helper()
	return distilAs(t, engine, spec.Default().Teacher, explanations)
}

func distilAs(t *testing.T, engine teacher.Engine, settings spec.Teacher, explanations []string) []teacher.Rationale {
	t.Helper()
	var requests []teacher.Request
	for _, text := range explanations {
		requests = append(requests, teacher.Request{ID: text, Text: text})
	}
	rows := make([]teacher.Rationale, len(explanations))
	err := teacher.Distill(t.Context(), engine, settings, requests, func(r teacher.Rationale) error {
		rows[slices.Index(explanations, r.ID)] = r
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}
