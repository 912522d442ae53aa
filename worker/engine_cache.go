package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/rs/zerolog"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"

	"rdrec/activities"
	"rdrec/internal/llama"
)

// cache keeps the teacher that was asked last with its weights in memory, so that the next shard
// need not read them again. It keeps one, and gives the memory back when another is asked for, when
// the worker is given other work, and when it ends. The nil shelf keeps nothing.
type engineCache struct {
	log   zerolog.Logger
	mutex sync.Mutex
	entry *cachedEngine
}

// cachedEngine is a teacher in memory.
type cachedEngine struct {
	key    string
	engine *llama.Engine
	refs   int
	// evicted is freed by its last user.
	evicted bool
}

// get answers the teacher of that key, which load reads where it is not held; free ends its use.
func (s *engineCache) get(key string, load func() (*llama.Engine, error)) (engine *llama.Engine, free func(), err error) {
	if s == nil {
		s = &engineCache{}
		defer s.evict() // its user frees it
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if h := s.entry; h == nil || h.key != key {
		s.discard() // before the next is loaded: there may not be memory for two
		if engine, err = load(); err != nil {
			return nil, nil, err
		}
		s.entry = &cachedEngine{key: key, engine: engine}
	}
	h := s.entry
	h.refs++
	return h.engine, sync.OnceFunc(func() { s.release(h) }), nil
}

func (s *engineCache) release(h *cachedEngine) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if h.refs--; h.refs == 0 && h.evicted {
		s.free(h)
	}
}

// evict gives the memory back, once nobody uses the teacher any more.
func (s *engineCache) evict() {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.discard()
}

func (s *engineCache) discard() {
	h := s.entry
	s.entry = nil
	switch {
	case h == nil:
	case h.refs == 0:
		s.free(h)
	default:
		h.evicted = true
	}
}

func (s *engineCache) free(h *cachedEngine) {
	if err := h.engine.Close(); err != nil {
		s.log.Warn().Err(err).Msg("engine was not freed")
	}
}

// cacheKey names weights as they lie on the disk now, and how they are used.
func cacheKey(o llama.Options, path string) (string, error) {
	files, err := llama.Files(o.Format, path)
	if err != nil {
		return "", err
	}
	var key strings.Builder
	fmt.Fprintf(&key, "%s %d %d", o.Format, o.Batch, o.Context)
	for _, file := range files {
		info, err := os.Stat(file)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&key, " %q %d %d", file, info.Size(), info.ModTime().UnixNano())
	}
	return key.String(), nil
}

// evictInterceptor frees the shelf before work that is not a teacher's: training wants the memory.
type evictInterceptor struct {
	interceptor.WorkerInterceptorBase
	cache *engineCache
}

// InterceptActivity stands before each activity.
func (c *evictInterceptor) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	return &evictInbound{interceptor.ActivityInboundInterceptorBase{Next: next}, c.cache}
}

type evictInbound struct {
	interceptor.ActivityInboundInterceptorBase
	cache *engineCache
}

// ExecuteActivity has the activity done.
func (c *evictInbound) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	if name := activity.GetInfo(ctx).ActivityType.Name; name != activities.DistillShardType {
		c.cache.evict()
	}
	return c.Next.ExecuteActivity(ctx, in)
}
