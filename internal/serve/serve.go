// Package serve serves a model's recommendations over HTTP, read-only. In: a [Source] of models,
// and requests. Out: JSON. Steps: recommendations in the model's table are read from there; other
// requests enter a bounded queue, and those that arrive within a short window are decoded as one
// batch; a user whom the model does not know gets the most popular items. The server polls the
// source: a new model replaces the old one without a pause, and the old one is freed once its last
// request has ended. The package depends on neither buckets nor libtorch.
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
	"golang.org/x/net/netutil"

	"rdrec/internal/recommender"
)

// Model is a loaded student.
type Model struct {
	// Name identifies the model for people; Version is the version that [Source.Version] returns.
	Name, Version string
	Recommender   *recommender.Recommender
	// Table has the recommendations that were exported before; nil means none.
	Table *Table
	// Pseudonym returns the id under which the model knows a user; nil if it knows the shop's ids.
	Pseudonym func(user string) string
	// Explains is true if the student was trained on explanations.
	Explains bool
	// Close frees the model's memory.
	Close func()
}

// Source provides the model to serve.
type Source interface {
	// Version returns the version of the current model.
	Version(ctx context.Context) (string, error)
	// Open loads the current model and sets its version.
	Open(ctx context.Context) (*Model, error)
}

// Options are the settings of a server.
type Options struct {
	// Top is the maximum number of items per request.
	Top int
	// Window is how long the first request of a batch waits for others; Batch is the maximum batch
	// size.
	Window time.Duration
	Batch  int
	// Queue is the maximum length of the queue; further requests get status 429.
	Queue int
	// Timeout is the time limit of a request, Poll the interval between checks of the source, and
	// Drain the time limit of open requests when the server stops.
	Timeout, Poll, Drain time.Duration
	// Connections is the maximum number of open connections; further ones wait. 0 means no limit.
	Connections int
	// Token is what clients send as a bearer token; empty means no authentication.
	Token string
	// Certificate and Key are PEM files for TLS; empty means none.
	Certificate, Key string
}

// DefaultOptions returns the settings for one machine.
func DefaultOptions() Options {
	return Options{
		Top: 20, Window: 5 * time.Millisecond, Batch: 32, Queue: 256,
		Timeout: 10 * time.Second, Poll: 5 * time.Second, Drain: 30 * time.Second, Connections: 1024,
	}
}

// Server serves the source's current model.
type Server struct {
	source  Source
	options Options
	log     zerolog.Logger
	now     func() time.Time
	metrics *metrics
	// device is locked while a batch is decoded: two models may be loaded, but they share one
	// device.
	device sync.Mutex
	models modelRegistry
	routes []route
	// lastFailure is the last error of loading a newer model; each is logged once.
	lastFailure string
}

// New returns a server; [Server.Run] starts it.
func New(source Source, options Options, log zerolog.Logger, now func() time.Time) *Server {
	s := &Server{source: source, options: options, log: log, now: now, metrics: newMetrics()}
	s.models.onFree = func(m *loadedModel) {
		s.metrics.loaded.Dec()
		s.log.Info().Str("model", m.Name).Msg("model freed")
	}
	s.routes = s.routeTable()
	return s
}

// Limits of a client's connection: the time of a request's header, idle time, and header bytes.
const (
	headerTimeout = 5 * time.Second
	idleTimeout   = time.Minute
	maxHeader     = 16 << 10
)

// Run serves on l until ctx ends, then finishes the open requests.
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
	if n := s.options.Connections; n > 0 {
		l = netutil.LimitListener(l, n)
	}
	go func() { ended <- s.serve(server, l) }()
	s.warn(l.Addr())
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

// serve serves with or without TLS.
func (s *Server) serve(server *http.Server, l net.Listener) error {
	if s.options.Certificate != "" {
		return server.ServeTLS(l, s.options.Certificate, s.options.Key)
	}
	return server.Serve(l)
}

// warn warns of an address that others can reach, if the server has no authentication or no TLS.
func (s *Server) warn(address net.Addr) {
	if tcp, ok := address.(*net.TCPAddr); !ok || tcp.IP.IsLoopback() {
		return
	}
	if s.options.Token == "" {
		s.log.Warn().Stringer("address", address).Msg("others can reach this address, and the server has no " +
			"authentication: set --token-file or --token-env, or put a proxy before it")
	}
	if s.options.Certificate == "" {
		s.log.Warn().Stringer("address", address).Msg("others can reach this address, and the server has no TLS: " +
			"set --tls-cert and --tls-key, or put a proxy before it")
	}
}

// follow keeps the source's current model in use.
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

// refresh loads the source's current model if its version has changed. If that fails, the old model
// stays in use.
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
	s.log.Info().Str("model", model.Name).Str("version", model.Version).Bool("table", model.Table != nil).
		Msg("model in use")
}

// reportFailure counts and logs a failure to load a newer model.
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
