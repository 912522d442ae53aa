package sasrec_test

import (
	"errors"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/dataset"
	"rdrec/internal/sasrec"
	"rdrec/internal/torch"
)

// withLast returns a small point with the loss on prefixes, and with a filter of a weight.
func withLast(alpha float64) sasrec.Settings {
	s := small()
	s.Loss, s.Alpha = sasrec.LossLast, alpha
	if alpha > 0 {
		s.Cutoff = 3
	}
	return s
}

// TestPrefixesByHand: one example for each position of the training items but the first.
func TestPrefixesByHand(t *testing.T) {
	d := &dataset.Dataset{Items: 9, Users: []dataset.User{
		{ID: 1, Items: []int{1, 2, 3}}, {ID: 2, Items: []int{4, 5, 6, 7, 8}}, {ID: 3, Items: []int{1, 2, 3, 4}},
	}}
	want := [][2][]int{{{4}, {5}}, {{4, 5}, {6}}, {{1}, {2}}}
	if diff := cmp.Diff(want, sasrec.TrainingExamples(d, sasrec.LossLast)); diff != "" {
		t.Errorf("examples (-want +got):\n%s", diff)
	}
	b := sasrec.NewBatch([][]int{{4, 5, 6}, {7}}, [][]int{{8}, {9}}, 2)
	wantBatch := sasrec.Batch{Inputs: []int64{5, 6, 7, 0}, Width: 2, Positions: []int64{1, 2}, Labels: []int64{7, 8}}
	if diff := cmp.Diff(wantBatch, b); diff != "" {
		t.Errorf("batch (-want +got):\n%s", diff)
	}
}

// TestLowPassByHand has four positions: with one frequency the filter is the mean, with all three
// nothing is lost, and with two the distance of 2 counts negatively.
func TestLowPassByHand(t *testing.T) {
	for cutoff, row := range map[int][]float32{
		1: {0.25, 0.25, 0.25, 0.25}, 2: {0.75, 0.25, -0.25, 0.25}, 3: {1, 0, 0, 0},
	} {
		got := sasrec.LowPass(4, cutoff, 4)
		for to := range 4 {
			for from := range 4 {
				want := row[(to-from+4)%4]
				if math.Abs(float64(got[to*4+from]-want)) > 1e-6 {
					t.Errorf("cutoff %d: filter[%d][%d] = %g, want %g", cutoff, to, from, got[to*4+from], want)
				}
			}
		}
	}
	if got := sasrec.LowPass(4, 2, 2); len(got) != 4 || math.Abs(float64(got[1]-0.25)) > 1e-6 {
		t.Errorf("the first two positions: %v", got)
	}
}

// TestPaddingChangesNothing: the state at the last item is the same with and without padding behind
// it, and another history's.
func TestPaddingChangesNothing(t *testing.T) {
	for name, settings := range map[string]sasrec.Settings{"SASRec": withLast(0), "BSARec": withLast(0.7)} {
		m, err := sasrec.New(settings, 9, 1, torch.CPU)
		if err != nil {
			t.Fatal(err)
		}
		alone, err := m.Encode([]int64{4, 5}, 2, 0, 1)
		if err != nil {
			t.Fatal(err)
		}
		padded, err := m.Encode([]int64{4, 5, 0, 6, 7, 8}, 3, 0, 1)
		if err != nil {
			t.Fatal(err)
		}
		longer, err := m.Encode([]int64{3, 4, 5}, 3, 0, 1)
		if err != nil {
			t.Fatal(err)
		}
		dim, moved := settings.HiddenSize, 0.0
		for i := range dim {
			if math.Abs(float64(alone[dim+i]-padded[dim+i])) > 1e-5 {
				t.Fatalf("%s: padding changes entry %d from %g to %g", name, i, alone[dim+i], padded[dim+i])
			}
			moved += math.Abs(float64(alone[dim+i] - longer[2*dim+i]))
		}
		if moved < 1e-3 {
			t.Errorf("%s: an earlier item changes nothing", name)
		}
		m.Free()
	}
}

// TestPrefixModelsPredictSuccessors trains both models on prefixes.
func TestPrefixModelsPredictSuccessors(t *testing.T) {
	before := torch.Live()
	for name, settings := range map[string]sasrec.Settings{"SASRec": withLast(0), "BSARec": withLast(0.5)} {
		settings.Batch = 64
		job := sasrec.Job{Data: chains(200), Grid: []sasrec.Settings{settings}, Seeds: []int64{1}}
		_, lists := trainJob(t, job)
		if got := ndcg(lists[1]); got < 0.95 {
			t.Errorf("%s: NDCG@10 %.3f on chains in which each item determines its successor", name, got)
		}
	}
	if after := torch.Live(); after != before {
		t.Errorf("%d tensors were left behind", after-before)
	}
}

func TestFilterSettings(t *testing.T) {
	for name, change := range map[string]func(*sasrec.Settings){
		"a filter needs prefixes": func(s *sasrec.Settings) { s.Loss = sasrec.LossAll },
		"no frequency":            func(s *sasrec.Settings) { s.Cutoff = 0 },
		"too many frequencies":    func(s *sasrec.Settings) { s.Cutoff = 12 }, // of 20 positions
		"alpha above 1":           func(s *sasrec.Settings) { s.Alpha = 1.1 },
		"alpha below 0":           func(s *sasrec.Settings) { s.Alpha = -0.1 },
		"another loss":            func(s *sasrec.Settings) { s.Loss = "first" },
	} {
		s := withLast(0.5)
		change(&s)
		if _, err := sasrec.New(s, 5, 1, torch.CPU); !errors.Is(err, sasrec.ErrSettings) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
