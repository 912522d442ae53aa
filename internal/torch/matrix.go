package torch

// #cgo CFLAGS: -O3
// #include "packed.h"
import "C"

import (
	"runtime"
	"sync"
)

// Matrix is a layer's weight [out, in] as products with it are quickest: on a CPU with 512-bit
// vectors, in float32, packed for a kernel of our own. MKL packs a weight anew for each product,
// which for some dozen rows costs half as much as the product, and on AMD's processors it keeps to
// 256 bits. Each row of a product is the same whatever stands beside it.
type Matrix struct {
	plain, packed *Tensor // one of them
	shared        bool    // plain is somebody else's
	out, in       int64
}

// NewMatrix takes a kept weight over: [Matrix.Free] frees it.
func NewMatrix(s *Scope, weight *Tensor) *Matrix {
	m := ShareMatrix(s, weight)
	if m.shared = false; m.plain == nil {
		weight.Free()
	}
	return m
}

// ShareMatrix is a matrix of a kept weight that stays its owner's, who frees it after the matrix.
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

// SupportsPacking says whether this processor has the vectors that packed weights are for.
func SupportsPacking() bool { return C.torch_packs() != 0 }

// Free frees the weight.
func (m *Matrix) Free() {
	if m.packed != nil {
		m.packed.Free()
	} else if !m.shared {
		m.plain.Free()
	}
}

// Few is x [rows, in] times the transpose of the weight, and Many the same for many rows, see
// [Tensor.LinearFew].
func (m *Matrix) Few(x *Tensor) *Tensor {
	if m.packed == nil {
		return x.LinearFew(m.plain)
	}
	return m.product(nil, x)
}

// Many is the product for many rows, see [Matrix.Few].
func (m *Matrix) Many(x *Tensor) *Tensor {
	if m.packed == nil {
		return x.LinearMany(m.plain)
	}
	return m.product(nil, x)
}

// AddFew is t plus the product of few rows.
func (m *Matrix) AddFew(t, x *Tensor) *Tensor {
	if m.packed == nil {
		return t.AddLinear(x, m.plain)
	}
	return m.product(t, x)
}

// minWorkPerThread is how many multiplications are worth another thread.
const minWorkPerThread = 1 << 20

// product is t, if any, plus x times the transpose of the weight.
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
			from, C.int64_t(rows), C.int64_t(m.in), packed, C.int64_t(m.out), C.int64_t(first), C.int64_t(last), add, to,
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

// workers is how many threads one operation may use.
func workers() int64 {
	if n := threads.Load(); n > 0 {
		return n
	}
	return int64(runtime.NumCPU())
}
