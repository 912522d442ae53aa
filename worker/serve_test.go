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
	"rdrec/storage"
)

// counter is a worker process that serves.
type counter struct {
	*process
	s    *site
	base string
}

// serve starts a worker that serves what is promoted under a name.
func (s *site) serve(name string) *counter {
	s.t.Helper()
	c := &counter{s: s}
	c.process = s.program("serve", "--name", name, "--addr", "127.0.0.1:0", "--poll", "50ms", "--bucket", s.url, "--threads", "1", "--device", "cpu", "--log-json")
	s.until("the server listening", time.Minute, func() bool {
		for _, l := range c.said("serving") {
			c.base = l.Address
		}
		return c.base != ""
	})
	return c
}

// get asks the server; status 0 says that nobody listens.
func (c *counter) get(path string) (status int, body string) {
	c.s.t.Helper()
	response, err := http.Get("http://" + c.base + path) //nolint:noctx // a test's own server
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		c.s.t.Error(err)
	}
	return response.StatusCode, string(text)
}

// recommended is an answer for a user.
func (c *counter) recommended(user string, k int) httpserve.Recommendations {
	c.s.t.Helper()
	status, body := c.get(fmt.Sprintf("/recommend/%s?k=%d", url.PathEscape(user), k))
	var found httpserve.Recommendations
	if err := json.Unmarshal([]byte(body), &found); status != http.StatusOK || err != nil {
		c.s.t.Errorf("user %q: %d %s", user, status, body)
	}
	return found
}

// putInUse makes a finished experiment's student the one in use.
func (s *site) putInUse(name, run string, before int) {
	s.t.Helper()
	b, err := storage.Open(s.t.Context(), s.url)
	if err != nil {
		s.t.Fatal(err)
	}
	defer b.Close()
	m, err := activities.FindModel(s.t.Context(), b, run, "")
	if err != nil {
		s.t.Fatal(err)
	}
	text, err := m.Spec.Canonical()
	if err != nil {
		s.t.Fatal(err)
	}
	_, err = b.Promote(s.t.Context(), name, before, storage.Promotion{
		Workflow: name, Run: run, Dataset: m.Examples, Examples: m.Examples,
		Model: storage.PromotedModel{Weights: m.Student, Method: m.Method, Seed: m.Seed, Spec: text},
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

func items(all []httpserve.Item) string {
	names := make([]string, len(all))
	for i, item := range all {
		names[i] = item.Item
	}
	return strings.Join(names, " ")
}

// TestServeFollowsPromotions serves real students: live, from an exported table, and across a promotion under load without one refused
// request.
func TestServeFollowsPromotions(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.hire()
	for _, set := range [][]string{tenSteps, append([]string{"name=other", "seed=7"}, tenSteps...)} {
		if err := s.ended(s.begin(short(t, set...))); err != nil {
			t.Fatal(err)
		}
	}
	c := s.serve("shop")
	if status, body := c.get("/healthz"); status != http.StatusOK {
		t.Errorf("its health: %d %s", status, body)
	}
	if status, body := c.get("/readyz"); status != http.StatusServiceUnavailable {
		t.Errorf("before anything is promoted: %d %s", status, body)
	}
	s.putInUse("shop", "short", 0)
	c.inUse("shop/1")
	data := mini(t)
	user := data.UserIDs[0]
	live := c.recommended(user, 4)
	var asked activities.Advice
	if err := json.Unmarshal([]byte(s.must("recommend", "shop", "--user", user, "--top", "4", "--json")), &asked); err != nil {
		t.Fatal(err)
	}
	for i, item := range live.Items {
		if live.Source != "live" || item.Item != asked.Items[i].Item {
			t.Errorf("served %+v, a worker recommends %+v", live, asked)
		}
	}
	if status, body := c.get("/explain/" + user + "/" + live.Items[0].Item); status != http.StatusOK || !strings.Contains(body, `"source":"live"`) {
		t.Errorf("%d %s", status, body)
	}
	if got := c.recommended("a new one", 3); !got.Cold || len(got.Items) != 3 {
		t.Errorf("%+v", got)
	}

	s.must("export", "shop", "--top", "4", "--out", t.TempDir())
	s.until("the table in use", time.Minute, func() bool { return c.recommended(user, 4).Source == "table" })
	if table := c.recommended(user, 4); items(table.Items) != items(live.Items) {
		t.Errorf("the table says %s, the model said %s", items(table.Items), items(live.Items))
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
					c.recommended(data.UserIDs[n%len(data.UserIDs)], 5) // more than the table has: live
				}
			}
		})
	}
	s.putInUse("shop", "other", 1)
	c.inUse("shop/2")
	close(ended)
	asking.Wait()
	s.until("the old model freed", time.Minute, func() bool { _, text := c.get("/metrics"); return strings.Contains(text, "\nrdrec_models_loaded 1\n") })
	c.signal(syscall.SIGTERM)
	select {
	case <-c.ended:
	case <-time.After(time.Minute):
		t.Fatal("the server did not stop")
	}
	if code := c.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(c.log), "scratch", "*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// inUse waits until a model answers.
func (c *counter) inUse(model string) {
	c.s.t.Helper()
	c.s.until(model+" in use", time.Minute, func() bool {
		_, body := c.get("/readyz")
		return strings.Contains(body, `"model":"`+model+`"`)
	})
}

func TestServeRefusesSettingsThatCannotBe(t *testing.T) {
	t.Parallel()
	program, err := built()
	if err != nil {
		t.Fatal(err)
	}
	bucket := "file://" + t.TempDir()
	for _, c := range []struct {
		part string
		args []string
	}{
		{"--name", []string{"serve", "--bucket", bucket}},
		{"--top 101: want 1 to 100", []string{"serve", "--bucket", bucket, "--name", "x", "--top", "101"}},
		{"hint: stop what listens there", []string{"serve", "--bucket", bucket, "--name", "x", "--addr", "256.0.0.1:1", "--scratch", t.TempDir()}},
	} {
		if out, err := exec.Command(program, c.args...).CombinedOutput(); err == nil || !strings.Contains(string(out), c.part) {
			t.Errorf("%q: %v, %s; want %q", c.args, err, out, c.part)
		}
	}
}
