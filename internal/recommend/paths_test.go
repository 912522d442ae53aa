package recommend

import (
	"errors"
	"testing"

	"rdrec/internal/beam"
	"rdrec/internal/torch"
)

// failing is a decoder whose first step fails.
type failing struct {
	beam.Decoder
	err error
}

func (f failing) Hidden(*torch.Scope, []int64, []int64) (*torch.Tensor, error) { return nil, f.err }

func TestErrorsNameTheDecodingStep(t *testing.T) {
	broken := errors.New("no memory")
	err := searchAll(t.Context(), failing{err: broken}, &Catalog{}, []*paths{{}}, 0)
	if want := "decoding step 1: no memory"; !errors.Is(err, broken) || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

// TestDone: a row is done if no path is active, or if enough items were found and the best active
// path scores no more than the last of them.
func TestDone(t *testing.T) {
	for name, c := range map[string]struct {
		active []float32
		found  []float64
		want   bool
	}{
		"no active path":       {nil, nil, true},
		"too few found":        {[]float32{-9}, []float64{-1}, false},
		"a better active path": {[]float32{-1.5, -9}, []float64{-1, -2}, false},
		"an equal active path": {[]float32{-2, -9}, []float64{-1, -2}, true},
		"a worse active path":  {[]float32{-3}, []float64{-1, -2}, true},
	} {
		p := &paths{numItems: 2}
		for _, score := range c.active {
			p.active = append(p.active, path{score: score})
		}
		for _, score := range c.found {
			p.found = append(p.found, Found{Score: score})
		}
		if got := p.done(); got != c.want {
			t.Errorf("%s: %t, want %t", name, got, c.want)
		}
	}
}
