package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/exitcode"
	"rdrec/internal/report"
	"rdrec/storage"
)

// TestList lists a finished run with its score and a running one, and filters them.
func TestList(t *testing.T) {
	t.Parallel()
	done := make(chan struct{})
	close(done)
	env := newTestEnv(t, done)
	stderr := &watchedBuffer{}
	start := func(args ...string) string {
		t.Helper()
		out, code := env.command(t, stderr, append([]string{"run", "--json"}, args...)...)
		var started struct{ ID, Run string }
		if err := json.Unmarshal([]byte(out), &started); err != nil || code != exitcode.OK {
			t.Fatalf("code %d, %v, stdout:\n%s\nstderr:\n%s", code, err, out, stderr)
		}
		putReport(t, env.bucket, started.ID, started.Run)
		return started.ID
	}
	finished := start(writeSpec(t, "shop"), "--set", "methods=pod")
	running := start("--no-watch", writeSpec(t, "waits"), "--set", "data.folder=y")
	type row struct {
		ID, Status, Dataset, Methods string
		Best                         *report.Headline
	}
	rows := []row{
		{running, "running", "y", "rdrec", nil},
		{finished, "completed", "x", "pod", &report.Headline{
			Method: "pod", Task: "sequential", Metric: "NDCG@10", Value: 0.25,
		}},
	}
	list := func(args ...string) (got []row) {
		t.Helper()
		out, code := env.command(t, stderr, append([]string{"list", "--json"}, args...)...)
		var runs []listedRun
		if err := json.Unmarshal([]byte(out), &runs); err != nil || code != exitcode.OK {
			t.Fatalf("code %d, %v, stdout:\n%s\nstderr:\n%s", code, err, out, stderr)
		}
		for _, r := range runs {
			got = append(got, row{r.ID, r.Status, r.Dataset, strings.Join(r.Methods, ","), r.Best})
		}
		return got
	}
	// The server lists a change a moment after it.
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for tries := 0; !cmp.Equal(rows, list()); tries++ {
		if <-ticker.C; tries == 200 {
			t.Fatalf("all runs (-want +got):\n%s", cmp.Diff(rows, list()))
		}
	}
	for _, test := range []struct {
		args string
		want []row
	}{
		{"--name shop", rows[1:]},
		{"--name hop", nil},
		{"--state running", rows[:1]},
		{"--status paused", nil},
		{"--status completed --method pod", rows[1:]},
		{"--dataset y", rows[:1]},
		{"--dataset it's", nil},
		{"--method rdrec", rows[:1]},
		{"--since 1h", rows},
		{"--since 2099-01-01", nil},
		{"--limit 1", rows[:1]},
	} {
		if diff := cmp.Diff(test.want, list(strings.Fields(test.args)...)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.args, diff)
		}
	}
	listed, _ := env.command(t, stderr, "list")
	latest, _ := env.command(t, stderr, "status")
	contains(t, listed, "NAME ", " pod NDCG@10 0.2500  1m15s with models, 9 tokens\n")
	if strings.Fields(listed)[7] != strings.Fields(latest)[7] {
		t.Errorf("status without an id prints\n%sand list prints\n%s", latest, listed)
	}
}

// putReport stores a report of one student for a run.
func putReport(t *testing.T, address, id, run string) {
	t.Helper()
	bucket, err := storage.Open(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer bucket.Close()
	text := `{"verdict": {"method": "pod"}, "tables": [{"task": "sequential", "rows": [{"method": "pod", "trials": [
		{"seed": 1, "scores": [{"metric": "NDCG@10", "value": 0.25}]}]}]}]}`
	record := `{"stages": [{"name": "pretrain pod/1", "stage": "pretrain", "seconds": 75, "stats": {"tokens": 9}}]}`
	for name, data := range map[string]string{"report.json": text, storage.RunRecord: record} {
		if err := bucket.PutRun(t.Context(), id, run, name, []byte(data)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSinceTime(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]string{
		"36h": "2026-03-09T00:00:00Z", "7d": "2026-03-03T12:00:00Z", "2w": "2026-02-24T12:00:00Z",
		"2026-03-01": "2026-03-01T00:00:00Z", "-1h": "", "yesterday": "", "d": "",
	} {
		got, err := sinceTime(text, now)
		if want == "" {
			if err == nil {
				t.Errorf("%q is %s", text, got)
			}
		} else if err != nil || got.Format(time.RFC3339) != want {
			t.Errorf("%q is %s, %v; want %s", text, got.Format(time.RFC3339), err, want)
		}
	}
}
