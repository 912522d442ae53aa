package openai_test

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rdrec/internal/cachedir"
	"rdrec/internal/openai"
	"rdrec/internal/spec"
	"rdrec/internal/teacher"
	"rdrec/internal/teacher/teachertest"
)

// llamaCppFolder is the folder in the cache of the set-up into which "make conformance-teacher"
// installs llama.cpp's server.
const llamaCppFolder = "llama-cpp-python-0.3.36"

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
	dir, err := cachedir.Dir()
	if err != nil {
		t.Fatal(err)
	}
	python := filepath.Join(dir, llamaCppFolder, "bin", "python")
	if _, err := os.Stat(python); err != nil {
		t.Skipf("no llama.cpp server at %s: make conformance-teacher builds it", filepath.Dir(python))
	}
	model, err := cachedir.DemoTeacherFile()
	if err != nil {
		t.Skip(err)
	}
	e := openai.New(testServer(t, llamaServer(t, python, model)+"/v1"), openai.Options{Concurrency: 2})
	t.Cleanup(e.Close)
	return e
}

// llamaServer starts the server and waits until it responds.
func llamaServer(t *testing.T, python, model string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().(*net.TCPAddr) //nolint:errcheck // the address of a TCP listener
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(t.TempDir(), "server.log"))
	if err != nil {
		t.Fatal(err)
	}
	// Without a cache of earlier prompts, a reply does not depend on the other prompts.
	command := exec.Command(python, "-m", "llama_cpp.server", "--model", model,
		"--port", fmt.Sprint(address.Port), "--n_ctx", "1024", "--n_threads", "2", "--cache", "false",
		"--verbose", "false")
	command.Stdout, command.Stderr = log, log
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	t.Cleanup(func() {
		if err := command.Process.Kill(); err == nil {
			t.Logf("the server ended: %v", <-ended)
		}
		if text, err := os.ReadFile(log.Name()); err == nil && t.Failed() {
			t.Logf("the server's log:\n%s", text)
		}
	})
	url := "http://" + address.String()
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	for range 600 {
		if response, err := http.Get(url + "/v1/models"); err == nil {
			if err := response.Body.Close(); err != nil {
				t.Error(err)
			}
			return url
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("the server ended: %v", err)
		case <-ticker.C:
		}
	}
	t.Fatal("the server did not respond within two minutes")
	return ""
}
