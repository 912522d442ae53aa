package openai

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/url"
	"slices"
	"time"

	"rdrec/internal/teacher"
)

// complete gets the reply of one prompt. Requests are sent as long as sending lasts; nothing new is
// asked after asking ends. An error means that the server, not the prompt, is at fault.
func (e *Engine) complete(sendCtx, newCtx context.Context, p *teacher.Prompt) (teacher.Reply, error) {
	for attempt := 1; ; attempt++ {
		if err := e.awaitRetryTime(newCtx); err != nil {
			return teacher.Reply{}, err
		}
		succeeded := e.succeeded.Load()
		reply, failure := e.send(sendCtx, p)
		if failure == nil {
			e.succeeded.Add(1)
			return reply, nil
		}
		switch {
		case sendCtx.Err() != nil:
			return teacher.Reply{}, sendCtx.Err()
		case failure.retryAfter > e.options.MaxWait:
			return teacher.Reply{}, fmt.Errorf("%w; it asks to retry after %v", failure, failure.retryAfter)
		case failure.class.permanent():
			return teacher.Reply{}, failure
		case failure.class == rejected || attempt == e.options.MaxAttempts && failure.class != overloaded:
			return e.isolate(sendCtx, newCtx, p, failedPrompt{failure, succeeded})
		case attempt == e.options.MaxAttempts:
			return teacher.Reply{}, fmt.Errorf("after %d attempts: %w", attempt, failure)
		}
		if err := e.backOff(newCtx, p, attempt, failure); err != nil {
			return teacher.Reply{}, err
		}
	}
}

// send sends a prompt once and says what went wrong, if anything did. Of the ways to ask it takes
// the first that the server knows.
func (e *Engine) send(ctx context.Context, p *teacher.Prompt) (reply teacher.Reply, failure *requestError) {
	var rejectedModes []mode
	wasted := teacher.Reply{} // what replies cost that are of no use
	for _, w := range e.modes(p) {
		answered, err := e.request(ctx, p, w)
		if err != nil {
			if failure = e.toRequestError(err); failure.class != rejected {
				return answered, failure
			}
			rejectedModes = append(rejectedModes, w) // perhaps it is only the way that the server does not know
			continue
		}
		answered.PromptTokens, answered.Tokens = answered.PromptTokens+wasted.PromptTokens, answered.Tokens+wasted.Tokens
		text, conforms := w.parse(p, answered)
		if !conforms {
			e.unsupported[w].Store(true)
			wasted = answered
			continue
		}
		answered.Text = firstLines(text, p.MaxLines)
		for _, other := range rejectedModes {
			e.unsupported[other].Store(true)
		}
		return answered, nil
	}
	return reply, failure
}

// toRequestError says what kind of fault an error of a request is.
func (e *Engine) toRequestError(err error) *requestError {
	if failure, ok := errors.AsType[*requestError](err); ok {
		return failure
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return &requestError{class: transient, reason: fmt.Sprintf("no reply in time: %v", e.options.Timeout)}
	}
	if failed, ok := errors.AsType[*url.Error](err); ok {
		return &requestError{class: transient, reason: "the connection failed: " + redact(failed.Err.Error(), string(e.options.Key))}
	}
	return &requestError{class: malformed, reason: "the reply can't be read: " + redact(err.Error(), string(e.options.Key))}
}

// failedPrompt is a prompt's last fault, and how many good replies there had been when it was asked
// for the last time.
type failedPrompt struct {
	err       *requestError
	succeeded int64
}

// isolate finds out whose fault it is that a prompt has no reply. If the server has answered others
// meanwhile, or answers an innocent prompt of the same kind now, the prompt is given up with its
// reason. Else the server is at fault and no prompt must suffer for it: a prompt that is given up
// stays so, while a server comes back.
func (e *Engine) isolate(sendCtx, newCtx context.Context, p *teacher.Prompt, b failedPrompt) (teacher.Reply, error) {
	quarantined := teacher.Reply{Failed: b.err.reason}
	if e.succeeded.Load() != b.succeeded {
		return quarantined, nil
	}
	if err := e.awaitRetryTime(newCtx); err != nil {
		return teacher.Reply{}, err
	}
	_, failure := e.send(sendCtx, probe(p))
	if failure == nil {
		e.succeeded.Add(1)
		return quarantined, nil
	}
	if sendCtx.Err() != nil {
		return teacher.Reply{}, sendCtx.Err()
	}
	return teacher.Reply{}, fmt.Errorf("%w (another prompt failed before with the same error)", failure)
}

// probe is a prompt of the same kind that nothing can be wrong with.
func probe(p *teacher.Prompt) *teacher.Prompt {
	other := *p
	if n := len(p.Messages); n > 0 {
		other.Messages = slices.Clone(p.Messages)
		other.Messages[n-1].Content = p.Messages[n-1].Content[:p.SharedPrefix] + "it works well\"."
	}
	return &other
}

// initialBackoff is how long is waited before a second try; it doubles with each one.
const initialBackoff = time.Second

// backOff waits before another try: as long as the server says, which then holds for all prompts,
// or longer each time. The prompts' seeds spread them, so that they don't all come back at once.
func (e *Engine) backOff(ctx context.Context, p *teacher.Prompt, attempt int, failure *requestError) error {
	if failure.retryAfter > 0 {
		e.pauseUntil(e.options.Now().Add(failure.retryAfter))
		return nil // awaitRetryTime waits
	}
	jitter := float64(p.Sampling.Seed%1024) / 1024
	wait := float64(initialBackoff) * math.Pow(2, float64(attempt-1)) * (1 + jitter/2)
	return e.options.Sleep(ctx, min(time.Duration(wait), e.options.MaxWait))
}

func (e *Engine) pauseUntil(until time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if until.After(e.retryAt) {
		e.retryAt = until
	}
}

// awaitRetryTime waits until the server may be asked again.
func (e *Engine) awaitRetryTime(ctx context.Context) error {
	for {
		e.mu.Lock()
		wait := e.retryAt.Sub(e.options.Now())
		e.mu.Unlock()
		if wait <= 0 {
			return ctx.Err()
		}
		if err := e.options.Sleep(ctx, wait); err != nil {
			return err
		}
	}
}
