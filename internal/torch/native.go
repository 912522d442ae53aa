package torch

// #cgo LDFLAGS: -ldl
// #include <dlfcn.h>
// #include <limits.h>
// #include <stdint.h>
// #include <stdlib.h>
// #ifdef __GLIBC__
// #include <malloc.h>
// #endif
//
// // A training step allocates and frees the same gigabytes again and again. By default glibc gives every big block back to the system
// // and gets it anew, page by page: a third of the time of a small student's step. It runs before the first thread allocates.
// __attribute__((constructor)) static void torch_keep_memory(void) {
// #ifdef __GLIBC__
//   mallopt(M_ARENA_MAX, 1);
//   mallopt(M_MMAP_MAX, 0);
//   mallopt(M_TRIM_THRESHOLD, INT_MAX);
//   mallopt(M_TOP_PAD, 64 << 20);
// #endif
// }
//
// // gotch's C shim has these, and its Go side does not bind them. They are weak so that this package links by itself.
// __attribute__((weak)) void at_manual_seed(int64_t seed);
// __attribute__((weak)) void at_set_num_threads(int n);
// __attribute__((weak)) int at_get_num_threads(void);
//
// static void torch_seed(int64_t seed) { at_manual_seed(seed); }
// static void torch_threads(int n) { at_set_num_threads(n); }
//
// // torch_open_cuda makes libtorch's CUDA kernels known to the libtorch that is loaded already; they register themselves.
// static const char *torch_open_cuda(void) {
//   return dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL) ? NULL : dlerror();
// }
import "C"

import (
	"errors"
	"sync"
	"unsafe"

	lib "github.com/sugarme/gotch/libtch"
)

// random is held while libtorch's generator, of which the process has one, is seeded and drawn from.
//
//nolint:gochecknoglobals // it guards a generator that is global itself.
var random sync.Mutex

// Seeded calls f with libtorch's random generators seeded; nobody else draws from them meanwhile. It does not nest.
func Seeded(seed int64, f func()) {
	random.Lock()
	defer random.Unlock()
	C.torch_seed(C.int64_t(seed))
	f()
}

func setThreads(n int) { C.torch_threads(C.int(n)) }

// loadCUDA loads libtorch_cuda.so where it is there and its libraries resolve, so that one binary runs on bare CPUs and on GPUs.
// Loading it again is harmless.
func loadCUDA() error {
	if message := C.torch_open_cuda(); message != nil {
		return errors.New(C.GoString(message))
	}
	return nil
}

func lastError() string {
	c := lib.GetAndResetLastErr()
	if c == nil {
		return ""
	}
	defer C.free(unsafe.Pointer(c))
	return C.GoString((*C.char)(unsafe.Pointer(c)))
}

// takeArray reads a C array of tensors that ends in a null, and frees the array.
func takeArray(array *lib.Ctensor) []lib.Ctensor {
	defer C.free(unsafe.Pointer(array))
	var all []lib.Ctensor
	for at := unsafe.Pointer(array); *(*lib.Ctensor)(at) != nil; at = unsafe.Add(at, unsafe.Sizeof(*array)) {
		all = append(all, *(*lib.Ctensor)(at))
	}
	return all
}
