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

	"rdrec/internal/llama"
)

// shelf keeps the teacher that was asked last with its weights in memory, so that the next shard need not read them again. It keeps one,
// and gives the memory back when another is asked for, when the worker is given other work, and when it ends. The nil shelf keeps nothing.
type shelf struct {
	log   zerolog.Logger
	mutex sync.Mutex
	held  *heldTeacher
}

// heldTeacher is a teacher in memory.
type heldTeacher struct {
	key    string
	engine *llama.Engine
	users  int
	// unwanted is freed by its last user.
	unwanted bool
}

// open answers the teacher of that key, which load reads where it is not held; free ends its use.
func (s *shelf) open(key string, load func() (*llama.Engine, error)) (engine *llama.Engine, free func(), err error) {
	if s == nil {
		s = &shelf{}
		defer s.drop() // its user frees it
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if h := s.held; h == nil || h.key != key {
		s.discard() // before the next is loaded: there may not be memory for two
		if engine, err = load(); err != nil {
			return nil, nil, err
		}
		s.held = &heldTeacher{key: key, engine: engine}
	}
	h := s.held
	h.users++
	return h.engine, sync.OnceFunc(func() { s.release(h) }), nil
}

func (s *shelf) release(h *heldTeacher) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if h.users--; h.users == 0 && h.unwanted {
		s.close(h)
	}
}

// drop gives the memory back, once nobody uses the teacher any more.
func (s *shelf) drop() {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.discard()
}

func (s *shelf) discard() {
	h := s.held
	s.held = nil
	switch {
	case h == nil:
	case h.users == 0:
		s.close(h)
	default:
		h.unwanted = true
	}
}

func (s *shelf) close(h *heldTeacher) {
	if err := h.engine.Close(); err != nil {
		s.log.Warn().Err(err).Msg("teacher was not freed")
	}
}

// keyOf names weights as they lie on the disk now, and how they are used.
func keyOf(o llama.Options, path string) (string, error) {
	files, err := llama.Files(o.Form, path)
	if err != nil {
		return "", err
	}
	var key strings.Builder
	fmt.Fprintf(&key, "%s %d %d", o.Form, o.Batch, o.Context)
	for _, file := range files {
		info, err := os.Stat(file)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&key, " %q %d %d", file, info.Size(), info.ModTime().UnixNano())
	}
	return key.String(), nil
}

// clears frees the shelf before work that is not a teacher's: training wants the memory.
type clears struct {
	interceptor.WorkerInterceptorBase
	shelf *shelf
}

// InterceptActivity stands before each activity.
func (c *clears) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	return &clearing{interceptor.ActivityInboundInterceptorBase{Next: next}, c.shelf}
}

type clearing struct {
	interceptor.ActivityInboundInterceptorBase
	shelf *shelf
}

// ExecuteActivity has the activity done.
func (c *clearing) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	if name := activity.GetInfo(ctx).ActivityType.Name; name != "DistillShard" && name != "Distill" {
		c.shelf.drop()
	}
	return c.Next.ExecuteActivity(ctx, in)
}
