package serve

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"time"

	"rdrec/internal/recommender"
	"rdrec/internal/task"
)

// loadedModel is a model in memory, with the queue of its requests.
type loadedModel struct {
	*Model
	requests chan *request
	// refs is the number of open requests; retired is true once the model has been replaced. Both
	// are guarded by the registry's mutex.
	refs    int
	retired bool
}

// modelRegistry has the model in use, and waits for the replaced models whose requests are open.
type modelRegistry struct {
	mutex   sync.Mutex
	current *loadedModel
	drained bool
	open    sync.WaitGroup
	onFree  func(*loadedModel)
}

// acquire returns the model in use, or nil if there is none. The caller must release it.
func (r *modelRegistry) acquire() *loadedModel {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if r.current != nil {
		r.current.refs++
	}
	return r.current
}

// release ends the use of an acquired model; the last release of a replaced model frees it.
func (r *modelRegistry) release(m *loadedModel) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	m.refs--
	r.free(m)
}

// swap replaces the model in use; nil means none.
func (r *modelRegistry) swap(m *loadedModel) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	previous := r.current
	r.current = m
	if m != nil {
		r.open.Add(1)
	}
	if previous != nil {
		previous.retired = true
		r.free(previous)
	}
}

// free closes the queue of a replaced model without open requests; the model is freed once the
// queue is empty.
func (r *modelRegistry) free(m *loadedModel) {
	if !m.retired || m.refs > 0 {
		return
	}
	close(m.requests)
}

// version returns the version of the model in use, or "" if there is none.
func (r *modelRegistry) version() string {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if r.current == nil {
		return ""
	}
	return r.current.Version
}

// name returns the name of the model in use, or "" if there is none.
func (r *modelRegistry) name() string {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if r.current == nil {
		return ""
	}
	return r.current.Name
}

// drain makes ready return false from now on.
func (r *modelRegistry) drain() {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.drained = true
}

// ready reports whether there is a model in use and the server is not draining.
func (r *modelRegistry) ready() bool {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return r.current != nil && !r.drained
}

// wait returns once every model is freed.
func (r *modelRegistry) wait() { r.open.Wait() }

// request is a queued request: recommendations for a user, or an explanation of a pair.
type request struct {
	ctx  context.Context //nolint:containedctx // the client's: a request is skipped once it ends
	user string
	pair task.Pair
	// result receives one response.
	result chan response
}

// response is the result of a request.
type response struct {
	rows []recommender.Row
	text string
	err  error
}

// errQueueFull is the error of a request that finds the queue full.
var errQueueFull = errors.New("too many requests are waiting")

// submit queues a request and waits for its response.
func (m *loadedModel) submit(ctx context.Context, a *request) response {
	a.ctx, a.result = ctx, make(chan response, 1)
	select {
	case m.requests <- a:
	default:
		return response{err: errQueueFull}
	}
	select {
	case result := <-a.result:
		return result
	case <-ctx.Done():
		return response{err: ctx.Err()}
	}
}

// startModel starts decoding the requests of a model until the model is freed, independently of the
// context that it was opened with.
func (s *Server) startModel(ctx context.Context, opened *Model) *loadedModel {
	ctx = context.WithoutCancel(ctx)
	m := &loadedModel{Model: opened, requests: make(chan *request, s.options.Queue)}
	go func() {
		// One thread decodes all batches: on changing threads, native memory would fragment over
		// the allocator's arenas.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		for first := range m.requests {
			s.runBatch(ctx, m, s.collectBatch(m, first))
		}
		m.Close()
		s.models.onFree(m)
		s.models.open.Done()
	}()
	return m
}

// collectBatch waits for further requests to decode together with the first, at most for the
// batching window.
func (s *Server) collectBatch(m *loadedModel, first *request) []*request {
	batch := []*request{first}
	timer := time.NewTimer(s.options.Window)
	defer timer.Stop()
	for len(batch) < s.options.Batch {
		select {
		case a, ok := <-m.requests:
			if !ok {
				return batch
			}
			batch = append(batch, a)
		case <-timer.C:
			return batch
		}
	}
	return batch
}

// runBatch decodes a batch: all its recommendations together, then all its explanations.
func (s *Server) runBatch(ctx context.Context, m *loadedModel, batch []*request) {
	s.metrics.waiting.Set(float64(len(m.requests)))
	var users, pairs []*request
	for _, a := range batch {
		switch {
		case a.ctx.Err() != nil: // the client has gone
		case a.user != "":
			users = append(users, a)
		default:
			pairs = append(pairs, a)
		}
	}
	s.device.Lock()
	defer s.device.Unlock()
	ctx, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	if len(users) > 0 {
		s.metrics.batches.Observe(float64(len(users)))
		s.recommend(ctx, m, users)
	}
	if len(pairs) > 0 {
		s.metrics.batches.Observe(float64(len(pairs)))
		s.explain(ctx, m, pairs)
	}
}

// recommend always requests the maximum number of items, so that a shorter response is a prefix of
// a longer one.
func (s *Server) recommend(ctx context.Context, m *loadedModel, requests []*request) {
	users := make([]string, len(requests))
	for i, a := range requests {
		users[i] = a.user
	}
	found, err := m.Recommender.Users(ctx, users, recommender.Options{Top: s.options.Top})
	for i, a := range requests {
		if err != nil {
			a.result <- response{err: err}
			continue
		}
		a.result <- response{rows: found[i]}
	}
}

// explain generates the explanations of a batch.
func (s *Server) explain(ctx context.Context, m *loadedModel, requests []*request) {
	pairs := make([]task.Pair, len(requests))
	for i, a := range requests {
		pairs[i] = a.pair
	}
	texts, err := m.Recommender.Explain(ctx, pairs)
	for i, a := range requests {
		if err != nil {
			a.result <- response{err: err}
			continue
		}
		a.result <- response{text: texts[i]}
	}
}
