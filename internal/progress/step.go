package progress

import (
	"context"
	"io"
)

// stepKey is the context key of the function that [Step] calls.
type stepKey struct{}

// WithStep returns a context in which [Step] calls step. It may be called by several goroutines.
func WithStep(ctx context.Context, step func(note string)) context.Context {
	return context.WithValue(ctx, stepKey{}, step)
}

// Step reports that work goes on that has no units to count, such as a transfer or the start of the
// step that the note names; an empty note leaves the previous one. Without [WithStep] it does
// nothing.
func Step(ctx context.Context, note string) {
	if step, ok := ctx.Value(stepKey{}).(func(string)); ok {
		step(note)
	}
}

// Reader returns a reader of r that calls [Step] after each read, and fails once ctx has ended.
func Reader(ctx context.Context, r io.Reader) io.Reader { return &stepReader{ctx, r} }

type stepReader struct {
	ctx context.Context //nolint:containedctx // a reader's Read takes none
	r   io.Reader
}

// Read reads from r.
func (s *stepReader) Read(p []byte) (int, error) {
	if err := context.Cause(s.ctx); err != nil {
		return 0, err
	}
	n, err := s.r.Read(p)
	Step(s.ctx, "")
	return n, err //nolint:wrapcheck // io.EOF must stay as it is
}
