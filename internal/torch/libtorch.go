package torch

// #cgo LDFLAGS: -ldl
// #include <stdlib.h>
// #include "native.h"
import "C"

import (
	"errors"
	"sync"
	"unsafe"

	lib "github.com/sugarme/gotch/libtch"
)

// generatorLock guards libtorch's random generator, which is one for the process, from seeding to
// the last sample.
//
//nolint:gochecknoglobals // it guards a generator that is global itself.
var generatorLock sync.Mutex

// Seeded calls f with libtorch's random generators seeded. No other call of Seeded uses them
// meanwhile. Calls must not nest.
func Seeded(seed int64, f func()) {
	generatorLock.Lock()
	defer generatorLock.Unlock()
	C.torch_seed(C.int64_t(seed))
	f()
}

func setThreads(n int) { C.torch_threads(C.int(n)) }

// loadCUDA loads libtorch_cuda.so, so that one binary runs with and without a GPU. It returns an
// error if the library or one of its dependencies is missing. Loading it again is harmless.
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

// takeArray returns the tensors of a null-terminated C array, and frees the array.
func takeArray(array *lib.Ctensor) []lib.Ctensor {
	defer C.free(unsafe.Pointer(array))
	var all []lib.Ctensor
	for at := unsafe.Pointer(array); *(*lib.Ctensor)(at) != nil; at = unsafe.Add(at, unsafe.Sizeof(*array)) {
		all = append(all, *(*lib.Ctensor)(at))
	}
	return all
}
