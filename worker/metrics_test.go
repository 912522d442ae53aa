package main_test

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"rdrec/internal/staging"
)

// metricsOf returns the metrics of a worker that serves them, by its log.
func metricsOf(t *testing.T, w *staging.Process) string {
	t.Helper()
	lines := w.LogLines("serves metrics")
	if len(lines) != 1 {
		t.Fatalf("%d addresses of metrics in the log", len(lines))
	}
	for _, route := range []string{"/healthz", "/readyz", "/metrics"} {
		response, err := http.Get("http://" + lines[0].Address + route)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		if err := response.Body.Close(); err != nil {
			t.Fatal(err)
		}
		if err != nil || response.StatusCode != http.StatusOK {
			t.Errorf("%s: status %d, %q, %v", route, response.StatusCode, body, err)
		}
		if route == "/metrics" {
			return string(body)
		}
	}
	return ""
}

// checkRequests checks that a worker made at most so many requests to its bucket. The limit may
// only fall: each request costs money, and time where the bucket is far away.
func checkRequests(t *testing.T, w *staging.Process, most int) {
	t.Helper()
	sum := 0
	var counts []string
	for line := range strings.Lines(metricsOf(t, w)) {
		labels, value, found := strings.Cut(line, "} ")
		if found && strings.HasPrefix(line, "rdrec_bucket_requests_total{") {
			count, err := strconv.Atoi(strings.TrimSpace(value))
			if err != nil {
				t.Fatal(err)
			}
			sum, counts = sum+count, append(counts, labels+"} "+strings.TrimSpace(value))
		}
	}
	if sum == 0 || sum > most {
		t.Errorf("%d requests to the bucket, want at most %d: %s", sum, most, strings.Join(counts, ", "))
	}
}

// checkMetrics checks that a worker's metrics contain lines.
func checkMetrics(t *testing.T, w *staging.Process, lines ...string) {
	t.Helper()
	metrics := metricsOf(t, w)
	for _, line := range lines {
		if !strings.Contains("\n"+metrics, "\n"+line) {
			t.Errorf("no line %q in\n%s", line, metrics)
		}
	}
}
