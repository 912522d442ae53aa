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

// ask gets the reply of one prompt. Requests are sent as long as sending lasts; nothing new is asked after asking ends. An error
// means that the server, not the prompt, is at fault.
func (e *Engine) ask(sending, asking context.Context, p *teacher.Prompt) (teacher.Reply, error) {
	for try := 1; ; try++ {
		if err := e.await(asking); err != nil {
			return teacher.Reply{}, err
		}
		served := e.served.Load()
		reply, fault := e.send(sending, p)
		if fault == nil {
			e.served.Add(1)
			return reply, nil
		}
		switch {
		case sending.Err() != nil:
			return teacher.Reply{}, sending.Err()
		case fault.after > e.options.MaxWait:
			return teacher.Reply{}, fmt.Errorf("%w; it wants to be left alone for %v", fault, fault.after)
		case fault.kind.lasting():
			return teacher.Reply{}, fault
		case fault.kind == refused || try == e.options.Tries && fault.kind != busy:
			return e.blame(sending, asking, p, blamed{fault, served})
		case try == e.options.Tries:
			return teacher.Reply{}, fmt.Errorf("asked %d times: %w", try, fault)
		}
		if err := e.backOff(asking, p, try, fault); err != nil {
			return teacher.Reply{}, err
		}
	}
}

// send sends a prompt once and says what went wrong, if anything did. Of the ways to ask it takes the first that the server knows.
func (e *Engine) send(ctx context.Context, p *teacher.Prompt) (reply teacher.Reply, fault *faultError) {
	var refusals []way
	spent := teacher.Reply{} // what replies cost that are of no use
	for _, w := range e.ways(p) {
		one, err := e.request(ctx, p, w)
		if err != nil {
			if fault = e.understand(err); fault.kind != refused {
				return one, fault
			}
			refusals = append(refusals, w) // perhaps it is only the way that the server does not know
			continue
		}
		one.PromptTokens, one.Tokens = one.PromptTokens+spent.PromptTokens, one.Tokens+spent.Tokens
		text, heeded := w.read(p, one)
		if !heeded {
			e.unknown[w].Store(true)
			spent = one
			continue
		}
		one.Text = firstLines(text, p.Lines)
		for _, other := range refusals {
			e.unknown[other].Store(true)
		}
		return one, nil
	}
	return reply, fault
}

// understand says what kind of fault an error of a request is.
func (e *Engine) understand(err error) *faultError {
	if fault, ok := errors.AsType[*faultError](err); ok {
		return fault
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return &faultError{kind: failing, reason: fmt.Sprintf("no reply in time: %v", e.options.Timeout)}
	}
	if failed, ok := errors.AsType[*url.Error](err); ok {
		return &faultError{kind: failing, reason: "the connection failed: " + scrub(failed.Err.Error(), string(e.options.Key))}
	}
	return &faultError{kind: garbage, reason: "the reply can't be read: " + scrub(err.Error(), string(e.options.Key))}
}

// blamed is a prompt's last fault, and how many good replies there had been when it was asked for the last time.
type blamed struct {
	fault  *faultError
	served int64
}

// blame finds out whose fault it is that a prompt has no reply. If the server has answered others meanwhile, or answers an innocent
// prompt of the same kind now, the prompt is given up with its reason. Else the server is at fault and no prompt must suffer for it:
// a prompt that is given up stays so, while a server comes back.
func (e *Engine) blame(sending, asking context.Context, p *teacher.Prompt, b blamed) (teacher.Reply, error) {
	given := teacher.Reply{Failed: b.fault.reason}
	if e.served.Load() != b.served {
		return given, nil
	}
	if err := e.await(asking); err != nil {
		return teacher.Reply{}, err
	}
	_, fault := e.send(sending, innocent(p))
	if fault == nil {
		e.served.Add(1)
		return given, nil
	}
	if sending.Err() != nil {
		return teacher.Reply{}, sending.Err()
	}
	return teacher.Reply{}, fmt.Errorf("%w (and so it was with another prompt before)", fault)
}

// innocent is a prompt of the same kind that nothing can be wrong with.
func innocent(p *teacher.Prompt) *teacher.Prompt {
	other := *p
	if n := len(p.Messages); n > 0 {
		other.Messages = slices.Clone(p.Messages)
		other.Messages[n-1].Content = p.Messages[n-1].Content[:p.Lead] + "it works well\"."
	}
	return &other
}

// firstWait is how long is waited before a second try; it doubles with each one.
const firstWait = time.Second

// backOff waits before another try: as long as the server says, which then holds for all prompts, or longer each time. The prompts'
// seeds spread them, so that they don't all come back at once.
func (e *Engine) backOff(ctx context.Context, p *teacher.Prompt, try int, fault *faultError) error {
	if fault.after > 0 {
		e.pause(e.options.Now().Add(fault.after))
		return nil // await waits
	}
	spread := float64(p.Sampling.Seed%1024) / 1024
	wait := float64(firstWait) * math.Pow(2, float64(try-1)) * (1 + spread/2)
	return e.options.Sleep(ctx, min(time.Duration(wait), e.options.MaxWait))
}

func (e *Engine) pause(until time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if until.After(e.until) {
		e.until = until
	}
}

// await waits until the server may be asked again.
func (e *Engine) await(ctx context.Context) error {
	for {
		e.mu.Lock()
		left := e.until.Sub(e.options.Now())
		e.mu.Unlock()
		if left <= 0 {
			return ctx.Err()
		}
		if err := e.options.Sleep(ctx, left); err != nil {
			return err
		}
	}
}
