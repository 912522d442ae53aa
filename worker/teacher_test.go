package main

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rdrec/activities"
	"rdrec/internal/spec"
	"rdrec/internal/teacher"
)

// A server's non-retryable errors carry the activities' sentinels, which Temporal does not retry.
func TestServerErrorsAreClassified(t *testing.T) {
	for status, want := range map[int]error{
		401: activities.ErrTeacherAuth, 403: activities.ErrTeacherAuth, 404: activities.ErrInvalid,
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
		}))
		defer server.Close()
		settings := spec.Default().Teacher
		settings.Model = "openai:" + server.URL + "/v1#llama"
		digest, err := teachers{}.Digest(t.Context(), settings)
		if err != nil || digest != settings.Model {
			t.Errorf("digest %q, %v", digest, err)
		}
		engine, closeEngine, err := teachers{}.Open(t.Context(), settings)
		if err != nil {
			t.Fatal(err)
		}
		defer closeEngine()
		requests := []teacher.Request{{ID: "1", Text: "soft hair"}}
		err = teacher.Distill(t.Context(), engine, settings, requests, func(teacher.Rationale) error { return nil })
		if !errors.Is(err, want) {
			t.Errorf("status %d: error %v, want %v", status, err, want)
		}
	}
}

// A folder in place of a file, or a text in place of a model, is a non-retryable error.
func TestInvalidWeightsAreInvalidConfig(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text.gguf")
	if err := os.WriteFile(text, []byte("not a model, but long enough to be read"), 0o600); err != nil {
		t.Fatal(err)
	}
	settings := spec.Default().Teacher
	for _, model := range []string{
		"gguf:" + dir, "gguf:" + filepath.Join(dir, "absent"), "hf:" + dir, "hf:" + text, "meta:" + dir,
	} {
		settings.Model = model
		if _, err := (teachers{}).Digest(t.Context(), settings); !errors.Is(err, activities.ErrInvalid) {
			t.Errorf("digest of %q: error %v", model, err)
		}
	}
	for _, model := range []string{"gguf:" + dir, "gguf:" + text} {
		settings.Model = model
		if _, _, err := (teachers{}).Open(t.Context(), settings); !errors.Is(err, activities.ErrInvalid) {
			t.Errorf("open %q: error %v", model, err)
		}
	}
}

// A prompt that exceeds teacher.max_context is quarantined with its reason, not truncated.
func TestPromptExceedingContextIsQuarantined(t *testing.T) {
	settings := spec.Default().Teacher
	settings.Model = "hf:" + filepath.Join("..", "internal", "llama", "testdata", "hf-llama2")
	settings.Prompt, settings.MaxTokens = "paper", 8
	for context, want := range map[int]string{64: "the prompt is too long", 4096: ""} {
		settings.MaxContext = context
		engine, closeEngine, err := teachers{device: "cpu", threads: 1}.Open(t.Context(), settings)
		if err != nil {
			t.Fatal(err)
		}
		defer closeEngine()
		prompt := teacher.Prompt{
			Messages: []teacher.Message{{Role: teacher.User, Content: strings.Repeat("soft hair ", 30)}},
			Sampling: teacher.Sampling{MaxTokens: 8, RepetitionPenalty: 1},
		}
		err = engine.Complete(t.Context(), []teacher.Prompt{prompt}, func(_ int, reply teacher.Reply) error {
			if got, _, _ := strings.Cut(reply.Failed, ":"); got != want {
				t.Errorf("context %d: failed %q, want %q", context, reply.Failed, want)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestInvalidServerAddress(t *testing.T) {
	for _, address := range []string{
		"openai:localhost#llama", "openai:http://localhost/v1", "openai:http://user:password@localhost/v1#llama",
	} {
		settings := spec.Default().Teacher
		settings.Model = address
		_, err := teachers{}.Digest(t.Context(), settings)
		_, _, openErr := teachers{}.Open(t.Context(), settings)
		for _, err := range []error{err, openErr} {
			if !errors.Is(err, activities.ErrInvalid) || strings.Contains(err.Error(), "password@") {
				t.Errorf("%q: error %v", address, err)
			}
		}
	}
}

// TestTeacherThatNeverFits opens a teacher on a device of one MiB.
func TestTeacherThatNeverFits(t *testing.T) {
	settings := spec.Default().Teacher
	settings.Model = "hf:" + filepath.Join("..", "internal", "llama", "testdata", "hf-llama2")
	small := teachers{device: "cpu", threads: 1, memory: 100 << 10}
	_, _, err := small.Open(t.Context(), settings)
	if !errors.Is(err, activities.ErrInvalid) || !strings.Contains(err.Error(), "distill needs ") ||
		!strings.Contains(err.Error(), "of memory, has 100 KiB (teacher hf:") {
		t.Errorf("error %v", err)
	}
}
