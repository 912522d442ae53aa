package serve

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"time"

	"rdrec/internal/advice"
	"rdrec/internal/task"
)

// generation is a model in use, with the requests that wait for it.
type generation struct {
	*Model
	asks chan *ask
	// holds are the requests that use it, retired says that no new one will. Both are the shelf's.
	holds   int
	retired bool
}

// shelf holds the model in use and those that still answer older requests.
type shelf struct {
	mutex   sync.Mutex
	now     *generation
	drained bool
	open    sync.WaitGroup
	freed   func(*generation)
}

// take returns the model in use, nil for none. Whoever takes one gives it back.
func (s *shelf) take() *generation {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.now != nil {
		s.now.holds++
	}
	return s.now
}

// give gives a model back; the last to do so frees one that is no longer in use.
func (s *shelf) give(g *generation) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	g.holds--
	s.free(g)
}

// put has another model in use; nil for none.
func (s *shelf) put(g *generation) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	old := s.now
	s.now = g
	if g != nil {
		s.open.Add(1)
	}
	if old != nil {
		old.retired = true
		s.free(old)
	}
}

// free closes a model that nobody uses: its queue ends, and when that is empty its memory is freed.
func (s *shelf) free(g *generation) {
	if !g.retired || g.holds > 0 {
		return
	}
	close(g.asks)
}

// version is that of the model in use, empty for none.
func (s *shelf) version() string {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.now == nil {
		return ""
	}
	return s.now.Version
}

// name is the model's in use, empty for none.
func (s *shelf) name() string {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.now == nil {
		return ""
	}
	return s.now.Name
}

// drain says from now on that the server is not ready.
func (s *shelf) drain() {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.drained = true
}

func (s *shelf) ready() bool {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.now != nil && !s.drained
}

// wait waits until every model is freed.
func (s *shelf) wait() { s.open.Wait() }

// ask is a request that waits to be decoded: recommendations for a user, or an explanation of a pair.
type ask struct {
	ctx  context.Context //nolint:containedctx // the request's: whoever has gone is not answered
	user string
	pair task.Pair
	// answer is told once.
	answer chan answer
}

type answer struct {
	rows []advice.Row
	text string
	err  error
}

// errBusy says that the queue is full.
var errBusy = errors.New("too many requests are waiting")

// submit puts a request into the queue and waits for its answer.
func (g *generation) submit(ctx context.Context, a *ask) answer {
	a.ctx, a.answer = ctx, make(chan answer, 1)
	select {
	case g.asks <- a:
	default:
		return answer{err: errBusy}
	}
	select {
	case found := <-a.answer:
		return found
	case <-ctx.Done():
		return answer{err: ctx.Err()}
	}
}

// begin starts to answer what is asked of a model, until it is freed, however long the context lives that it was opened by.
func (s *Server) begin(ctx context.Context, m *Model) *generation {
	ctx = context.WithoutCancel(ctx)
	g := &generation{Model: m, asks: make(chan *ask, s.options.Queue)}
	go func() {
		// One thread decodes all batches: on another each time, its native memory would spread over the allocator's arenas.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		for first := range g.asks {
			s.answer(ctx, g, s.gather(g, first))
		}
		g.Close()
		s.models.freed(g)
		s.models.open.Done()
	}()
	return g
}

// gather waits a moment for requests that can be decoded together with the first.
func (s *Server) gather(g *generation, first *ask) []*ask {
	batch := []*ask{first}
	timer := time.NewTimer(s.options.Window)
	defer timer.Stop()
	for len(batch) < s.options.Batch {
		select {
		case a, ok := <-g.asks:
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

// answer decodes a batch: all its recommendations together, then all its explanations.
func (s *Server) answer(ctx context.Context, g *generation, batch []*ask) {
	s.metrics.waiting.Set(float64(len(g.asks)))
	var users, pairs []*ask
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

// recommend always asks for as many items as anybody may, so that an answer is the beginning of any longer one.
func (s *Server) recommend(ctx context.Context, g *generation, asks []*ask) {
	users := make([]string, len(asks))
	for i, a := range asks {
		users[i] = a.user
	}
	found, err := g.Desk.Users(ctx, users, advice.Options{Top: s.options.Top})
	for i, a := range asks {
		if err != nil {
			a.answer <- answer{err: err}
			continue
		}
		a.answer <- answer{rows: found[i]}
	}
}

func (s *Server) explain(ctx context.Context, g *generation, asks []*ask) {
	pairs := make([]task.Pair, len(asks))
	for i, a := range asks {
		pairs[i] = a.pair
	}
	texts, err := g.Desk.Why(ctx, pairs)
	for i, a := range asks {
		if err != nil {
			a.answer <- answer{err: err}
			continue
		}
		a.answer <- answer{text: texts[i]}
	}
}
