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

// loadedModel is a model in use, with the requests that wait for it.
type loadedModel struct {
	*Model
	requests chan *request
	// refs are the requests that use it, retired says that no new one will. Both are the shelf's.
	refs    int
	retired bool
}

// fakeSource holds the model in use and those that still answer older requests.
type modelRegistry struct {
	mutex   sync.Mutex
	current *loadedModel
	drained bool
	open    sync.WaitGroup
	onFree  func(*loadedModel)
}

// setModel returns the model in use, nil for none. Whoever takes one gives it back.
func (s *modelRegistry) acquire() *loadedModel {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.current != nil {
		s.current.refs++
	}
	return s.current
}

// release gives a model back; the last to do so frees one that is no longer in use.
func (s *modelRegistry) release(g *loadedModel) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	g.refs--
	s.free(g)
}

// swap has another model in use; nil for none.
func (s *modelRegistry) swap(g *loadedModel) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	previous := s.current
	s.current = g
	if g != nil {
		s.open.Add(1)
	}
	if previous != nil {
		previous.retired = true
		s.free(previous)
	}
}

// free closes a model that nobody uses: its queue ends, and when that is empty its memory is freed.
func (s *modelRegistry) free(g *loadedModel) {
	if !g.retired || g.refs > 0 {
		return
	}
	close(g.requests)
}

// version is that of the model in use, empty for none.
func (s *modelRegistry) version() string {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.current == nil {
		return ""
	}
	return s.current.Version
}

// name is the model's in use, empty for none.
func (s *modelRegistry) name() string {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.current == nil {
		return ""
	}
	return s.current.Name
}

// drain says from now on that the server is not ready.
func (s *modelRegistry) drain() {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.drained = true
}

func (s *modelRegistry) ready() bool {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.current != nil && !s.drained
}

// wait waits until every model is freed.
func (s *modelRegistry) wait() { s.open.Wait() }

// request is a request that waits to be decoded: recommendations for a user, or an explanation of a
// pair.
type request struct {
	ctx  context.Context //nolint:containedctx // the request's: whoever has gone is not answered
	user string
	pair task.Pair
	// runBatch is told once.
	result chan response
}

type response struct {
	rows []recommender.Row
	text string
	err  error
}

// errQueueFull says that the queue is full.
var errQueueFull = errors.New("too many requests are waiting")

// submit puts a request into the queue and waits for its answer.
func (g *loadedModel) submit(ctx context.Context, a *request) response {
	a.ctx, a.result = ctx, make(chan response, 1)
	select {
	case g.requests <- a:
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

// startModel starts to answer what is asked of a model, until it is freed, however long the context
// lives that it was opened by.
func (s *Server) startModel(ctx context.Context, m *Model) *loadedModel {
	ctx = context.WithoutCancel(ctx)
	g := &loadedModel{Model: m, requests: make(chan *request, s.options.Queue)}
	go func() {
		// One thread decodes all batches: on another each time, its native memory would spread over
		// the allocator's arenas.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		for first := range g.requests {
			s.runBatch(ctx, g, s.collectBatch(g, first))
		}
		g.Close()
		s.models.onFree(g)
		s.models.open.Done()
	}()
	return g
}

// collectBatch waits a moment for requests that can be decoded together with the first.
func (s *Server) collectBatch(g *loadedModel, first *request) []*request {
	batch := []*request{first}
	timer := time.NewTimer(s.options.Window)
	defer timer.Stop()
	for len(batch) < s.options.Batch {
		select {
		case a, ok := <-g.requests:
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
func (s *Server) runBatch(ctx context.Context, g *loadedModel, batch []*request) {
	s.metrics.waiting.Set(float64(len(g.requests)))
	var users, pairs []*request
	for _, a := range batch {
		switch {
		case a.ctx.Err() != nil: // gone
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
		s.recommend(ctx, g, users)
	}
	if len(pairs) > 0 {
		s.metrics.batches.Observe(float64(len(pairs)))
		s.explain(ctx, g, pairs)
	}
}

// recommend always asks for as many items as anybody may, so that an answer is the beginning of any
// longer one.
func (s *Server) recommend(ctx context.Context, g *loadedModel, requests []*request) {
	users := make([]string, len(requests))
	for i, a := range requests {
		users[i] = a.user
	}
	found, err := g.Recommender.Users(ctx, users, recommender.Options{Top: s.options.Top})
	for i, a := range requests {
		if err != nil {
			a.result <- response{err: err}
			continue
		}
		a.result <- response{rows: found[i]}
	}
}

func (s *Server) explain(ctx context.Context, g *loadedModel, requests []*request) {
	pairs := make([]task.Pair, len(requests))
	for i, a := range requests {
		pairs[i] = a.pair
	}
	texts, err := g.Recommender.Explain(ctx, pairs)
	for i, a := range requests {
		if err != nil {
			a.result <- response{err: err}
			continue
		}
		a.result <- response{text: texts[i]}
	}
}
