package metric_test

import (
	"errors"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/metric"
)

// TestBLEUByHand has orders at their ends and texts at theirs.
func TestBLEUByHand(t *testing.T) {
	text := func(reference, generated []string) []metric.Text {
		return []metric.Text{{Reference: reference, Generated: generated}}
	}
	abcd := []string{"a", "b", "c", "d"}
	for order, fails := range map[int]bool{-1: true, 0: true, 1: false, metric.MaxOrder: false, metric.MaxOrder +
		1: true} {
		got, err := metric.BLEU(text(abcd, abcd), order, false)
		if (err != nil) != fails || !fails && math.Abs(got.Score-1) > 1e-12 {
			t.Errorf("BLEU-%d of equal texts = %v, %v; fails %t", order, got.Score, err, fails)
		}
	}
	for _, c := range []struct {
		name      string
		generated []string
		want      float64 // BLEU-2
	}{
		{"one word short", []string{"a", "b", "c"}, math.Exp(-1. / 3)},                  // all match; 4 / 3 words
		{"one word more", []string{"a", "b", "c", "d", "e"}, math.Sqrt(4. / 5 * 3 / 4)}, // no brevity penalty
		// the second "a" matches nothing
		{"a word twice", []string{"a", "a", "b", "c"}, math.Sqrt(3. / 4 * 2 / 3)},
		{"no pair", []string{"d", "c", "b", "a"}, 0},
		{"one word", []string{"a"}, 0}, // it has no pair
	} {
		if got, err := metric.BLEU(text(abcd, c.generated), 2, false); err != nil ||
			math.Abs(got.Score-c.want) > 1e-12 {
			t.Errorf("%s: BLEU-2 %v, %v; want %v", c.name, got.Score, err, c.want)
		}
	}
}

// TestROUGEByHand: sets of n-grams, so that a repeated one counts once; subsequences, so that gaps
// do not matter.
func TestROUGEByHand(t *testing.T) {
	texts := []metric.Text{{Reference: []string{"a", "b", "c", "d"}, Generated: []string{"a", "a", "x", "c", "d"}}}
	nearly := cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) < 1e-7 })
	for _, c := range []struct {
		name string
		of   func() (metric.Rouge, error)
		want metric.Rouge
	}{
		// The generated words are a, x, c, d; three of them are in the reference.
		{
			"1", func() (metric.Rouge, error) { return metric.ROUGEN(texts, 1) },
			metric.Rouge{F: 0.75, Precision: 0.75, Recall: 0.75},
		},
		// Of aa, ax, xc, cd one is among ab, bc, cd.
		{
			"2", func() (metric.Rouge, error) { return metric.ROUGEN(texts, 2) },
			metric.Rouge{F: 2. / 7, Precision: 0.25, Recall: 1. / 3},
		},
		// a, c, d: 3 of 5 and 3 of 4; beta is .6/.75 = .8, F = 1.64*.75*.6 / (.75 + .64*.6).
		{"L", func() (metric.Rouge, error) { return metric.ROUGEL(texts) }, metric.Rouge{
			F: 0.738 / 1.134, Precision: 0.6,
			Recall: 0.75,
		}},
	} {
		if got, err := c.of(); err != nil || !cmp.Equal(c.want, got, nearly) {
			t.Errorf("ROUGE-%s = %+v, %v; want %+v", c.name, got, err, c.want)
		}
	}
	// The reference's two additions of 1e-12, to thirteen digits.
	if got, err := metric.ROUGEL(texts); err != nil || math.Abs(got.F-0.6507936507929872) > 1e-13 {
		t.Errorf("ROUGE-L F = %.16f, %v; want %.16f", got.F, err, 0.6507936507929872)
	}
	if _, err := metric.ROUGEL(nil); !errors.Is(err, metric.ErrEmptyCorpus) {
		t.Errorf("ROUGE-L of nothing: error %v, want %v", err, metric.ErrEmptyCorpus)
	}
}
