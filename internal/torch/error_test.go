package torch_test

import (
	"errors"
	"testing"

	"rdrec/internal/torch"
)

func TestErrorsOfTheDevice(t *testing.T) {
	const rest = "\nCUDA kernel errors might be asynchronously reported at some other API call"
	for message, want := range map[string]struct{ lost, outOfMemory bool }{
		"CUDA error: an illegal memory access was encountered" + rest:                    {true, false},
		"CUDA error: device-side assert triggered" + rest:                                {true, false},
		"CUDA error: unspecified launch failure" + rest:                                  {true, false},
		"CUDA error: uncorrectable ECC error encountered":                                {true, false},
		"CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm( handle)`": {true, false},
		"CUDA error: out of memory" + rest:                                               {false, true},
		"CUDA out of memory. Tried to allocate 2.00 GiB":                                 {false, true},
		"CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`":     {false, true},
		"cuDNN error: CUDNN_STATUS_ALLOC_FAILED":                                         {false, true},
		"CUDA error: invalid argument" + rest:                                            {false, false},
		"CUDA error: no kernel image is available for execution on the device":           {false, false},
		"The size of tensor a (3) must match the size of tensor b (4)":                   {false, false},
		"an illegal memory access was encountered":                                       {false, false},
	} {
		err := &torch.Error{Op: "mm", Message: message}
		if err.DeviceLost() != want.lost || err.OutOfMemory() != want.outOfMemory ||
			errors.Is(err, torch.ErrOutOfMemory) != want.outOfMemory {
			t.Errorf("%q: lost %t, out of memory %t; want %+v", message, err.DeviceLost(), err.OutOfMemory(), want)
		}
	}
}
