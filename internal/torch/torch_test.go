package torch_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/torch"
)

func TestRunFreesScopedTensors(t *testing.T) {
	before := torch.Live()
	var kept *torch.Tensor
	err := torch.Run(func(s *torch.Scope) error {
		x := s.FromFloat32([]float32{1, 2, 3, 4}, 2, 2)
		y := torch.Within(x, func(x *torch.Tensor) *torch.Tensor { return x.MatMul(x).AddNumber(1) })
		if diff := cmp.Diff([]float32{8, 11, 16, 23}, y.Float32s()); diff != "" {
			t.Error(diff)
		}
		if made := torch.Live() - before; made != 2 {
			t.Errorf("%d tensors live, want x and the result of Within", made)
		}
		kept = torch.Keep(y.Sum())
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if live := torch.Live() - before; live != 1 || kept.Float() != 58 {
		t.Errorf("%d tensors live, want the kept one", live)
	}
	kept.Free()
	kept.Free()
	if live := torch.Live() - before; live != 0 {
		t.Errorf("%d tensors live after Free", live)
	}
}

func TestRunReturnsErrors(t *testing.T) {
	before := torch.Live()
	err := torch.Run(func(s *torch.Scope) error {
		s.Zeros(torch.Float32, torch.CPU, 2, 3).MatMul(s.Zeros(torch.Float32, torch.CPU, 2, 3))
		return nil
	})
	var raised *torch.Error
	if !errors.As(err, &raised) || raised.Op != "matmul" {
		t.Errorf("got %v, want an error of matmul", err)
	}
	err = torch.Run(func(s *torch.Scope) error {
		s.Empty(torch.Float32, torch.CPU, 1<<40)
		return nil
	})
	if !errors.Is(err, torch.ErrOutOfMemory) {
		t.Errorf("got %v, want out of memory", err)
	}
	if live := torch.Live() - before; live != 0 {
		t.Errorf("%d tensors live after errors", live)
	}
}

func TestGradient(t *testing.T) {
	err := torch.Run(func(s *torch.Scope) error {
		leaf := s.FromFloat32([]float32{1, 2, 3}, 3).Leaf()
		parts := leaf.Split(0, 1, 2)
		loss := parts[0].MulNumber(5).Sum().Add(parts[1].Square().Sum())
		if diff := cmp.Diff([]float32{5, 4, 6}, loss.Gradient(leaf).Float32s()); diff != "" {
			t.Error(diff)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestSeededIsDeterministic(t *testing.T) {
	sample := func(seed int64) (values []float32) {
		if err := torch.Run(func(s *torch.Scope) error {
			torch.Seeded(seed, func() { values = s.Zeros(torch.Float32, torch.CPU, 8).Normal(0, 1).Float32s() })
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return values
	}
	if diff := cmp.Diff(sample(7), sample(7)); diff != "" {
		t.Error(diff)
	}
	if cmp.Equal(sample(7), sample(8)) {
		t.Error("seeds 7 and 8 give the same samples")
	}
}

func TestParseDevice(t *testing.T) {
	for _, name := range []string{"", "cpu"} {
		if device, err := torch.ParseDevice(name); err != nil || device != torch.CPU {
			t.Errorf("%q: %v, %v", name, device, err)
		}
	}
	device, err := torch.ParseDevice("auto") // a GPU if there is one
	if err != nil {
		t.Error(err)
	}
	if _, err := torch.ParseDevice("cuda"); (err == nil) != (device != torch.CPU) {
		t.Errorf("auto selects %v, but cuda returns %v", device, err)
	} else {
		t.Log(device, err)
	}
	for _, name := range []string{"tpu", "cuda:", "cuda:x", "cuda:-1", "cuda:127", "cuda:128"} {
		if _, err := torch.ParseDevice(name); err == nil {
			t.Errorf("%q was accepted", name)
		}
	}
}
