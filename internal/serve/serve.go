// Package serve answers over HTTP what a model recommends, read-only. In: a [Source] of models and
// requests; out: JSON. Steps: what stands in the model's table of recommendations is read from
// there; what does not is put into a bounded queue, from which requests that arrive within a moment
// are decoded together; a user whom the model does not know gets what is popular. The model is
// followed: a new one takes over without a pause, and the old one is freed when its last request
// has ended. It knows neither buckets nor libtorch.
package serve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"rdrec/internal/recommender"
)

// Model is a student that is ready to answer.
type Model struct {
	// Name says for people which it is; Version is what [Source.Version] said of it.
	Name, Version string
	Recommender   *recommender.Recommender
	// Table is what was recommended beforehand; nil for nothing.
	Table *Table
	// Explains says whether the student has learnt to explain.
	Explains bool
	// Close frees it.
	Close func()
}

// Source says what is to be served.
type Source interface {
	// Version names what is to be served now; it changes when that does.
	Version(ctx context.Context) (string, error)
	// Open makes it ready. The model's version is that of what was opened.
	Open(ctx context.Context) (*Model, error)
}

// Options are the settings of a server.
type Options struct {
	// Top is the most items that one request may ask for.
	Top int
	// Window is how long the first request of a batch waits for others, Batch how many make one at
	// most.
	Window time.Duration
	Batch  int
	// Queue is how many requests may wait to be decoded; more are turned away.
	Queue int
	// Timeout bounds a request, Poll is how often the source is asked, Drain is how long open
	// requests may take when the server stops.
	Timeout, Poll, Drain time.Duration
}

// DefaultOptions are the settings of a server on one machine.
func DefaultOptions() Options {
	return Options{
		Top: 20, Window: 5 * time.Millisecond, Batch: 32, Queue: 256, Timeout: 10 * time.Second, Poll: 5 * time.Second, Drain: 30 * time.Second,
	}
}

// Server answers requests by the source's newest model.
type Server struct {
	source  Source
	options Options
	log     zerolog.Logger
	now     func() time.Time
	metrics *metrics
	// device is held while a batch is decoded: two models may be loaded, but they share one
	// machine.
	device sync.Mutex
	models modelRegistry
	routes []route
	// lastFailure is why no newer model could be had, so that it is logged once.
	lastFailure string
}

// New returns a server; [Server.Run] starts it.
func New(source Source, options Options, log zerolog.Logger, now func() time.Time) *Server {
	s := &Server{source: source, options: options, log: log, now: now, metrics: newMetrics()}
	s.models.onFree = func(g *loadedModel) {
		s.metrics.loaded.Dec()
		s.log.Info().Str("model", g.Name).Msg("model freed")
	}
	s.routes = s.routeTable()
	return s
}

// Limits on what clients may send, and how slowly.
const (
	headerTimeout = 5 * time.Second
	idleTimeout   = time.Minute
	maxHeader     = 16 << 10
)

// Run serves on l until ctx ends, then finishes the requests that it has begun.
func (s *Server) Run(ctx context.Context, l net.Listener) error {
	following, stop := context.WithCancel(context.WithoutCancel(ctx))
	followed := make(chan struct{})
	go func() {
		defer close(followed)
		s.follow(following)
	}()
	server := &http.Server{
		Handler: s.Handler(), ReadHeaderTimeout: headerTimeout, ReadTimeout: headerTimeout, IdleTimeout: idleTimeout,
		WriteTimeout: s.options.Timeout + headerTimeout, MaxHeaderBytes: maxHeader,
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	s.log.Info().Stringer("address", l.Addr()).Msg("serving")
	var err error
	select {
	case err = <-ended:
	case <-ctx.Done():
		s.models.drain()
		s.log.Info().Msg("draining")
		waiting, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.options.Drain)
		err = server.Shutdown(waiting)
		cancel()
	}
	stop()
	<-followed
	s.models.swap(nil)
	s.models.wait()
	if err == nil || errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serve on %s: %w", l.Addr(), err)
}

// follow keeps the newest model on the shelf.
func (s *Server) follow(ctx context.Context) {
	ticker := time.NewTicker(s.options.Poll)
	defer ticker.Stop()
	for {
		s.refresh(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// refresh takes the source's model if it is another one. What can't be had leaves the old one in
// place.
func (s *Server) refresh(ctx context.Context) {
	version, err := s.source.Version(ctx)
	if err == nil && version == s.models.version() {
		return
	}
	var model *Model
	if err == nil {
		model, err = s.source.Open(ctx)
	}
	if err != nil {
		s.reportFailure(ctx, err)
		return
	}
	s.lastFailure = ""
	s.metrics.setModel(model.Name)
	s.models.swap(s.startModel(ctx, model))
	s.log.Info().Str("model", model.Name).Str("version", model.Version).Bool("table", model.Table != nil).Msg("model in use")
}

// reportFailure notes that no newer model could be had.
func (s *Server) reportFailure(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	s.metrics.failures.Inc()
	if err.Error() != s.lastFailure {
		s.lastFailure = err.Error()
		s.log.Warn().Err(err).Str("serving", s.models.version()).Msg("no newer model")
	}
}
