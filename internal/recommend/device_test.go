package recommend_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"rdrec/internal/recommend"
	"rdrec/internal/spec"
	"rdrec/internal/t5"
	"rdrec/internal/task"
	"rdrec/internal/token"
	"rdrec/internal/torch"
)

// rankable is a batch of real rows, a catalogue of all the data's items, and each row's candidates;
// the student is on a GPU where there is one.
func rankable(t testing.TB, rows int) (recommend.Job, task.Batch, *recommend.Catalogue, [][]int) {
	t.Helper()
	job := script{}.job(t, spec.Clean)
	device, err := torch.Pick("auto")
	if err != nil {
		t.Fatal(err)
	}
	job.Model = tinyOn(t, device)
	corpus, err := task.New(job.Data, job.Settings)
	if err != nil {
		t.Fatal(err)
	}
	list, err := corpus.Test(task.KindTopN, 1)
	if err != nil {
		t.Fatal(err)
	}
	list = list.Spread(rows)
	spellings := map[int][]int32{}
	for item := range job.Data.Items {
		ids := job.Tokenizer.Encode(strconv.Itoa(item + 1))
		spellings[item+1] = ids[:len(ids)-1]
	}
	catalogue, err := recommend.NewCatalogue(spellings, token.End)
	if err != nil {
		t.Fatal(err)
	}
	encoder, err := task.NewEncoder(job.Tokenizer, job.Settings, 20)
	if err != nil {
		t.Fatal(err)
	}
	var candidates [][]int
	for _, example := range list.Examples {
		candidates = append(candidates, example.Items)
	}
	return job, encoder.Encode(list.Examples), catalogue, candidates
}

// TestDeviceFindsWhatTheHostFinds walks on both: the same items in the same order, with the same scores.
func TestDeviceFindsWhatTheHostFinds(t *testing.T) {
	job, batch, catalogue, candidates := rankable(t, 6)
	random := rand.New(rand.NewPCG(1, 2))
	only := func(row, count int) recommend.Constraint {
		trie, err := catalogue.Only(candidates[row][:count])
		if err != nil {
			t.Fatal(err)
		}
		return trie.Except(candidates[row][:count/10])
	}
	for name, constrain := range map[string]func(row int) recommend.Constraint{
		"the whole catalogue": func(int) recommend.Constraint { return catalogue.Except(nil) },
		"without what was seen": func(int) recommend.Constraint {
			seen := make([]int, 1+random.IntN(catalogue.Items()))
			for i := range seen {
				seen[i] = 1 + random.IntN(catalogue.Items())
			}
			return catalogue.Except(seen)
		},
		"a hundred candidates": func(row int) recommend.Constraint { return only(row, 100) },
		"fewer than wanted":    func(row int) recommend.Constraint { return only(row, 3+row) },
		"both": func(row int) recommend.Constraint {
			if row%2 == 0 {
				return only(row, 100)
			}
			return catalogue.Except(candidates[row])
		},
	} {
		for _, beams := range []int{1, 20} {
			walk := recommend.Walk{Beams: beams, Want: 10, MaskCross: true}
			for row := range batch.Size {
				walk.Constraints = append(walk.Constraints, constrain(row))
			}
			want, got := bothWays(t, job.Model, batch, catalogue, walk)
			compareFound(t, fmt.Sprintf("%s, %d beams", name, beams), want, got)
		}
	}
}

// bothWays searches on the host and on the device.
func bothWays(t *testing.T, m *t5.Model, b task.Batch, catalogue *recommend.Catalogue, walk recommend.Walk) (host, device [][]recommend.Found) {
	t.Helper()
	before := torch.Live()
	host, err := recommend.SearchItemsOnHost(t.Context(), m, b, catalogue, walk)
	if err != nil {
		t.Fatal(err)
	}
	if device, err = recommend.SearchItemsOnDevice(t.Context(), m, b, catalogue, walk); err != nil {
		t.Fatal(err)
	}
	if left := torch.Live() - before; left != 0 {
		t.Errorf("%d tensors left", left)
	}
	return host, device
}

func compareFound(t *testing.T, name string, want, got [][]recommend.Found) {
	t.Helper()
	for row := range want {
		if len(want[row]) != len(got[row]) {
			t.Fatalf("%s, row %d: %d items, want %d", name, row, len(got[row]), len(want[row]))
		}
		for i, w := range want[row] {
			if g := got[row][i]; g.Item != w.Item || !(math.Abs(g.Score-w.Score) < 1e-5) {
				t.Errorf("%s, row %d: %v in place %d, want %v", name, row, g, i, w)
			}
		}
	}
}

// TestDeviceBreaksTiesByTheTokens lets a student of zeros, to whom all tokens are alike, choose.
func TestDeviceBreaksTiesByTheTokens(t *testing.T) {
	job, batch, catalogue, _ := rankable(t, 3)
	if err := torch.Run(func(s *torch.Scope) error {
		s.Use(job.Model.Flat()).Fill(0)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	walk := recommend.Walk{Beams: 20, Want: 10, MaskCross: true}
	for row := range batch.Size {
		walk.Constraints = append(walk.Constraints, catalogue.Except([]int{2, 5 + row}))
	}
	want, got := bothWays(t, job.Model, batch, catalogue, walk)
	if diff := gocmp.Diff(want, got); diff != "" || len(got[0]) != 10 {
		t.Error(diff)
	}
}

// BenchmarkWalk searches for 32 users on the host and on the device.
func BenchmarkWalk(b *testing.B) {
	job, batch, catalogue, _ := rankable(b, 32)
	for _, size := range spec.Sizes() {
		if size.Name != "t5-mini" {
			continue
		}
		model, err := t5.New(t5.FromSize(size, 3), 1, torch.CPU)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(model.Free)
		job.Model = model
	}
	walk := recommend.Walk{Beams: 20, Want: 10, MaskCross: true}
	for row := range batch.Size {
		walk.Constraints = append(walk.Constraints, catalogue.Except([]int{1 + row}))
	}
	for name, search := range map[string]func() error{
		"host": func() error {
			_, err := recommend.SearchItemsOnHost(b.Context(), job.Model, batch, catalogue, walk)
			return err
		},
		"device": func() error {
			_, err := recommend.SearchItemsOnDevice(b.Context(), job.Model, batch, catalogue, walk)
			return err
		},
	} {
		b.Run(name, func(b *testing.B) {
			before := cpuSeconds(b)
			for b.Loop() {
				if err := search(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(1e3*(cpuSeconds(b)-before)/float64(b.N), "cpu-ms")
		})
	}
}
