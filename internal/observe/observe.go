// Package observe shows operators what a worker does. It serves /healthz, /readyz and /metrics (the
// metrics of the activities, of the Go runtime, of the process, and what is added to its registry)
// on an address of its own.
package observe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Monitor collects a worker's metrics.
type Monitor struct {
	registry *prometheus.Registry
	ready    atomic.Bool
	now      func() time.Time

	attempts     *prometheus.CounterVec
	retries      *prometheus.CounterVec
	running      *prometheus.GaugeVec
	seconds      *prometheus.HistogramVec
	done         *prometheus.GaugeVec
	rate         *prometheus.GaugeVec
	tokens       *prometheus.GaugeVec
	checkpointed prometheus.Gauge
	quarantined  prometheus.Counter
}

// New returns a monitor without measurements. now is the clock.
func New(now func() time.Time) *Monitor {
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
	}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	m := &Monitor{
		registry: prometheus.NewRegistry(), now: now,
		attempts: counter("rdrec_attempts_total",
			"Attempts at activities that ended, by outcome: done, failed or stopped.", "activity", "outcome"),
		retries: counter("rdrec_retries_total", "Attempts at activities after the first one.", "activity"),
		running: gauge("rdrec_running", "Activities that run.", "activity"),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "rdrec_attempt_seconds", Help: "Duration of attempts.",
			Buckets: prometheus.ExponentialBuckets(0.01, 4, 12),
		}, []string{"activity"}),
		done: gauge("rdrec_progress_units", "Units that the running stage has done.", "stage", "unit"),
		rate: gauge("rdrec_progress_units_per_second",
			"Units per second of the running stage: samples, users, rationales.", "stage", "unit"),
		tokens: gauge("rdrec_teacher_tokens_per_second", "Tokens that the teacher generates per second.", "stage"),
		checkpointed: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "rdrec_checkpoint_timestamp_seconds", Help: "Time of the last saved checkpoint; 0 before the first.",
		}),
		quarantined: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "rdrec_quarantined_rows_total", Help: "Rows of imports that could not be read.",
		}),
	}
	m.registry.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		m.attempts, m.retries, m.running, m.seconds, m.done, m.rate, m.tokens, m.checkpointed, m.quarantined,
	)
	return m
}

// Registry returns the registry, to which other metrics of the process may be added.
func (m *Monitor) Registry() *prometheus.Registry { return m.registry }

// Outcome is how an attempt ended.
type Outcome string

// The outcomes of an attempt.
const (
	Done    Outcome = "done"
	Failed  Outcome = "failed"
	Stopped Outcome = "stopped" // cancelled, or the worker drained
)

// Begin records that an attempt at an activity begins; attempts count from 1. Call the returned
// function once at its end.
func (m *Monitor) Begin(activity string, attempt int) (end func(Outcome)) {
	if attempt > 1 {
		m.retries.WithLabelValues(activity).Inc()
	}
	running, started := m.running.WithLabelValues(activity), m.now()
	running.Inc()
	return func(outcome Outcome) {
		running.Dec()
		m.seconds.WithLabelValues(activity).Observe(m.now().Sub(started).Seconds())
		m.attempts.WithLabelValues(activity, string(outcome)).Inc()
	}
}

// FreeMemory adds the device's free memory, which free returns in bytes.
func (m *Monitor) FreeMemory(device string, free func() int64) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "rdrec_device_free_bytes", Help: "Free memory of the device.",
		ConstLabels: prometheus.Labels{"device": device},
	}, func() float64 { return float64(free()) }))
}

// Requests adds the requests to the bucket of a kind, such as "read", which count returns.
func (m *Monitor) Requests(kind string, count func() int64) {
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "rdrec_bucket_requests_total", Help: "Requests to the bucket.",
		ConstLabels: prometheus.Labels{"kind": kind},
	}, func() float64 { return float64(count()) }))
}

// CacheHits adds how often a cache of the worker's disk, such as "content", had what was asked for,
// which count returns.
func (m *Monitor) CacheHits(cache string, count func() int64) {
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "rdrec_cache_hits_total", Help: "Files that were on the worker's disk already.",
		ConstLabels: prometheus.Labels{"cache": cache},
	}, func() float64 { return float64(count()) }))
}

// Fetched adds the bytes of files of URLs that were fetched, which count returns.
func (m *Monitor) Fetched(count func() int64) {
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "rdrec_source_fetched_bytes_total", Help: "Bytes that were fetched of files of URLs.",
	}, func() float64 { return float64(count()) }))
}

// Progress is how far a running stage is.
type Progress struct {
	Stage, Unit string
	// Done is in units, Rate in units per second; TokenRate is a teacher's tokens per second, or 0.
	Done            int
	Rate, TokenRate float64
}

// Progress records the progress of a stage.
func (m *Monitor) Progress(p Progress) {
	m.done.WithLabelValues(p.Stage, p.Unit).Set(float64(p.Done))
	m.rate.WithLabelValues(p.Stage, p.Unit).Set(p.Rate)
	if p.TokenRate > 0 {
		m.tokens.WithLabelValues(p.Stage).Set(p.TokenRate)
	}
}

// Checkpointed records that a checkpoint was saved.
func (m *Monitor) Checkpointed() { m.checkpointed.Set(float64(m.now().Unix())) }

// Quarantined records rows of an import that could not be read.
func (m *Monitor) Quarantined(rows int) { m.quarantined.Add(float64(rows)) }

// Ready sets what /readyz answers: true while the worker polls.
func (m *Monitor) Ready(ready bool) { m.ready.Store(ready) }

// Handler returns the three routes. /healthz answers as long as the process runs: a worker that
// cannot go on ends.
func (m *Monitor) Handler() http.Handler {
	routes := http.NewServeMux()
	routes.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}))
	routes.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "ok") })
	routes.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if m.ready.Load() {
			answer(w, http.StatusOK, "polls")
			return
		}
		answer(w, http.StatusServiceUnavailable, "does not poll")
	})
	return routes
}

func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	fmt.Fprintln(w, text)
}

// Serve answers on the listener until ctx ends.
func (m *Monitor) Serve(ctx context.Context, listener net.Listener) error {
	const timeout = 10 * time.Second
	server := &http.Server{
		Handler: m.Handler(), ReadHeaderTimeout: timeout, WriteTimeout: timeout, IdleTimeout: time.Minute,
		MaxHeaderBytes: 16 << 10,
	}
	stopped := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stopped()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve metrics: %w", err)
	}
	return nil
}
