package serve

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics are the metrics of /metrics, in addition to those of the Go runtime and the process.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	batches  prometheus.Histogram
	waiting  prometheus.Gauge
	loaded   prometheus.Gauge
	swaps    prometheus.Counter
	failures prometheus.Counter
	model    *prometheus.GaugeVec
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rdrec_requests_total", Help: "Requests by route and status.",
		}, []string{"route", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "rdrec_request_seconds", Help: "Duration of requests by route and source of the response.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 2.5, 14),
		}, []string{"route", "source"}),
		batches: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "rdrec_batch_size", Help: "Requests per batch of decoding.",
			Buckets: prometheus.ExponentialBuckets(1, 2, 9),
		}),
		waiting: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "rdrec_queue_length", Help: "Requests in the queue when the last batch started.",
		}),
		loaded: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "rdrec_models_loaded",
			Help: "Models in memory: more than one while a replaced model has open requests.",
		}),
		swaps: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "rdrec_model_swaps_total", Help: "Changes of the model in use.",
		}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "rdrec_model_refresh_failures_total", Help: "Failed attempts to load a newer model.",
		}),
		model: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "rdrec_model_info", Help: "1 for the model in use.",
		}, []string{"model"}),
	}
	m.registry.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		m.requests, m.seconds, m.batches, m.waiting, m.loaded, m.swaps, m.failures, m.model,
	)
	return m
}

// setModel records that a model was loaded and is now in use.
func (m *metrics) setModel(name string) {
	m.loaded.Inc()
	m.swaps.Inc()
	m.model.Reset()
	m.model.WithLabelValues(name).Set(1)
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}
