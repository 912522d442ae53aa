package torch

// #cgo CFLAGS: -O3
// #include "packed.h"
import "C"

import (
	"runtime"
	"sync"
)

// Matrix is a layer's weight [out, in] in the fastest form for products: on a CPU with 512-bit
// vectors, in float32, packed for this package's kernel. MKL packs a weight for each product, which
// for some dozen rows costs half as much as the product, and on AMD's processors it uses 256-bit
// vectors only. Each row of a product is independent of the other rows.
type Matrix struct {
	plain, packed *Tensor // one of them
	shared        bool    // plain belongs to the caller
	out, in       int64
}

// NewMatrix returns a matrix that owns a kept weight: [Matrix.Free] frees it.
func NewMatrix(s *Scope, weight *Tensor) *Matrix {
	m := ShareMatrix(s, weight)
	if m.shared = false; m.plain == nil {
		weight.Free()
	}
	return m
}

// ShareMatrix returns a matrix of a kept weight that the caller still owns and frees after the
// matrix.
func ShareMatrix(s *Scope, weight *Tensor) *Matrix {
	m := &Matrix{plain: weight, shared: true, out: weight.Dim(0), in: weight.Dim(1)}
	if weight.Device() != CPU || weight.DType() != Float32 || !SupportsPacking() {
		return m
	}
	packed := s.Zeros(Float32, CPU, m.panels(), m.in, C.TORCH_PANEL)
	C.torch_pack((*C.float)(weight.Address()), C.int64_t(m.out), C.int64_t(m.in), (*C.float)(packed.Address()))
	m.packed, m.plain = Keep(packed), nil
	return m
}

func (m *Matrix) panels() int64 { return (m.out + C.TORCH_PANEL - 1) / C.TORCH_PANEL }

// SupportsPacking reports whether this processor has the 512-bit vectors that packed weights need.
func SupportsPacking() bool { return C.torch_packs() != 0 }

// Free frees the weight.
func (m *Matrix) Free() {
	if m.packed != nil {
		m.packed.Free()
	} else if !m.shared {
		m.plain.Free()
	}
}

// Few returns x [rows, in] times the transpose of the weight, and Many the same for many rows; see
// [Tensor.LinearFew].
func (m *Matrix) Few(x *Tensor) *Tensor {
	if m.packed == nil {
		return x.LinearFew(m.plain)
	}
	return m.product(nil, x)
}

// Many returns the product for many rows; see [Matrix.Few].
func (m *Matrix) Many(x *Tensor) *Tensor {
	if m.packed == nil {
		return x.LinearMany(m.plain)
	}
	return m.product(nil, x)
}

// AddFew returns t plus the product of few rows.
func (m *Matrix) AddFew(t, x *Tensor) *Tensor {
	if m.packed == nil {
		return t.AddLinear(x, m.plain)
	}
	return m.product(t, x)
}

// minWorkPerThread is the number of multiplications that repay another thread.
const minWorkPerThread = 1 << 20

// product returns x times the transpose of the weight, plus t unless it is nil.
func (m *Matrix) product(t, x *Tensor) *Tensor {
	s := innermostScope(t, x)
	x = x.Contiguous()
	rows := x.Dim(0)
	y := s.Empty(Float32, CPU, rows, m.out)
	add := (*C.float)(nil)
	if t != nil {
		add = (*C.float)(t.Contiguous().Address())
	}
	from, packed, to := (*C.float)(x.Address()), (*C.float)(m.packed.Address()), (*C.float)(y.Address())
	part := func(first, last int64) {
		C.torch_packed_linear(
			from, C.int64_t(rows), C.int64_t(m.in), packed, C.int64_t(m.out),
			C.int64_t(first), C.int64_t(last), add, to,
		)
	}
	panels := m.panels()
	threadCount := min(workers(), panels, max(rows*m.in*m.out/minWorkPerThread, 1))
	var threads sync.WaitGroup
	for perThread := int64(1); perThread < threadCount; perThread++ {
		threads.Go(func() { part(panels*perThread/threadCount, panels*(perThread+1)/threadCount) })
	}
	part(0, panels/threadCount)
	threads.Wait()
	return y
}

// workers returns the maximum number of threads of one operation.
func workers() int64 {
	if n := threads.Load(); n > 0 {
		return n
	}
	return int64(runtime.NumCPU())
}
