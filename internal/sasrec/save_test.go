package sasrec_test

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/dataset"
	"rdrec/internal/sasrec"
	"rdrec/internal/torch"
)

// TestSavedModelRecommendsTheSame covers both forms of a block.
func TestSavedModelRecommendsTheSame(t *testing.T) {
	users := []dataset.User{{ID: 4, Items: []int{1, 2, 3}}, {ID: 9, Items: []int{5}}}
	for _, settings := range []sasrec.Settings{small(), withLast(0.6)} {
		model, err := sasrec.New(settings, 30, 5, torch.CPU)
		if err != nil {
			t.Fatal(err)
		}
		defer model.Free()
		dir := filepath.Join(t.TempDir(), "model")
		if err := model.Save(dir); err != nil {
			t.Fatal(err)
		}
		loaded, err := sasrec.Load(dir, torch.CPU)
		if err != nil {
			t.Fatal(err)
		}
		defer loaded.Free()
		want, err := model.Recommend(t.Context(), users, 5)
		if err != nil {
			t.Fatal(err)
		}
		got, err := loaded.Recommend(t.Context(), users, 5)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("after loading (-want +got):\n%s", diff)
		}
	}
}

// TestRecommendByHand: scores are log-probabilities among all items, also those that the user has,
// and an item that is new since the training is neither read nor recommended.
func TestRecommendByHand(t *testing.T) {
	m := fixedScores(t, 2, 1, 3)
	users := []dataset.User{{ID: 7, Items: []int{3}}, {ID: 8, Items: []int{4, 1}}}
	got, err := m.Recommend(t.Context(), users, 2)
	if err != nil {
		t.Fatal(err)
	}
	total := math.Log(math.Exp(2) + math.Exp(1) + math.Exp(3))
	for i, want := range []struct {
		user   int
		items  []int
		scores []float64
	}{
		{7, []int{1, 2}, []float64{2 - total, 1 - total}}, {8, []int{3, 2}, []float64{3 - total, 1 - total}},
	} {
		if got[i].User != want.user || !slices.Equal(got[i].Items, want.items) {
			t.Errorf("row %d is of user %d with %v, want %+v", i, got[i].User, got[i].Items, want)
		}
		for k, score := range want.scores {
			if math.Abs(got[i].Scores[k]-score) > 1e-5 {
				t.Errorf("user %d: score %d is %g, want %g", want.user, k, got[i].Scores[k], score)
			}
		}
	}
}

// TestLoadChecksTheConfig: a damaged config allocates nothing.
func TestLoadChecksTheConfig(t *testing.T) {
	model, err := sasrec.New(small(), 30, 5, torch.CPU)
	if err != nil {
		t.Fatal(err)
	}
	defer model.Free()
	dir := t.TempDir()
	if err := model.Save(dir); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"text":    `{`,
		"empty":   `{}`,
		"items":   `{"hidden_size":8,"blocks":1,"heads":1,"max_length":8,"batch":1,"epochs":1,"items":60000000}`,
		"no item": `{"hidden_size":8,"blocks":1,"heads":1,"max_length":8,"batch":1,"epochs":1}`,
		"blocks":  `{"hidden_size":8,"blocks":1000000000,"heads":1,"max_length":8,"batch":1,"epochs":1,"items":30}`,
		"shape":   `{"hidden_size":4,"blocks":1,"heads":1,"max_length":8,"batch":1,"epochs":1,"items":30}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := sasrec.Load(dir, torch.CPU); !errors.Is(err, sasrec.ErrSettings) {
			t.Errorf("%s: error is %v", name, err)
		}
	}
}
