package recommend

import (
	"errors"
	"math"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"rdrec/internal/torch"
)

const endToken = 1

// hypotheses is a group of so many beams that has ended sequences of these scores, the n-th with
// token n.
func ended(beams int, scores ...float64) *group {
	g := newGroup(beams, true)
	for i, score := range scores {
		g.add([]int32{int32(i + 1)}, score, 1)
	}
	return g
}

// tokens are the first tokens of sequences.
func tokens(all []Hypothesis) []int32 {
	var out []int32
	for _, h := range all {
		out = append(out, h.Tokens[0])
	}
	return out
}

// TestEndedSequences: the best as many as there are beams stay, in the order in which they ended.
// Of equal ones the later is not taken when they are full, and the earlier goes when a better one
// comes, as in transformers' BeamHypotheses.
func TestEndedSequences(t *testing.T) {
	for name, c := range map[string]struct {
		scores []float64
		kept   []int32
		worst  float64
	}{
		"none":                       {nil, nil, 1e9},
		"not full":                   {[]float64{-2}, []int32{1}, -2},
		"full":                       {[]float64{-2, -3}, []int32{1, 2}, -3},
		"a better one":               {[]float64{-2, -3, -1}, []int32{1, 3}, -2},
		"better than the worst":      {[]float64{-3, -1, -2}, []int32{2, 3}, -2},
		"a worse one":                {[]float64{-2, -3, -4}, []int32{1, 2}, -3},
		"as bad as the worst":        {[]float64{-2, -3, -3}, []int32{1, 2}, -3},
		"a better one than two":      {[]float64{-3, -3, -1}, []int32{2, 3}, -3},
		"two better ones than two":   {[]float64{-3, -3, -1, -2}, []int32{3, 4}, -2},
		"as good as the first, full": {[]float64{-1, -3, -1}, []int32{1, 3}, -1},
	} {
		t.Run(name, func(t *testing.T) {
			g := ended(2, c.scores...)
			if diff := gocmp.Diff(c.kept, tokens(g.hypotheses)); diff != "" || g.worst != c.worst {
				t.Errorf("worst %v, want %v; kept (-want +got):\n%s", g.worst, c.worst, diff)
			}
		})
	}
	g := newGroup(1, true)
	g.add([]int32{5, 6, 7}, -6, 4)
	if got := g.hypotheses[0].Score; got != -1.5 {
		t.Errorf("a sum of -6 over 4 tokens scores %v, want -1.5", got)
	}
}

// TestBestSequences: of equal scores the one that ended last comes first, and each stands for
// copies equal groups.
func TestBestSequences(t *testing.T) {
	for name, c := range map[string]struct {
		groups    []*group
		copies, n int
		want      []int32
	}{
		"by score":       {[]*group{ended(3, -3, -1, -2)}, 1, 3, []int32{2, 3, 1}},
		"equal ones":     {[]*group{ended(4, -1, -2, -1, -2)}, 1, 4, []int32{3, 1, 4, 2}},
		"only the first": {[]*group{ended(4, -1, -2, -1, -2)}, 1, 1, []int32{3}},
		"of two groups":  {[]*group{ended(2, -1, -2), ended(3, -1, -1, -1)}, 1, 5, []int32{3, 2, 1, 1, 2}},
		"for copies":     {[]*group{ended(2, -1, -1)}, 2, 4, []int32{2, 1, 2, 1}},
		"many that are equal": {
			[]*group{ended(15, make([]float64, 15)...)}, 1, 15, []int32{15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1},
		},
		"copies of other ones": {[]*group{ended(2, -1, -2)}, 3, 6, []int32{1, 1, 1, 2, 2, 2}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := gocmp.Diff(c.want, tokens(bestHypotheses(c.groups, c.copies, c.n))); diff != "" {
				t.Errorf("sequences (-want +got):\n%s", diff)
			}
		})
	}
}

// TestManyEqualSequences has scores of three kinds among each other.
func TestManyEqualSequences(t *testing.T) {
	var scores []float64
	for i := range 60 {
		scores = append(scores, -float64(i%3))
	}
	var want []int32
	for kind := range 3 {
		for i := 59; i >= 0; i-- {
			if i%3 == kind {
				want = append(want, int32(i+1))
			}
		}
	}
	if diff := gocmp.Diff(want, tokens(bestHypotheses([]*group{ended(60, scores...)}, 1, 60))); diff != "" {
		t.Errorf("sequences (-want +got):\n%s", diff)
	}
}

// TestAdvance takes steps of two beams; candidates are four.
func TestAdvance(t *testing.T) {
	for name, c := range map[string]struct {
		candidates []candidate
		parents    []int
		next       []beam
		ended      []Hypothesis
		done       bool
	}{
		"no end": {
			[]candidate{{1, 7, -1}, {0, 8, -2}, {0, 9, -3}, {1, 9, -4}},
			[]int{1, 0}, []beam{{[]int32{4, 7}, -1}, {[]int32{3, 8}, -2}}, nil, false,
		},
		"an end among the best": {
			[]candidate{{1, 7, -1}, {0, endToken, -2}, {0, 9, -3}, {1, 9, -4}},
			[]int{1, 0}, []beam{{[]int32{4, 7}, -1}, {[]int32{3, 9}, -3}}, []Hypothesis{{[]int32{3}, -1}}, false,
		},
		"two ends among the best": {
			[]candidate{{1, endToken, -1}, {0, endToken, -2}, {0, 9, -3}, {1, 9, -4}},
			[]int{0, 1}, []beam{{[]int32{3, 9}, -3}, {[]int32{4, 9}, -4}},
			[]Hypothesis{{[]int32{4}, -0.5}, {[]int32{3}, -1}}, true,
		},
		"an end beyond the best": {
			[]candidate{{1, 7, -1}, {0, endToken, -2}, {1, endToken, -3}, {1, 9, -4}},
			[]int{1, 1}, []beam{{[]int32{4, 7}, -1}, {[]int32{4, 9}, -4}}, []Hypothesis{{[]int32{3}, -1}}, false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGroup(2, true)
			g.beams = []beam{{tokens: []int32{3}}, {tokens: []int32{4}}}
			parents := g.advance(c.candidates, endToken)
			if diff := gocmp.Diff(c.parents, parents); diff != "" {
				t.Errorf("parents (-want +got):\n%s", diff)
			}
			if diff := gocmp.Diff(c.next, g.beams, gocmp.AllowUnexported(beam{})); diff != "" {
				t.Errorf("beams (-want +got):\n%s", diff)
			}
			if diff := gocmp.Diff(c.ended, g.hypotheses); diff != "" || g.done != c.done {
				t.Errorf("done %t, want %t; ended (-want +got):\n%s", g.done, c.done, diff)
			}
		})
	}
}

// TestFinished: early as soon as as many have ended as there are beams, else when the best sum over
// the length is no better than the worst.
func TestFinished(t *testing.T) {
	for name, c := range map[string]struct {
		scores []float64
		early  bool
		best   float64
		want   bool
	}{
		"one is missing":           {[]float64{-2}, true, -100, false},
		"early":                    {[]float64{-2, -3}, true, 0, true},
		"a better one may come":    {[]float64{-2, -3}, false, -11.9, false},
		"one as good may come":     {[]float64{-2, -3}, false, -12, true},
		"only worse ones may come": {[]float64{-2, -3}, false, -12.1, true},
	} {
		t.Run(name, func(t *testing.T) {
			g := ended(2, c.scores...)
			g.earlyStopping = c.early
			if got := g.finished(c.best, 4); got != c.want {
				t.Errorf("got %t, want %t", got, c.want)
			}
		})
	}
}

// TestAdvanceComparesWithWhatMayCome: a best candidate of two tokens, where both that ended score
// -1.2.
func TestAdvanceComparesWithWhatMayCome(t *testing.T) {
	for sum, done := range map[float32]bool{-2.25: false, -2.5: true} {
		g := ended(2, -1.2, -1.2)
		g.earlyStopping = false
		g.beams = []beam{{tokens: []int32{3}}, {tokens: []int32{4}}}
		g.advance([]candidate{{0, 7, sum}, {1, 7, -9}, {0, 8, -9}, {1, 8, -9}}, endToken)
		if g.done != done {
			t.Errorf("a best sum of %v: done %t, want %t", sum, g.done, done)
		}
	}
}

// failing is a decoder whose first step fails.
type failing struct {
	decoder
	err error
}

func (f failing) Hidden(*torch.Scope, []int64, []int64) (*torch.Tensor, error) { return nil, f.err }

func TestStepsThatFailAreNumbered(t *testing.T) {
	broken := errors.New("no memory")
	const want = "decoding step 1: no memory"
	_, err := run(
		t.Context(),
		failing{err: broken},
		vocabulary{size: 9, end: endToken},
		1,
		BeamConfig{NumBeams: 1, NumBeamGroups: 1, MaxLength: 2},
	)
	if !errors.Is(err, broken) || err.Error() != want {
		t.Errorf("beam search: error %v, want %s", err, want)
	}
	err = searchAll(t.Context(), failing{err: broken}, &Catalog{}, []*paths{{}}, 0)
	if !errors.Is(err, broken) || err.Error() != want {
		t.Errorf("walk: error %v, want %s", err, want)
	}
}

// TestCloseEndsTheBeams of a group that is not done, over their own length.
func TestCloseEndsTheBeams(t *testing.T) {
	g := newGroup(2, true)
	g.beams = []beam{{[]int32{3, 4}, -4}, {[]int32{5, 6}, -6}}
	g.finalize()
	if diff := gocmp.Diff([]Hypothesis{{[]int32{3, 4}, -2}, {[]int32{5, 6}, -3}}, g.hypotheses); diff != "" {
		t.Errorf("ended (-want +got):\n%s", diff)
	}
	done := ended(2, -1, -2)
	done.done = true
	done.beams = []beam{{[]int32{3, 4}, 0}, {[]int32{5, 6}, 0}}
	done.finalize()
	if diff := gocmp.Diff([]int32{1, 2}, tokens(done.hypotheses)); diff != "" {
		t.Errorf("ended of a group that is done (-want +got):\n%s", diff)
	}
}

// TestNewGroup: all beams but the first are out of reach.
func TestNewGroup(t *testing.T) {
	g := newGroup(3, true)
	if diff := gocmp.Diff(
		[]beam{{}, {score: -1e9}, {score: -1e9}},
		g.beams,
		gocmp.AllowUnexported(beam{}),
	); diff != "" {
		t.Errorf("beams (-want +got):\n%s", diff)
	}
}

// TestDonePaths: nothing goes on, or as much was found as is wanted and the best that goes on
// scores no more than the last of it.
func TestDonePaths(t *testing.T) {
	for name, c := range map[string]struct {
		alive []float32
		found []float64
		want  bool
	}{
		"nothing goes on":      {nil, nil, true},
		"too few found":        {[]float32{-9}, []float64{-1}, false},
		"a better one goes on": {[]float32{-1.5, -9}, []float64{-1, -2}, false},
		"one as good goes on":  {[]float32{-2, -9}, []float64{-1, -2}, true},
		"a worse one goes on":  {[]float32{-3}, []float64{-1, -2}, true},
	} {
		p := &paths{numItems: 2}
		for _, score := range c.alive {
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

// TestLink: a group that is done goes on with padding from its first beam, or the only one there
// is.
func TestLink(t *testing.T) {
	g := newGroup(2, true)
	g.done = true
	for beams, want := range map[int]int{1: 0, 6: 4} {
		if diff := gocmp.Diff(
			[]successor{{0, want}, {0, want}},
			g.extend(nil, endToken, beams, 4),
			gocmp.AllowUnexported(successor{}),
		); diff != "" {
			t.Errorf("%d beams: links (-want +got):\n%s", beams, diff)
		}
	}
	g.done = false
	g.beams = []beam{{tokens: []int32{3}}, {tokens: []int32{4}}}
	got := g.extend([]candidate{{1, 7, -1}, {0, 8, -2}, {0, 9, -3}, {1, 9, -4}}, endToken, 6, 4)
	if diff := gocmp.Diff([]successor{{7, 5}, {8, 4}}, got, gocmp.AllowUnexported(successor{})); diff != "" {
		t.Errorf("links (-want +got):\n%s", diff)
	}
}

// TestBadWords: never the end token alone, and a word as soon as only its last token is missing.
func TestBadWords(t *testing.T) {
	b := BeamConfig{BadWords: [][]int32{{endToken}, {5}, {5, endToken}}}
	if diff := gocmp.Diff([][]int32{{5}, {5, endToken}}, b.badWords(endToken)); diff != "" {
		t.Errorf("bad words (-want +got):\n%s", diff)
	}
	for _, c := range []struct {
		tokens, word []int32
		want         bool
	}{
		{nil, []int32{5}, true},
		{nil, []int32{5, 6}, false},
		{[]int32{5}, []int32{5, 6}, true},
		{[]int32{6}, []int32{5, 6}, false},
		{[]int32{5, 9}, []int32{5, 6}, false},
		{[]int32{9, 5}, []int32{5, 6}, true},
		{[]int32{5}, []int32{9, 5, 6}, false},
		{[]int32{9, 5}, []int32{9, 5, 6}, true},
	} {
		if got := completesBadWord(c.tokens, c.word); got != c.want {
			t.Errorf("%v before the end of %v: %t, want %t", c.tokens, c.word, got, c.want)
		}
	}
}

// TestCheck has each setting at its border and beyond.
func TestCheck(t *testing.T) {
	with := func(change func(b *BeamConfig)) BeamConfig {
		b := BeamConfig{NumBeams: 6, NumBeamGroups: 3, NumReturnSequences: 6, MaxLength: 2, RepetitionPenalty: 1}
		change(&b)
		return b
	}
	for name, c := range map[string]struct {
		beam       BeamConfig
		vocabulary int
		want       string
	}{
		"all at their borders": {with(func(*BeamConfig) {}), 12, ""},
		"a smaller vocabulary": {with(func(*BeamConfig) {}), 11, "6 beams for a vocabulary of 11"},
		"one beam":             {with(func(b *BeamConfig) { b.NumBeams, b.NumBeamGroups, b.NumReturnSequences = 1, 1, 1 }), 2, ""},
		"no beam": {
			with(func(b *BeamConfig) { b.NumBeams, b.NumReturnSequences = 0, 1 }), 12,
			"0 beams: at least 1 is needed\n1 sequences to return of 0 beams",
		},
		"no group":           {with(func(b *BeamConfig) { b.NumBeamGroups = 0 }), 12, "6 beams do not fall into 0 equal groups"},
		"unequal groups":     {with(func(b *BeamConfig) { b.NumBeamGroups = 4 }), 12, "6 beams do not fall into 4 equal groups"},
		"none to return":     {with(func(b *BeamConfig) { b.NumReturnSequences = 0 }), 12, "0 sequences to return of 6 beams"},
		"one to return":      {with(func(b *BeamConfig) { b.NumReturnSequences = 1 }), 12, ""},
		"too many to return": {with(func(b *BeamConfig) { b.NumReturnSequences = 7 }), 12, "7 sequences to return of 6 beams"},
		"a negative length":  {with(func(b *BeamConfig) { b.MinLength = -1 }), 12, "minimum length -1 is negative"},
		"a length of one":    {with(func(b *BeamConfig) { b.MaxLength = 1 }), 12, "maximum length 1: at least 2 is needed"},
		"no repetition":      {with(func(b *BeamConfig) { b.RepetitionPenalty = 0 }), 12, "repetition penalty 0 is not positive"},
		"little repetition":  {with(func(b *BeamConfig) { b.RepetitionPenalty = 1e-9 }), 12, ""},
		"the last token":     {with(func(b *BeamConfig) { b.BadWords = [][]int32{{11}, {0, 11}} }), 12, ""},
		"a token beyond": {
			with(func(b *BeamConfig) { b.BadWords = [][]int32{{0, 12}} }), 12,
			"token 12 of bad word [0 12] is outside of the vocabulary of 12",
		},
		"a token before": {
			with(func(b *BeamConfig) { b.BadWords = [][]int32{{-1}} }), 12,
			"token -1 of bad word [-1] is outside of the vocabulary of 12",
		},
		"an empty word": {with(func(b *BeamConfig) { b.BadWords = [][]int32{{}} }), 12, "an empty bad word"},
		"no bad words": {
			with(func(b *BeamConfig) { b.BadWords = [][]int32{} }), 12, "no bad words in [] but the end token",
		},
		"only the end token": {
			with(func(b *BeamConfig) { b.BadWords = [][]int32{{endToken}} }), 12, "no bad words in [[1]] but the end token",
		},
		"the end token and a one": {with(func(b *BeamConfig) { b.BadWords = [][]int32{{endToken}, {5}} }), 12, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := ""
			if err := c.beam.Validate(c.vocabulary, endToken); err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("error %q, want %q", got, c.want)
			}
		})
	}
}

// TestGroupsThatAreSearched: equal groups are one unless a penalty tells them apart.
func TestGroupsThatAreSearched(t *testing.T) {
	for _, c := range []struct {
		beam             BeamConfig
		searched, copies int
		repetitive       bool
	}{
		{BeamConfig{NumBeamGroups: 1, RepetitionPenalty: 2, DiversityPenalty: 1}, 1, 1, false},
		{BeamConfig{NumBeamGroups: 3, RepetitionPenalty: 1}, 1, 3, false},
		{BeamConfig{NumBeamGroups: 3, RepetitionPenalty: 1, DiversityPenalty: 0.1}, 3, 1, false},
		{BeamConfig{NumBeamGroups: 3, RepetitionPenalty: 1, DiversityPenalty: -1}, 1, 3, false},
		{BeamConfig{NumBeamGroups: 3, RepetitionPenalty: 2}, 1, 3, true},
		{BeamConfig{NumBeamGroups: 2, RepetitionPenalty: 0.5, DiversityPenalty: math.SmallestNonzeroFloat64}, 2, 1, true},
	} {
		searched, copies := c.beam.groupCounts()
		if searched != c.searched || copies != c.copies || c.beam.hasRepetitionPenalty() != c.repetitive {
			t.Errorf("%+v: %d groups for %d, repetitive %t", c.beam, searched, copies, c.beam.hasRepetitionPenalty())
		}
	}
}
