package dataset_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/dataset"
)

func TestSampleEvenly(t *testing.T) {
	for _, c := range []struct {
		total, n int
		want     []int
	}{
		{0, 3, []int{}},
		{3, 0, []int{0, 1, 2}},
		{3, 9, []int{0, 1, 2}},
		{10, 4, []int{0, 2, 5, 7}},
	} {
		if diff := cmp.Diff(c.want, dataset.SampleEvenly(c.total, c.n)); diff != "" {
			t.Errorf("%d of %d: %s", c.n, c.total, diff)
		}
	}
}
