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
	"rdrec/internal/t5/modeltest"
	"rdrec/internal/task"
	"rdrec/internal/token"
	"rdrec/internal/torch"
)

// itemBatch is a batch of real rows, a catalogue of all the data's items, and each row's
// candidates; the student is on a GPU where there is one.
func itemBatch(t testing.TB, rows int) (recommend.Job, task.Batch, *recommend.Catalog, [][]int) {
	t.Helper()
	job := script{}.job(t, spec.Clean)
	device, err := torch.ParseDevice("auto")
	if err != nil {
		t.Fatal(err)
	}
	job.Model = modeltest.TinyOn(t, device)
	corpus, err := task.New(job.Data, job.Settings)
	if err != nil {
		t.Fatal(err)
	}
	list, err := corpus.Test(task.TopN, 1)
	if err != nil {
		t.Fatal(err)
	}
	list = list.SampleEvenly(rows)
	encodings := map[int][]int32{}
	for item := range job.Data.Items {
		ids := job.Tokenizer.Encode(strconv.Itoa(item + 1))
		encodings[item+1] = ids[:len(ids)-1]
	}
	catalog, err := recommend.NewCatalog(encodings, token.End)
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
	return job, encoder.Encode(list.Examples), catalog, candidates
}

// TestDeviceMatchesCPU walks on both: the same items in the same order, with the same scores.
func TestDeviceMatchesCPU(t *testing.T) {
	job, batch, catalog, candidates := itemBatch(t, 6)
	random := rand.New(rand.NewPCG(1, 2))
	only := func(row, count int) recommend.Constraint {
		trie, err := catalog.Only(candidates[row][:count])
		if err != nil {
			t.Fatal(err)
		}
		return trie.Except(candidates[row][:count/10])
	}
	for name, constrain := range map[string]func(row int) recommend.Constraint{
		"the whole catalogue": func(int) recommend.Constraint { return catalog.Except(nil) },
		"without what was seen": func(int) recommend.Constraint {
			seen := make([]int, 1+random.IntN(catalog.Items()))
			for i := range seen {
				seen[i] = 1 + random.IntN(catalog.Items())
			}
			return catalog.Except(seen)
		},
		"a hundred candidates": func(row int) recommend.Constraint { return only(row, 100) },
		"fewer than wanted":    func(row int) recommend.Constraint { return only(row, 3+row) },
		"both": func(row int) recommend.Constraint {
			if row%2 == 0 {
				return only(row, 100)
			}
			return catalog.Except(candidates[row])
		},
	} {
		for _, beams := range []int{1, 20} {
			search := recommend.ItemSearch{NumBeams: beams, NumItems: 10, MaskCross: true}
			for row := range batch.Size {
				search.Constraints = append(search.Constraints, constrain(row))
			}
			want, got := searchOnBoth(t, job.Model, batch, catalog, search)
			compareFound(t, fmt.Sprintf("%s, %d beams", name, beams), want, got)
		}
	}
}

// searchOnBoth searches on the host and on the device.
func searchOnBoth(
	t *testing.T, m *t5.Model, b task.Batch, catalog *recommend.Catalog, search recommend.ItemSearch,
) (host, device [][]recommend.Found) {
	t.Helper()
	before := torch.Live()
	host, err := recommend.SearchItemsOnHost(t.Context(), m, b, catalog, search)
	if err != nil {
		t.Fatal(err)
	}
	if device, err = recommend.SearchItemsOnDevice(t.Context(), m, b, catalog, search); err != nil {
		t.Fatal(err)
	}
	catalog.Free()
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

// TestDeviceBreaksTiesByToken lets a student of zeros, to whom all tokens are alike, choose.
func TestDeviceBreaksTiesByToken(t *testing.T) {
	job, batch, catalog, _ := itemBatch(t, 3)
	if err := torch.Run(func(s *torch.Scope) error {
		s.Use(job.Model.Flat()).Fill(0)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	search := recommend.ItemSearch{NumBeams: 20, NumItems: 10, MaskCross: true}
	for row := range batch.Size {
		search.Constraints = append(search.Constraints, catalog.Except([]int{2, 5 + row}))
	}
	want, got := searchOnBoth(t, job.Model, batch, catalog, search)
	if diff := gocmp.Diff(want, got); diff != "" || len(got[0]) != 10 {
		t.Error(diff)
	}
}

// TestDeviceSearchCopiesOnce checks that a batch after the first copies its rows, their padding and
// their constraints to the device once each, and only its items back. The catalog is there already.
func TestDeviceSearchCopiesOnce(t *testing.T) {
	job, batch, catalog, candidates := itemBatch(t, 6)
	defer catalog.Free()
	search := recommend.ItemSearch{NumBeams: 20, NumItems: 10, MaskCross: true}
	for row := range batch.Size {
		search.Constraints = append(search.Constraints, catalog.Except(candidates[row]))
	}
	for turn := range 2 {
		uploads, reads := torch.Uploads(), torch.Reads()
		if _, err := recommend.SearchItemsOnDevice(t.Context(), job.Model, batch, catalog, search); err != nil {
			t.Fatal(err)
		}
		uploads, reads = torch.Uploads()-uploads, torch.Reads()-reads
		want := int64(3)
		if turn == 0 {
			want += 2 // the catalog's tokens and its tables
		}
		if uploads > want || reads > 1 {
			t.Errorf("batch %d: %d uploads and %d reads, want at most %d and 1", turn+1, uploads, reads, want)
		}
	}
}

// BenchmarkItemSearch searches for 32 users on the host and on the device.
func BenchmarkItemSearch(b *testing.B) {
	job, batch, catalog, _ := itemBatch(b, 32)
	job.Model = modeltest.Random(b, "t5-mini")
	itemSearch := recommend.ItemSearch{NumBeams: 20, NumItems: 10, MaskCross: true}
	for row := range batch.Size {
		itemSearch.Constraints = append(itemSearch.Constraints, catalog.Except([]int{1 + row}))
	}
	defer catalog.Free()
	for name, search := range map[string]func() error{
		"host": func() error {
			_, err := recommend.SearchItemsOnHost(b.Context(), job.Model, batch, catalog, itemSearch)
			return err
		},
		"device": func() error {
			_, err := recommend.SearchItemsOnDevice(b.Context(), job.Model, batch, catalog, itemSearch)
			return err
		},
	} {
		b.Run(name, func(b *testing.B) {
			before := modeltest.CPUSeconds(b)
			for b.Loop() {
				if err := search(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(1e3*(modeltest.CPUSeconds(b)-before)/float64(b.N), "cpu-ms")
		})
	}
}
