package torch

import (
	"sync/atomic"

	lib "github.com/sugarme/gotch/libtch"
)

// live is the number of existing tensors, made the number ever created, and uploads and reads the
// numbers of copies from and to the host.
//
//nolint:gochecknoglobals // counters of the process's native memory, which is itself global.
var live, made, uploads, reads atomic.Int64

// Live returns the number of tensors that exist in the process. Work that leaks nothing leaves it
// unchanged.
func Live() int64 { return live.Load() }

// Made returns the number of tensors that the process has ever created, which is the number of
// operations it has run.
func Made() int64 { return made.Load() }

// Uploads returns the number of tensors that were ever copied from the host's memory. On a GPU,
// each of these copies waits for the operations before it.
func Uploads() int64 { return uploads.Load() }

// Reads returns the number of tensors that were ever copied to the host's memory. On a GPU, each of
// these copies waits for the operations before it.
func Reads() int64 { return reads.Load() }

// Scope owns tensors and frees them together. It belongs to one goroutine.
type Scope struct {
	depth  int
	owned  []*Tensor
	closed bool
}

// NewScope opens a scope that the caller must close. If one function can hold the whole work, use
// [Run] instead.
func NewScope() *Scope { return &Scope{depth: 1} }

// Sub opens a scope inside s: results of operands from both belong to the inner scope. The caller
// must close it.
func (s *Scope) Sub() *Scope { return &Scope{depth: s.depth + 1} }

// Close frees the tensors that s still owns. A second Close does nothing.
func (s *Scope) Close() {
	for _, t := range s.owned {
		if t.scope == s {
			t.release()
		}
	}
	s.owned, s.closed = nil, true
}

// Use returns t as a tensor of s, so that results computed from it belong to s. It shares t's
// memory and is valid as long as t is.
func (s *Scope) Use(t *Tensor) *Tensor {
	t.handle()
	return &Tensor{c: t.c, scope: s, borrowed: true}
}

// Keep removes t from its scope. The caller owns it and calls [Tensor.Free].
func Keep(t *Tensor) *Tensor {
	if t.borrowed {
		return Keep(t.Alias())
	}
	t.handle()
	t.scope = nil
	return t
}

// Within calls f with x in a scope of its own. It frees all tensors that f created except the
// result, which moves to x's scope.
func Within(x *Tensor, f func(x *Tensor) *Tensor) *Tensor {
	outer := innermostScope(x)
	inner := outer.Sub()
	defer inner.Close()
	return outer.adopt(f(inner.Use(x)))
}

// Adopt moves t into s, from any owner.
func (s *Scope) Adopt(t *Tensor) *Tensor { return s.adopt(t) }

func (s *Scope) adopt(t *Tensor) *Tensor {
	if t.scope == s {
		return t
	}
	if t.borrowed {
		t = t.Alias()
	}
	t.handle()
	t.scope = s
	s.owned = append(s.owned, t)
	return t
}

// wrap returns the result of operation op as a tensor of s. It panics if libtorch raised an error.
func (s *Scope) wrap(op string, c lib.Ctensor) *Tensor {
	check(op)
	maybeInjectOOM(op, c)
	if s.closed {
		lib.AtFree(c)
		misuse("%s in a closed scope", op)
	}
	live.Add(1)
	made.Add(1)
	t := &Tensor{c: c, scope: s}
	s.owned = append(s.owned, t)
	return t
}

func (s *Scope) wrapAll(op string, all []lib.Ctensor) []*Tensor {
	tensors := make([]*Tensor, len(all))
	for i, c := range all {
		tensors[i] = s.wrap(op, c)
	}
	return tensors
}

// innermostScope returns the innermost scope of an operation's operands.
func innermostScope(operands ...*Tensor) *Scope {
	var innermost *Scope
	for _, t := range operands {
		if t != nil && t.scope != nil && (innermost == nil || t.scope.depth > innermost.depth) {
			innermost = t.scope
		}
	}
	if innermost == nil {
		misuse("no operand is in a scope, so nothing would free the result (see Scope.Use)")
	}
	return innermost
}

// In returns t as a tensor of u's scope, so that results computed from it belong to that scope.
func (t *Tensor) In(u *Tensor) *Tensor { return innermostScope(u).Use(t) }
