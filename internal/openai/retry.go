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

// complete returns the reply to one prompt. Requests are sent until sendCtx ends; no new attempt
// starts after newCtx ends. An error means that the server, not the prompt, is the cause.
func (e *Engine) complete(sendCtx, newCtx context.Context, p *teacher.Prompt) (teacher.Reply, error) {
	loaded := time.Duration(0) // how long the server has been loading its model
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
		case failure.class.permanent() || failure.retryAfter > e.options.MaxWait:
			return teacher.Reply{}, failure.final(e.options.MaxWait)
		case failure.class == rejected || attempt == e.options.MaxAttempts && !failure.class.busy():
			return e.isolate(sendCtx, newCtx, p, failedPrompt{failure, succeeded})
		case attempt == e.options.MaxAttempts:
			return teacher.Reply{}, fmt.Errorf("after %d attempts: %w", attempt, failure)
		}
		attempt = e.countAttempt(attempt, failure, &loaded)
		if err := e.backOff(newCtx, p, attempt, failure); err != nil {
			return teacher.Reply{}, err
		}
	}
}

// countAttempt returns the number of failed attempts. Waiting for a server that loads its model is
// none, up to the maximum wait; it sets the pause before the next request.
func (e *Engine) countAttempt(attempt int, failure *requestError, loaded *time.Duration) int {
	if failure.class != loading || failure.retryAfter > 0 || *loaded >= e.options.MaxWait {
		return attempt
	}
	*loaded += loadingPause
	failure.retryAfter = loadingPause
	return 0
}

// loadingPause is the time between two requests to a server that loads its model.
const loadingPause = 5 * time.Second

// send sends a prompt once, in the first mode that the server supports, and returns the reply or
// the error.
func (e *Engine) send(ctx context.Context, p *teacher.Prompt) (reply teacher.Reply, failure *requestError) {
	var rejectedModes []mode
	adjusted := e.adjustments()
	wasted := teacher.Reply{} // tokens of unusable replies
	for _, w := range e.modes(p) {
		var got serverReply
		if got, failure = e.requestAdjusted(ctx, p, w, adjusted); failure != nil {
			if failure.class != rejected {
				return got.Reply, failure
			}
			rejectedModes = append(rejectedModes, w) // maybe the server does not support the mode
			continue
		}
		got.PromptTokens, got.Tokens = got.PromptTokens+wasted.PromptTokens, got.Tokens+wasted.Tokens
		text, conforms := w.parse(p, got.Reply)
		if !conforms {
			e.unsupported[w].Store(true)
			wasted = got.Reply
			continue
		}
		got.Text, _ = p.Limit(text)
		for _, other := range rejectedModes {
			e.unsupported[other].Store(true)
		}
		e.remember(adjusted)
		return got.Reply, nil
	}
	return reply, failure
}

// requestAdjusted sends a prompt in one mode, without the optional fields that the server rejects,
// which it adds to adjusted.
func (e *Engine) requestAdjusted(
	ctx context.Context, p *teacher.Prompt, w mode, adjusted adjustments,
) (serverReply, *requestError) {
	for {
		got, err := e.request(ctx, p, w, adjusted)
		if err == nil {
			_, dropped := adjusted[stopField]
			if dropped || !stoppedInThoughts(got) {
				return got, nil
			}
			adjusted[stopField] = ""
			continue
		}
		failure := e.toRequestError(err)
		failure.message = withoutPrompt(failure.message, p)
		if failure.class != rejected || !adjusted.adjust(failure) {
			return got, failure
		}
	}
}

// toRequestError classifies the error of a request.
func (e *Engine) toRequestError(err error) *requestError {
	if failure, ok := errors.AsType[*requestError](err); ok {
		return failure
	}
	if failed, ok := errors.AsType[*url.Error](err); ok {
		cause := redact(failed.Err.Error(), string(e.options.Key))
		return &requestError{class: transient, reason: "the connection failed: " + cause}
	}
	cause := redact(err.Error(), string(e.options.Key))
	return &requestError{class: malformed, reason: "the reply cannot be read: " + cause}
}

// failedPrompt is a prompt's last error, and the number of good replies before its last attempt.
type failedPrompt struct {
	err       *requestError
	succeeded int64
}

// isolate finds out whether the prompt or the server is the cause of a failure. If the server has
// answered other prompts meanwhile, or answers a probe of the same style now, the prompt is
// quarantined with its reason. Otherwise the server is the cause and no prompt is quarantined:
// quarantine is final, while a server recovers.
func (e *Engine) isolate(sendCtx, newCtx context.Context, p *teacher.Prompt, b failedPrompt) (teacher.Reply, error) {
	quarantined := teacher.Reply{Failed: b.err.Error()}
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

// probe returns a harmless prompt of the same style.
func probe(p *teacher.Prompt) *teacher.Prompt {
	other := *p
	if n := len(p.Messages); n > 0 {
		other.Messages = slices.Clone(p.Messages)
		other.Messages[n-1].Content = p.Messages[n-1].Content[:p.SharedPrefix] + "it works well\"."
	}
	return &other
}

// initialBackoff is the wait before the second attempt; it doubles with each attempt.
const initialBackoff = time.Second

// backOff waits before the next attempt: for the server's requested pause, which then applies to
// all prompts, or exponentially longer. Jitter from the prompts' seeds keeps retries from
// coinciding.
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

// awaitRetryTime waits until the server accepts requests again.
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
