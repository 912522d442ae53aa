// Package torch is the only package that uses gotch, at the level of its C shim (gotch/libtch). Its
// operations take and return tensors, which their [Scope] frees when it closes. [Run] locks the OS
// thread (grad mode and OpenMP's thread pool belong to one) and opens a scope. The result of an
// operation belongs to the innermost scope of its operands. The scope frees all tensors that were
// not kept. An error raised by libtorch is a panic with an [*Error], which Run returns as an error.
//
// The package does not use gotch's ts.Tensor, for four measured reasons: each generated call leaks
// the C cell that receives its result (32 bytes, gigabytes over a long training), a finalizer may
// free a tensor that C code is still using, every tensor is named and entered in a locked map, and
// an error may be read on a different thread than the one that raised it.
package torch

import (
	"runtime"
	"sync/atomic"

	lib "github.com/sugarme/gotch/libtch"
)

// Run calls f with a new scope on a locked OS thread and closes the scope afterwards. It returns an
// error raised by libtorch as an [*Error]; other panics pass through. Runs may nest.
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

// NoGrad calls f without gradient recording. This applies to the calling OS thread only, so call it
// inside [Run].
func NoGrad(f func()) {
	before := lib.AtGradSetEnabled(0)
	defer lib.AtGradSetEnabled(before & 1)
	f()
}

// threads is the last argument of [Threads]; 0 means never called.
//
//nolint:gochecknoglobals // libtorch's number of threads is global too; each OS thread applies it later.
var threads atomic.Int64

// Threads sets the number of CPU threads of one operation, for this OS thread and those of later
// Runs; 0 changes nothing.
func Threads(n int) {
	if n > 0 {
		threads.Store(int64(n))
		setThreads(n)
	}
}
