package openai_test

import (
	"strings"
	"testing"

	"rdrec/internal/openai"
	"rdrec/internal/spec"
	"rdrec/internal/staging"
	"rdrec/internal/teacher"
	"rdrec/internal/teacher/teachertest"
)

// TestConformanceOfLlamaCpp runs the suite of all teachers against a real llama.cpp server.
func TestConformanceOfLlamaCpp(t *testing.T) {
	teachertest.Conform(t, llamaEngine(t))
}

// TestConformanceOfLlamaCppWithTwoLines constrains the same server with the paper's prompt, which
// the demo's teacher does not follow by itself.
func TestConformanceOfLlamaCppWithTwoLines(t *testing.T) {
	e := llamaEngine(t)
	settings := spec.Default().Teacher
	settings.Prompt, settings.Constrain = "paper", spec.TwoLines
	var requests []teacher.Request
	for _, text := range []string{
		"my hair is soft and smells of roses", "the cap broke after a week", "it lathers well and keeps my skin moist",
	} {
		requests = append(requests, teacher.Request{ID: text, Text: text})
	}
	err := teacher.Distill(t.Context(), e, settings, requests, func(r teacher.Rationale) error {
		lines := strings.Split(strings.TrimSpace(r.Reply), "\n")
		if len(lines) != 2 || !strings.HasPrefix(lines[0], "1. ") || !strings.HasPrefix(lines[1], "2. ") {
			t.Errorf("%q does not have two numbered lines", r.Reply)
		}
		t.Logf("%q after %d attempts: %q %s", r.Text, r.Attempts, r.Reply, r.Failed)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// llamaEngine returns an engine on its own llama.cpp server, with the demo's teacher.
func llamaEngine(t *testing.T) *openai.Engine {
	t.Helper()
	e := openai.New(testServer(t, staging.StartLlamaCpp(t)+"/v1"), openai.Options{Concurrency: 2})
	t.Cleanup(e.Close)
	return e
}
