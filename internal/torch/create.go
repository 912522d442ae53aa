package torch

import (
	"unsafe"

	lib "github.com/sugarme/gotch/libtch"
)

// FromInt64 returns a CPU tensor with a copy of data.
func (s *Scope) FromInt64(data []int64, shape ...int64) *Tensor {
	return fromSlice(s, data, Int64, shape)
}

// FromFloat32 returns a CPU tensor with a copy of data.
func (s *Scope) FromFloat32(data []float32, shape ...int64) *Tensor {
	return fromSlice(s, data, Float32, shape)
}

// FromBytes returns a CPU tensor with a copy of data, which holds little-endian elements.
func (s *Scope) FromBytes(data []byte, dtype DType, shape ...int64) *Tensor {
	return fromSlice(s, data, dtype, shape)
}

func fromSlice[T any](s *Scope, data []T, dtype DType, shape []int64) *Tensor {
	var zero T
	numel := 1
	for _, size := range shape {
		numel *= int(size)
	}
	if numel*dtype.Size() != len(data)*int(unsafe.Sizeof(zero)) {
		misuse("%d elements do not fill shape %v", len(data), shape)
	}
	if numel == 0 {
		return s.Zeros(dtype, CPU, shape...)
	}
	dims := shape
	if len(dims) == 0 {
		dims = []int64{1}
	}
	uploads.Add(1)
	c := lib.AtTensorOfData(unsafe.Pointer(&data[0]), dims, uint(len(shape)), uint(dtype.Size()), int(dtype))
	return s.wrap("copy from host", c)
}

// Zeros returns a tensor of zeros.
func (s *Scope) Zeros(dtype DType, device Device, shape ...int64) *Tensor {
	var out lib.Ctensor
	lib.AtgZeros(&out, dims(shape), len(shape), int32(dtype), int32(device))
	return s.wrap("zeros", out)
}

// Empty returns an uninitialized tensor.
func (s *Scope) Empty(dtype DType, device Device, shape ...int64) *Tensor {
	var out lib.Ctensor
	lib.AtgEmpty(&out, dims(shape), len(shape), int32(dtype), int32(device))
	return s.wrap("empty", out)
}

// Full returns a tensor with all elements set to value.
func (s *Scope) Full(value float64, dtype DType, device Device, shape ...int64) *Tensor {
	var out lib.Ctensor
	withScalar(value, func(v lib.Cscalar) {
		lib.AtgFull(&out, dims(shape), len(shape), v, int32(dtype), int32(device))
	})
	return s.wrap("full", out)
}

// Arange returns the integers [0, n).
func (s *Scope) Arange(n int64, device Device) *Tensor {
	var out lib.Ctensor
	end := lib.AtsInt(n)
	defer lib.AtsFree(end)
	lib.AtgArange(&out, end, int32(Int64), int32(device))
	return s.wrap("arange", out)
}

// dims returns a shape whose first element gotch can point at, even that of a scalar.
func dims(shape []int64) []int64 {
	if len(shape) == 0 {
		return []int64{0}
	}
	return shape
}

func withScalar(value float64, f func(lib.Cscalar)) {
	c := lib.AtsFloat(value)
	defer lib.AtsFree(c)
	f(c)
}

// NewInt64 returns a tensor with a copy of data on t's device and in t's scope.
func (t *Tensor) NewInt64(data []int64, shape ...int64) *Tensor {
	return innermostScope(t).FromInt64(data, shape...).ToDevice(t.Device())
}

// NewFloat32 returns a tensor with a copy of data on t's device and in t's scope.
func (t *Tensor) NewFloat32(data []float32, shape ...int64) *Tensor {
	return innermostScope(t).FromFloat32(data, shape...).ToDevice(t.Device())
}
