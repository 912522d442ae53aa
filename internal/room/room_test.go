package room_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/room"
	"rdrec/internal/spec"
)

func size(t *testing.T, name string) spec.Size {
	t.Helper()
	s, err := spec.SizeNamed(name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestParameters compares with Hugging Face's models: t5-small has 60,506,624 parameters, t5-base
// 222,903,552; the whole-word table adds 512 rows.
func TestParameters(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]int64{
		"t5-small": 60_506_624 + 512*512, "t5-base": 222_903_552 + 512*768,
	} {
		if got := room.Parameters(size(t, name), false); got != want {
			t.Errorf("%s: %d parameters, want %d", name, got, want)
		}
	}
}

// TestTraining compares the needs of t5-small: 60,768,768 parameters of 16, 12 and 4 bytes.
func TestTraining(t *testing.T) {
	t.Parallel()
	s := spec.Default()
	s.Student.Size, s.Train.MicroBatch, s.Train.KeepCheckpoints = "t5-small", 1, 2
	var least, expected []int64
	for _, need := range room.Training(s.Student, s.Train) {
		least, expected = append(least, need.Least), append(expected, need.Expected)
	}
	const n = 60_768_768
	if diff := cmp.Diff([]int64{16 * n, 16 * n, 16 * n}, least); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]int64{28 * n, 40 * n}, expected[1:]); diff != "" {
		t.Error(diff)
	}
	if activations := expected[0] - 16*n; activations < 10<<20 || activations > 200<<20 {
		t.Errorf("one row takes %d bytes", activations)
	}
}

// TestTooSmallMachines refuses what can never fit, with the numbers and what would fit.
func TestTooSmallMachines(t *testing.T) {
	t.Parallel()
	s := spec.Default()
	for _, test := range []struct {
		size string
		has  int64
		want string
	}{
		{
			"t5-3b", 24 << 30,
			"training t5-3b needs 42.5 GiB of memory, has 24.0 GiB: student.size=t5-large would fit (11.0 GiB)",
		},
		{"t5-large", 24 << 30, ""},
		{"t5-3b", 0, ""},
		{"t5-tiny", 1 << 20, "needs 34 MiB of memory, has 1 MiB: no size would fit"},
	} {
		s.Student.Size = test.size
		err := room.CheckMemory(s.Student, s.Train, test.has)
		if (err != nil) != (test.want != "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s with %d bytes: %v", test.size, test.has, err)
		}
		if err != nil && !errors.Is(err, room.ErrTooSmall) {
			t.Error(err)
		}
	}
	s.Student.Size = "t5-small"
	if err := room.CheckDisk(s.Student, s.Train, 500<<20); err == nil ||
		!strings.Contains(err.Error(), "needs 927 MiB of scratch disk, has 500 MiB") {
		t.Error(err)
	}
}

// TestActivations computes two layers by hand: for the encoder 13 tokens of 6*2 + 5*21 + 3*5 values
// and 2*7 attentions of 13 by 13, for the decoder 4 of 9*2 + 9*21 + 3*5 and 2*7 of 4 by 13 + 4, and
// three values for each of 17 words.
func TestActivations(t *testing.T) {
	t.Parallel()
	size := spec.Size{Model: 2, Head: 3, FeedForward: 5, Heads: 7, Layers: 2}
	got := room.Activations(size, room.Batch{Rows: 11, Source: 13, Target: 4, Vocabulary: 17})
	if want := int64(4 * 11 * (2*(13*132+14*169+4*222+14*68) + 3*4*17)); got != want {
		t.Errorf("%d bytes, want %d", got, want)
	}
}
