package staging

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"rdrec/internal/cachedir"
	"rdrec/internal/faultproxy"
)

// llamaCpp is an environment variable with the folder of llama.cpp's server, which "make
// conformance-teacher" and "make rehearsal" install.
const llamaCpp = "RDREC_LLAMACPP"

// StartLlamaCpp starts llama.cpp's server with the demo's teacher, waits until it responds, and
// returns its URL. Without the server or the teacher it skips the test.
func StartLlamaCpp(t *testing.T) string {
	t.Helper()
	python := filepath.Join(os.Getenv(llamaCpp), "bin", "python")
	if _, err := os.Stat(python); os.Getenv(llamaCpp) == "" || err != nil {
		t.Skip("no llama.cpp server: make conformance-teacher builds it and runs this test")
	}
	model, err := cachedir.DemoTeacherFile()
	if err != nil {
		t.Skip(err)
	}
	port := faultproxy.FreePort(t)
	log, err := os.Create(filepath.Join(t.TempDir(), "server.log"))
	if err != nil {
		t.Fatal(err)
	}
	// Without a cache of earlier prompts, a reply does not depend on the other prompts.
	command := exec.Command(python, //nolint:gosec // the test's own server
		"-m", "llama_cpp.server", "--model", model,
		"--port", port, "--n_ctx", "1024", "--n_threads", "2", "--cache", "false",
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
	url := "http://127.0.0.1:" + port
	awaitLlamaCpp(t, url, ended)
	return url
}

// awaitLlamaCpp waits until the server responds.
func awaitLlamaCpp(t *testing.T, url string, ended chan error) {
	t.Helper()
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	for range 600 {
		if response, err := http.Get(url + "/v1/models"); err == nil { //nolint:gosec,noctx // the test's own server
			if err := response.Body.Close(); err != nil {
				t.Error(err)
			}
			return
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("the server ended: %v", err)
		case <-ticker.C:
		}
	}
	t.Fatal("the server did not respond within two minutes")
}
