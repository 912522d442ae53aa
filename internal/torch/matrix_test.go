package torch_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"rdrec/internal/torch"
)

// TestMatrixProducts compares a matrix's products with libtorch's. A row's product is the same, bit
// for bit, for any other rows and any number of threads.
func TestMatrixProducts(t *testing.T) {
	before := torch.Live()
	err := torch.Run(func(s *torch.Scope) error {
		for _, size := range [][2]int64{{5, 3}, {48, 16}, {100, 64}, {1537, 96}} {
			out, in := size[0], size[1]
			torch.Seeded(out, func() {
				weight := torch.Keep(s.Zeros(torch.Float32, torch.CPU, out, in).Normal(0, 1))
				x := s.Zeros(torch.Float32, torch.CPU, 37, in).Normal(0, 1)
				h := s.Zeros(torch.Float32, torch.CPU, 37, out).Normal(0, 1)
				want, sum := x.Linear(weight), h.Add(x.Linear(weight))
				m := torch.NewMatrix(s, weight)
				defer m.Free()
				got, many, added := m.Few(x), m.Many(x), m.AddFew(h, x)
				near := cmpopts.EquateApprox(1e-5, 1e-4)
				pairs := map[string][2]*torch.Tensor{"few": {want, got}, "many": {want, many}, "sum": {sum, added}}
				for name, pair := range pairs {
					if diff := cmp.Diff(pair[0].Float32s(), pair[1].Float32s(), near); diff != "" {
						t.Errorf("%s, %v: %s", name, size, diff)
					}
				}
				if !torch.SupportsPacking() {
					return
				}
				for rows := int64(1); rows <= 37; rows++ {
					few := m.Few(x.Narrow(0, 0, rows)).Float32s()
					if diff := cmp.Diff(got.Narrow(0, 0, rows).Float32s(), few); diff != "" {
						t.Fatalf("%d of 37 rows: %s", rows, diff)
					}
				}
			})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if now := torch.Live(); now != before {
		t.Errorf("%d tensors live, %d before", now, before)
	}
}
