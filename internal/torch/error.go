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
func (e *Error) Is(target error) bool { return target == ErrOutOfMemory && e.OutOfMemory() }

// DeviceLost reports whether the error left the CUDA context of this process unusable: each later
// operation on the device fails, so that only a new process can go on (the "sticky" errors of the
// CUDA runtime).
func (e *Error) DeviceLost() bool {
	_, kind, found := strings.Cut(e.Message, "CUDA error: ")
	if !found {
		return false
	}
	kind, _, _ = strings.Cut(kind, "\n")
	for _, sign := range stickyErrors() {
		if strings.Contains(kind, sign) {
			return true
		}
	}
	return false
}

// stickyErrors returns the messages of cudaGetErrorString for errors that destroy the context, and
// cuBLAS's status for a kernel that such an error ended.
func stickyErrors() []string {
	return []string{
		"an illegal memory access was encountered", "device-side assert triggered", "unspecified launch failure",
		"misaligned address", "an illegal instruction was encountered", "invalid program counter",
		"operation not supported on global/shared address space", "hardware stack error",
		"the launch timed out and was terminated", "uncorrectable ECC error encountered",
		"uncorrectable NVLink error detected", "context is destroyed", "unknown error",
		"CUBLAS_STATUS_EXECUTION_FAILED",
	}
}

// OutOfMemory reports whether the message is one of libtorch's two allocators
// (c10/core/CPUAllocator.cpp, c10/cuda/CUDACachingAllocator.cpp), of C++'s own, or of CUDA's
// libraries, whose workspaces are outside libtorch's allocator.
func (e *Error) OutOfMemory() bool {
	for _, sign := range []string{
		"out of memory", "can't allocate memory", "std::bad_alloc", "CUBLAS_STATUS_ALLOC_FAILED",
		"CUDNN_STATUS_ALLOC_FAILED", "CUSOLVER_STATUS_ALLOC_FAILED",
	} {
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
