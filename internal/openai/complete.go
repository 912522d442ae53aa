package openai

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"rdrec/internal/teacher"
)

// result is the reply to a prompt.
type result struct {
	index int
	reply teacher.Reply
}

// Complete completes all prompts, see [teacher.Engine]. If the server fails, no new requests start,
// but replies to requests in flight are awaited and emitted: they are paid for.
func (e *Engine) Complete(ctx context.Context, prompts []teacher.Prompt, emit func(int, teacher.Reply) error) error {
	sendCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	// newCtx ends before sendCtx if the replies in flight are still wanted.
	newCtx, stop := context.WithCancelCause(sendCtx)
	defer stop(nil)
	var failed error
	done := 0
	for a := range e.startWorkers(sendCtx, newCtx, stop, prompts) {
		if failed != nil {
			continue // drain the channel, so that the workers end
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

// startWorkers starts the workers; the channel is closed when all have ended. The first error of a
// worker stops new requests.
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
