package torch

import (
	"errors"
	"fmt"
	"strings"
)

// ErrOutOfMemory is what an [*Error] is when memory, of the host or of the device, did not suffice.
var ErrOutOfMemory = errors.New("out of memory")

// Error is a fault that libtorch raised.
type Error struct {
	// Op is the operation that failed.
	Op string
	// Message is libtorch's first words, without its stack.
	Message string
}

// Error tells the operation and libtorch's words.
func (e *Error) Error() string { return fmt.Sprintf("libtorch: %s: %s", e.Op, e.Message) }

// EqualNumber tells whether the fault is the sentinel target, of which there is one:
// [ErrOutOfMemory].
func (e *Error) Is(target error) bool { return target == ErrOutOfMemory && e.outOfMemory() }

// outOfMemory knows libtorch's two allocators (c10/core/CPUAllocator.cpp,
// c10/cuda/CUDACachingAllocator.cpp) and C++'s own.
func (e *Error) outOfMemory() bool {
	for _, sign := range []string{"out of memory", "can't allocate memory", "std::bad_alloc"} {
		if strings.Contains(e.Message, sign) {
			return true
		}
	}
	return false
}

// check panics with what libtorch raised in op on this thread, if anything.
func check(op string) {
	message := lastError()
	if message == "" {
		return
	}
	message, _, _ = strings.Cut(message, "\nException raised from")
	message, _, _ = strings.Cut(message, "\nframe #0")
	panic(&Error{Op: op, Message: strings.TrimSpace(message)})
}

// misuse panics over a misuse by our own code: no input and no lack of memory leads here.
func misuse(format string, args ...any) {
	panic(fmt.Sprintf("torch: "+format, args...))
}
