package torch_test

import (
	"fmt"
	"math"
	"testing"

	"rdrec/internal/torch"
)

// TestLinearMatchesMatMul compares a layer and its gradient, for shapes of each algorithm, with
// libtorch's matrix product.
func TestLinearMatchesMatMul(t *testing.T) {
	for _, c := range []struct{ rows, in, out int64 }{
		{7, 32, 48},
		{64, 32, 48},
		{100, 32, 48},
		{1023, 16, 24},
		{1024, 16, 24},
		{1027, 16, 24},
		{1037, 16, 24},
		{1480, 32, 16},
		{64, 16, 2048},
		{65, 16, 4096},
		{250, 16, 8200},
		{3 * 401, 16, 24},
	} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			err := torch.Run(func(s *torch.Scope) error {
				var x, w, by *torch.Tensor
				torch.Seeded(1, func() {
					x = s.Empty(torch.Float32, torch.CPU, c.rows, c.in).Uniform(-1, 1).Leaf()
					w = s.Empty(torch.Float32, torch.CPU, c.out, c.in).Uniform(-1, 1).Leaf()
					by = s.Empty(torch.Float32, torch.CPU, c.rows, c.out).Uniform(-1, 1)
				})
				layer, product := x.Linear(w), x.MatMul(w.Transpose(0, 1))
				near(t, "value", layer, product)
				got, want := layer.Mul(by).Sum().Gradients(x, w), product.Mul(by).Sum().Gradients(x, w)
				near(t, "gradient by x", got[0], want[0])
				near(t, "gradient by w", got[1], want[1])
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}

func near(t *testing.T, what string, got, want *torch.Tensor) {
	t.Helper()
	if fmt.Sprint(got.Shape()) != fmt.Sprint(want.Shape()) {
		t.Fatalf("%s: shape %v, want %v", what, got.Shape(), want.Shape())
	}
	a, b := got.Float32s(), want.Float32s()
	worst, largest := 0.0, 0.0
	for i := range a {
		worst, largest = max(worst, math.Abs(float64(a[i]-b[i]))), max(largest, math.Abs(float64(b[i])))
	}
	if !(worst < 1e-5*largest) {
		t.Errorf("%s: off by %v of %v", what, worst, largest)
	}
}
