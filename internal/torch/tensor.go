package torch

import (
	"unsafe"

	lib "github.com/sugarme/gotch/libtch"
)

// DType is a tensor's element type. The numbers are libtorch's.
type DType int32

// The element types in use.
const (
	Uint8    DType = 0
	Int8     DType = 1
	Int32    DType = 3
	Int64    DType = 4
	Float16  DType = 5
	Float32  DType = 6
	Float64  DType = 7
	Bool     DType = 11
	BFloat16 DType = 15
)

// Size returns the bytes of an element.
func (d DType) Size() int {
	switch d {
	case Uint8, Int8, Bool:
		return 1
	case Float16, BFloat16:
		return 2
	case Int32, Float32:
		return 4
	default:
		return 8
	}
}

// Tensor is a libtorch tensor and the scope that frees it. A tensor without a scope was kept: its
// owner frees it.
type Tensor struct {
	c        lib.Ctensor
	scope    *Scope
	borrowed bool // the C tensor belongs to another handle
}

func (t *Tensor) handle() lib.Ctensor {
	if t.c == nil {
		misuse("use of a freed tensor")
	}
	return t.c
}

// optional returns the C tensor of an operand that may be nil.
func optional(t *Tensor) lib.Ctensor {
	if t == nil {
		return nil
	}
	return t.handle()
}

func (t *Tensor) release() {
	if t.c == nil {
		return
	}
	if !t.borrowed {
		lib.AtFree(t.c)
		live.Add(-1)
	}
	t.c = nil
}

// Free frees t now rather than when its scope closes. A second Free does nothing.
func (t *Tensor) Free() { t.release() }

// Shape returns the size of each dimension.
func (t *Tensor) Shape() []int64 {
	n := int(lib.AtDim(t.handle()))
	if n == 0 {
		return nil
	}
	shape := make([]int64, n)
	lib.AtShape(t.c, unsafe.Pointer(&shape[0]))
	check("shape")
	return shape
}

// Dim returns the size of dimension i; a negative i counts from the last.
func (t *Tensor) Dim(i int) int64 {
	shape := t.Shape()
	if i < 0 {
		i += len(shape)
	}
	return shape[i]
}

// Numel returns the number of elements.
func (t *Tensor) Numel() int {
	n := 1
	for _, size := range t.Shape() {
		n *= int(size)
	}
	return n
}

// DType returns the element type.
func (t *Tensor) DType() DType { return DType(lib.AtScalarType(t.handle())) }

// Device returns t's device. Only the low 32 bits of gotch's result are set.
func (t *Tensor) Device() Device { return Device(int32(lib.AtDevice(t.handle()))) } //nolint:gosec // see above

// Float32s returns t's elements, copied to the host.
func (t *Tensor) Float32s() []float32 { return values[float32](t, Float32) }

// Int64s returns t's elements, copied to the host.
func (t *Tensor) Int64s() []int64 { return values[int64](t, Int64) }

// Float returns the single element of t.
func (t *Tensor) Float() float64 {
	return values[float64](t, Float64)[0]
}

// Bytes returns the little-endian bytes of t's elements, copied to the host.
func (t *Tensor) Bytes() []byte {
	numel, size := t.Numel(), t.DType().Size()
	data := make([]byte, numel*size)
	if numel > 0 {
		reads.Add(1)
		lib.AtCopyData(t.handle(), unsafe.Pointer(&data[0]), uint(numel), uint(size))
		check("copy to host")
	}
	return data
}

func values[T float32 | float64 | int64](t *Tensor, dtype DType) []T {
	if t.DType() != dtype {
		inner := NewScope()
		defer inner.Close()
		t = inner.Use(t).To(dtype)
	}
	data := make([]T, t.Numel())
	if len(data) > 0 {
		reads.Add(1)
		lib.AtCopyData(t.handle(), unsafe.Pointer(&data[0]), uint(len(data)), uint(dtype.Size()))
		check("copy to host")
	}
	return data
}
