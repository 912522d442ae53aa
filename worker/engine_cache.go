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

// engineCache keeps the last teacher with its weights in memory, so that the next shard need not
// read them again. It holds one teacher, and frees it when another one is needed, when the worker
// gets other work, and when the worker ends. A nil cache holds nothing.
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
	// evicted is set if the last user must free the engine.
	evicted bool
}

// get returns the teacher with a key, and loads it if it is not cached; free ends its use.
func (s *engineCache) get(
	key string, load func() (*llama.Engine, error),
) (engine *llama.Engine, free func(), err error) {
	if s == nil {
		s = &engineCache{}
		defer s.evict() // the only user frees it
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if h := s.entry; h == nil || h.key != key {
		s.discard() // first: memory may not suffice for two
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

// evict frees the teacher once it is no longer in use.
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
		s.log.Warn().Err(err).Msg("cannot free teacher")
	}
}

// cacheKey identifies the current weight files and the options.
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

// evictInterceptor empties the cache before activities that use no teacher, because training needs
// the memory.
type evictInterceptor struct {
	interceptor.WorkerInterceptorBase
	cache *engineCache
}

// InterceptActivity wraps each activity.
func (c *evictInterceptor) InterceptActivity(
	_ context.Context, next interceptor.ActivityInboundInterceptor,
) interceptor.ActivityInboundInterceptor {
	return &evictInbound{interceptor.ActivityInboundInterceptorBase{Next: next}, c.cache}
}

type evictInbound struct {
	interceptor.ActivityInboundInterceptorBase
	cache *engineCache
}

// ExecuteActivity executes the activity.
func (c *evictInbound) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	if name := activity.GetInfo(ctx).ActivityType.Name; name != activities.DistillShardType {
		c.cache.evict()
	}
	return c.Next.ExecuteActivity(ctx, in)
}
