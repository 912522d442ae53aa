package observe_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"rdrec/internal/observe"
)

// get returns the status and the body of a route.
func get(t *testing.T, m *observe.Monitor, route string) (int, string) {
	t.Helper()
	recorder := httptest.NewRecorder()
	m.Handler().ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, route, nil))
	return recorder.Code, recorder.Body.String()
}

// expect checks that the metrics contain lines.
func expect(t *testing.T, m *observe.Monitor, lines ...string) {
	t.Helper()
	_, metrics := get(t, m, "/metrics")
	for _, line := range lines {
		if !strings.Contains("\n"+metrics, "\n"+line+"\n") {
			t.Errorf("no line %q in\n%s", line, metrics)
		}
	}
}

func TestWorkerIsReadyWhileItPolls(t *testing.T) {
	m := observe.New(time.Now)
	for _, ready := range []bool{false, true, false} {
		m.Ready(ready)
		want := map[bool]int{true: http.StatusOK, false: http.StatusServiceUnavailable}[ready]
		if status, text := get(t, m, "/readyz"); status != want {
			t.Errorf("polls %t: status %d, %q", ready, status, text)
		}
		if status, _ := get(t, m, "/healthz"); status != http.StatusOK {
			t.Errorf("polls %t: /healthz gives %d", ready, status)
		}
	}
}

func TestProgressAndCheckpointsAreShown(t *testing.T) {
	m := observe.New(func() time.Time { return time.Unix(1234, 0) })
	expect(t, m, "rdrec_checkpoint_timestamp_seconds 0")
	m.Progress(observe.Progress{Stage: "distill", Unit: "rationales", Done: 30, Rate: 2.5, TokenRate: 80})
	m.Checkpointed()
	m.Quarantined(3)
	m.Quarantined(4)
	m.Requests("read", func() int64 { return 8 })
	m.FreeMemory("cuda:1", func() int64 { return 5 << 30 })
	expect(t, m,
		`rdrec_progress_units{stage="distill",unit="rationales"} 30`,
		`rdrec_progress_units_per_second{stage="distill",unit="rationales"} 2.5`,
		`rdrec_teacher_tokens_per_second{stage="distill"} 80`,
		"rdrec_checkpoint_timestamp_seconds 1234",
		"rdrec_quarantined_rows_total 7",
		`rdrec_bucket_requests_total{kind="read"} 8`,
		`rdrec_device_free_bytes{device="cuda:1"} 5.36870912e+09`,
	)
}

func TestAttemptsAreCounted(t *testing.T) {
	now := time.Unix(0, 0)
	m := observe.New(func() time.Time { return now })
	for i, outcome := range []observe.Outcome{observe.Done, observe.Done, observe.Failed, observe.Stopped} {
		end := m.Begin("job", i+1)
		expect(t, m, `rdrec_running{activity="job"} 1`)
		now = now.Add(2 * time.Second)
		end(outcome)
	}
	expect(t, m,
		`rdrec_attempts_total{activity="job",outcome="done"} 2`,
		`rdrec_attempts_total{activity="job",outcome="failed"} 1`,
		`rdrec_attempts_total{activity="job",outcome="stopped"} 1`,
		`rdrec_retries_total{activity="job"} 3`,
		`rdrec_attempt_seconds_count{activity="job"} 4`,
		`rdrec_attempt_seconds_sum{activity="job"} 8`,
		`rdrec_running{activity="job"} 0`,
	)
}

func TestServesUntilTheContextEnds(t *testing.T) {
	m := observe.New(time.Now)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- m.Serve(ctx, listener) }()
	response, err := http.Get("http://" + listener.Addr().String() + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if text, err := io.ReadAll(response.Body); err != nil || string(text) != "ok\n" {
		t.Errorf("got %q, %v", text, err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
