package torch

import (
	"errors"
	"fmt"
	"strings"
)

// ErrOutOfMemory matches an [*Error] (by errors.Is) if the host or the device ran out of memory.
var ErrOutOfMemory = errors.New("out of memory")

// Error is an error raised by libtorch.
type Error struct {
	// Op is the operation that failed.
	Op string
	// Message is libtorch's message without the stack trace.
	Message string
}

// Error returns the operation and libtorch's message.
func (e *Error) Error() string { return fmt.Sprintf("libtorch: %s: %s", e.Op, e.Message) }

// Is reports whether target is [ErrOutOfMemory] and memory ran out.
func (e *Error) Is(target error) bool { return target == ErrOutOfMemory && e.outOfMemory() }

// outOfMemory reports whether the message is one of libtorch's two allocators
// (c10/core/CPUAllocator.cpp, c10/cuda/CUDACachingAllocator.cpp) or of C++'s own.
func (e *Error) outOfMemory() bool {
	for _, sign := range []string{"out of memory", "can't allocate memory", "std::bad_alloc"} {
		if strings.Contains(e.Message, sign) {
			return true
		}
	}
	return false
}

// check panics with the error that libtorch raised in op on this thread, if any.
func check(op string) {
	message := lastError()
	if message == "" {
		return
	}
	message, _, _ = strings.Cut(message, "\nException raised from")
	message, _, _ = strings.Cut(message, "\nframe #0")
	panic(&Error{Op: op, Message: strings.TrimSpace(message)})
}

// misuse panics because of a bug in the calling code. Neither input nor a lack of memory causes it.
func misuse(format string, args ...any) {
	panic(fmt.Sprintf("torch: "+format, args...))
}
