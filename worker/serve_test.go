package main_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"rdrec/activities"
	httpserve "rdrec/internal/serve"
	"rdrec/internal/staging"
	"rdrec/registry"
	"rdrec/storage"
)

// servingWorker is a worker process that serves recommendations.
type servingWorker struct {
	*staging.Process
	s    *faultEnv
	base string
}

// serve starts a worker that serves what is promoted under a name.
func (s *faultEnv) serve(name string) *servingWorker {
	s.T.Helper()
	c := &servingWorker{s: s}
	c.Process = s.StartProgram("serve", "--name", name, "--addr", "127.0.0.1:0", "--poll", "50ms",
		"--bucket", s.URL, "--threads", "1", "--device", "cpu", "--log-json")
	s.WaitFor("the server listening", time.Minute, func() bool {
		for _, l := range c.LogLines("serving") {
			c.base = l.Address
		}
		return c.base != ""
	})
	return c
}

// get sends a GET request; status 0 means that nothing listens at the address.
func (c *servingWorker) get(path string) (status int, body string) {
	c.s.T.Helper()
	response, err := http.Get("http://" + c.base + path) //nolint:noctx // a test's own server
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		c.s.T.Error(err)
	}
	return response.StatusCode, string(text)
}

// recommended returns the server's recommendations for a user.
func (c *servingWorker) recommended(user string, k int) httpserve.Recommendations {
	c.s.T.Helper()
	status, body := c.get(fmt.Sprintf("/recommend/%s?k=%d", url.PathEscape(user), k))
	var found httpserve.Recommendations
	if err := json.Unmarshal([]byte(body), &found); status != http.StatusOK || err != nil {
		c.s.T.Errorf("user %q: %d %s", user, status, body)
	}
	return found
}

// promoteRun promotes a finished experiment's student under a name.
func (s *faultEnv) promoteRun(name, run string, previous int) {
	s.T.Helper()
	b, err := storage.Open(s.T.Context(), s.URL)
	if err != nil {
		s.T.Fatal(err)
	}
	defer b.Close()
	m, err := registry.FindModel(s.T.Context(), b, run, "")
	if err != nil {
		s.T.Fatal(err)
	}
	text, err := m.Spec.Canonical()
	if err != nil {
		s.T.Fatal(err)
	}
	_, err = registry.Promote(s.T.Context(), b, name, previous, registry.Promotion{
		Workflow: name, Run: run, Dataset: m.Preprocessed, Preprocessed: m.Preprocessed,
		Model: registry.PromotedModel{
			Weights: m.Student, Method: m.Method, Seed: m.Seed, Spec: text, UserKey: m.UserKey,
		},
	})
	if err != nil {
		s.T.Fatal(err)
	}
}

func items(all []httpserve.Item) string {
	names := make([]string, len(all))
	for i, item := range all {
		names[i] = item.Item
	}
	return strings.Join(names, " ")
}

// TestServeFollowsPromotions serves real students: live, from an exported table, and across a
// promotion under load without a failed request.
func TestServeFollowsPromotions(t *testing.T) {
	t.Parallel()
	s := newFaultEnv(t)
	s.StartWorker()
	for _, set := range [][]string{tenSteps, append([]string{"name=other", "seed=7"}, tenSteps...)} {
		if err := s.AwaitError(s.StartExperiment(staging.ShortSpec(t, set...))); err != nil {
			t.Fatal(err)
		}
	}
	c := s.serve("shop")
	if status, body := c.get("/healthz"); status != http.StatusOK {
		t.Errorf("health: %d %s", status, body)
	}
	if status, body := c.get("/readyz"); status != http.StatusServiceUnavailable {
		t.Errorf("before anything is promoted: %d %s", status, body)
	}
	s.promoteRun("shop", "short", 0)
	c.awaitModel("shop/1")
	data := miniDataset(t)
	user := data.UserIDs[0]
	live := c.recommended(user, 4)
	var requested activities.Recommendations
	out := s.MustStarter("recommend", "shop", "--user", user, "--top", "4", "--json")
	if err := json.Unmarshal([]byte(out), &requested); err != nil {
		t.Fatal(err)
	}
	for i, item := range live.Items {
		if live.Source != "live" || item.Item != requested.Items[i].Item {
			t.Errorf("served %+v, a worker recommends %+v", live, requested)
		}
	}
	status, body := c.get("/explain/" + user + "/" + live.Items[0].Item)
	if status != http.StatusOK || !strings.Contains(body, `"source":"live"`) {
		t.Errorf("explanation: %d %s", status, body)
	}
	if got := c.recommended("a new one", 3); !got.Cold || len(got.Items) != 3 {
		t.Errorf("%+v", got)
	}

	s.MustStarter("export", "shop", "--top", "4", "--out", t.TempDir())
	s.WaitFor("the table in use", time.Minute, func() bool { return c.recommended(user, 4).Source == "table" })
	if table := c.recommended(user, 4); items(table.Items) != items(live.Items) {
		t.Errorf("the table has %s, the model recommended %s", items(table.Items), items(live.Items))
	}

	ended := make(chan struct{})
	var asking sync.WaitGroup
	for i := range 3 {
		asking.Go(func() {
			for n := i; ; n++ {
				select {
				case <-ended:
					return
				default:
					c.recommended(data.UserIDs[n%len(data.UserIDs)], 5) // more items than the table has, so served live
				}
			}
		})
	}
	s.promoteRun("shop", "other", 1)
	c.awaitModel("shop/2")
	close(ended)
	asking.Wait()
	s.WaitFor("the old model freed", time.Minute, func() bool {
		_, text := c.get("/metrics")
		return strings.Contains(text, "\nrdrec_models_loaded 1\n")
	})
	c.Signal(syscall.SIGTERM)
	select {
	case <-c.Ended:
	case <-time.After(time.Minute):
		t.Fatal("the server did not stop")
	}
	if code := c.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(c.Log), "scratch", "*")); err != nil || len(left) > 0 {
		t.Errorf("leftover files: %v, %v", left, err)
	}
}

// awaitModel waits until a model is in use.
func (c *servingWorker) awaitModel(model string) {
	c.s.T.Helper()
	c.s.WaitFor(model+" in use", time.Minute, func() bool {
		_, body := c.get("/readyz")
		return strings.Contains(body, `"model":"`+model+`"`)
	})
}

func TestServeRejectsInvalidSettings(t *testing.T) {
	t.Parallel()
	program, err := staging.BuildWorker()
	if err != nil {
		t.Fatal(err)
	}
	bucket := "file://" + t.TempDir()
	for _, c := range []struct {
		part string
		args []string
	}{
		{"--name", []string{"serve", "--bucket", bucket}},
		{"device \"tpu\": want auto", []string{"--bucket", bucket, "--device", "tpu"}},
		{"device \"cuda:127\": no such GPU: libtorch", []string{"--bucket", bucket, "--device", "cuda:127"}},
		{"--top 101: want 1 to 100", []string{"serve", "--bucket", bucket, "--name", "x", "--top", "101"}},
		{"hint: stop the process that listens there", []string{
			"serve", "--bucket", bucket, "--name", "x", "--addr", "256.0.0.1:1", "--scratch", t.TempDir(),
		}},
	} {
		if out, err := exec.Command(program, c.args...).CombinedOutput(); err == nil ||
			!strings.Contains(string(out), c.part) {
			t.Errorf("%q: %v, %s; want %q", c.args, err, out, c.part)
		}
	}
}
