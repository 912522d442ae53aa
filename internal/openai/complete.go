package openai

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"rdrec/internal/teacher"
)

// result is a finished prompt.
type result struct {
	index int
	reply teacher.Reply
}

// Complete answers all prompts, see [teacher.Engine]. When the server fails it altogether, nothing
// more is asked, but what is in flight is waited for and emitted: it is paid for.
func (e *Engine) Complete(ctx context.Context, prompts []teacher.Prompt, emit func(int, teacher.Reply) error) error {
	sendCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	newCtx, stop := context.WithCancelCause(sendCtx) // ends before sending does where replies in flight are still wanted
	defer stop(nil)
	var failed error
	done := 0
	for a := range e.startWorkers(sendCtx, newCtx, stop, prompts) {
		if failed != nil {
			continue // let the workers end
		}
		done++
		if failed = emit(a.index, a.reply); failed != nil {
			cancel()
		}
	}
	switch {
	case failed != nil:
		return failed
	case done == len(prompts):
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("ask %q: %w", e.server, ctx.Err())
	default:
		return fmt.Errorf("ask %q: %w", e.server, context.Cause(newCtx))
	}
}

// startWorkers starts the workers; the channel is closed when all have ended. The first error of
// one ends asking.
func (e *Engine) startWorkers(
	sendCtx, newCtx context.Context, stop context.CancelCauseFunc, prompts []teacher.Prompt,
) <-chan result {
	out := make(chan result)
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(e.options.Concurrency, len(prompts)) {
		workers.Go(func() {
			for newCtx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= len(prompts) {
					return
				}
				reply, err := e.complete(sendCtx, newCtx, &prompts[i])
				if err != nil {
					stop(err)
					return
				}
				out <- result{i, reply}
			}
		})
	}
	go func() {
		workers.Wait()
		close(out)
	}()
	return out
}
