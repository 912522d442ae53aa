package spec_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/spec"
)

// TestBsarecBlock: a block starts from the published settings, without one they apply as they are.
func TestBsarecBlock(t *testing.T) {
	for name, c := range map[string]struct {
		overrides []string
		change    func(*spec.Sasrec)
	}{
		"no block": {nil, func(*spec.Sasrec) {}},
		"a block": {
			[]string{"bsarec.alphas=0.3,0.7", "bsarec.batch=512"},
			func(b *spec.Sasrec) { b.Alphas, b.Batch = []float64{0.3, 0.7}, 512 },
		},
	} {
		s, err := spec.Parse("shop.yaml", []byte(minimalSpec), append(c.overrides, "baselines=markov,bsarec"))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		want := spec.DefaultBsarec()
		c.change(&want)
		if diff := cmp.Diff(want, s.BsarecGrid()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestBsarecRules(t *testing.T) {
	for override, want := range map[string]string{
		"bsarec.heads=3":             "bsarec.hidden_sizes: has a size that bsarec.heads does not divide",
		"bsarec.loss=all":            `bsarec.loss: must be "last"`,
		"bsarec.alphas=[]":           "bsarec.alphas: must have at least one weight",
		"bsarec.alphas=0":            "bsarec.alphas[0]",
		"bsarec.cutoff=0":            "bsarec.cutoff: must be from 1 to bsarec.max_length/2+1",
		"bsarec.cutoff=27":           "bsarec.cutoff: must be from 1 to bsarec.max_length/2+1",
		"bsarec.cutoff=26":           "",
		"sasrec.loss=last":           "",
		"sasrec.loss=first":          "sasrec.loss",
		"sasrec.alphas=0.5":          "sasrec.alphas: is of the baseline bsarec",
		"sasrec.cutoff=3":            "sasrec.alphas: is of the baseline bsarec",
		"baselines=[bsarec, bsarec]": "baselines",
	} {
		_, err := spec.Parse("shop.yaml", []byte(minimalSpec), []string{override})
		if got := err != nil; got != (want != "") || got && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", override, err, want)
		}
	}
}
