// Package torch is the only code that touches gotch, and it does so at the level of its C shim
// (gotch/libtch): tensors in, tensors out, freed when their [Scope] closes. The steps: [Run] locks
// the OS thread (grad mode and OpenMP's pool belong to one) and opens a scope; every operation's
// result belongs to the innermost scope among its operands; the scope frees what was not kept; a
// fault inside libtorch is a panic with an [*Error], which Run turns into an error.
//
// gotch's own ts.Tensor is not used, for four measured reasons: each generated call leaks the C
// cell it receives its result in (32 bytes, gigabytes over a long training), a finalizer may free a
// tensor while C still works on it, every tensor is named and entered in a locked map, and an error
// may be read on another thread than the one that raised it.
package torch

import (
	"runtime"
	"sync/atomic"

	lib "github.com/sugarme/gotch/libtch"
)

// Run calls f with a fresh scope on a locked OS thread and frees the scope afterwards. A fault
// inside libtorch comes back as an [*Error]; other panics pass. Runs nest.
func Run(f func(s *Scope) error) (err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if n := threads.Load(); n > 0 {
		setThreads(int(n))
	}
	s := NewScope()
	defer s.Close()
	defer func() {
		if raised := recover(); raised != nil {
			known, ok := raised.(*Error)
			if !ok {
				panic(raised)
			}
			err = known
		}
	}()
	return f(s)
}

// NoGrad calls f with gradient recording off. It holds for the calling OS thread only, so it must
// stand inside [Run].
func NoGrad(f func()) {
	before := lib.AtGradSetEnabled(0)
	defer lib.AtGradSetEnabled(before & 1)
	f()
}

// threads is what [Threads] was last told; 0 means never.
//
//nolint:gochecknoglobals // libtorch's number of threads is global too, but each OS thread learns it in a moment of its own.
var threads atomic.Int64

// Threads sets how many CPU threads one operation may use: in this OS thread now, and in those of
// later Runs; 0 changes nothing.
func Threads(n int) {
	if n > 0 {
		threads.Store(int64(n))
		setThreads(n)
	}
}
