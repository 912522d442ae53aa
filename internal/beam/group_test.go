package beam

import (
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

const endToken = 1

// finishedGroup returns a group with hypotheses of these scores, the n-th with token n.
func finishedGroup(beams int, scores ...float64) *group {
	g := newGroup(beams, true)
	for i, score := range scores {
		g.add([]int32{int32(i + 1)}, score, 1)
	}
	return g
}

// tokens returns the first token of each sequence.
func tokens(all []Hypothesis) []int32 {
	var out []int32
	for _, h := range all {
		out = append(out, h.Tokens[0])
	}
	return out
}

// TestHypotheses: a group keeps as many of the best sequences as it has beams, in the order in
// which they finished. Of equal scores in a full group, a later one is not kept and the earliest is
// replaced by a better one, as in transformers' BeamHypotheses.
func TestHypotheses(t *testing.T) {
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
			g := finishedGroup(2, c.scores...)
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

// TestBestHypotheses: of equal scores the one that finished last comes first, and each counts for
// copies equal groups.
func TestBestHypotheses(t *testing.T) {
	for name, c := range map[string]struct {
		groups    []*group
		copies, n int
		want      []int32
	}{
		"by score":       {[]*group{finishedGroup(3, -3, -1, -2)}, 1, 3, []int32{2, 3, 1}},
		"equal ones":     {[]*group{finishedGroup(4, -1, -2, -1, -2)}, 1, 4, []int32{3, 1, 4, 2}},
		"only the first": {[]*group{finishedGroup(4, -1, -2, -1, -2)}, 1, 1, []int32{3}},
		"of two groups": {
			[]*group{finishedGroup(2, -1, -2), finishedGroup(3, -1, -1, -1)}, 1, 5, []int32{3, 2, 1, 1, 2},
		},
		"for copies": {[]*group{finishedGroup(2, -1, -1)}, 2, 4, []int32{2, 1, 2, 1}},
		"many that are equal": {
			[]*group{finishedGroup(15, make([]float64, 15)...)},
			1, 15,
			[]int32{15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1},
		},
		"copies of other ones": {[]*group{finishedGroup(2, -1, -2)}, 3, 6, []int32{1, 1, 1, 2, 2, 2}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := gocmp.Diff(c.want, tokens(bestHypotheses(c.groups, c.copies, c.n))); diff != "" {
				t.Errorf("sequences (-want +got):\n%s", diff)
			}
		})
	}
}

// TestManyEqualSequences has three different scores, interleaved.
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
	if diff := gocmp.Diff(want, tokens(bestHypotheses([]*group{finishedGroup(60, scores...)}, 1, 60))); diff != "" {
		t.Errorf("sequences (-want +got):\n%s", diff)
	}
}

// TestAdvance takes steps with two beams and four candidates.
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
			[]int{1, 0},
			[]beam{{[]int32{4, 7}, -1}, {[]int32{3, 8}, -2}},
			nil, false,
		},
		"an end among the best": {
			[]candidate{{1, 7, -1}, {0, endToken, -2}, {0, 9, -3}, {1, 9, -4}},
			[]int{1, 0},
			[]beam{{[]int32{4, 7}, -1}, {[]int32{3, 9}, -3}},
			[]Hypothesis{{[]int32{3}, -1}},
			false,
		},
		"two ends among the best": {
			[]candidate{{1, endToken, -1}, {0, endToken, -2}, {0, 9, -3}, {1, 9, -4}},
			[]int{0, 1},
			[]beam{{[]int32{3, 9}, -3}, {[]int32{4, 9}, -4}},
			[]Hypothesis{{[]int32{4}, -0.5}, {[]int32{3}, -1}},
			true,
		},
		"an end beyond the best": {
			[]candidate{{1, 7, -1}, {0, endToken, -2}, {1, endToken, -3}, {1, 9, -4}},
			[]int{1, 1},
			[]beam{{[]int32{4, 7}, -1}, {[]int32{4, 9}, -4}},
			[]Hypothesis{{[]int32{3}, -1}},
			false,
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

// TestFinished: with early stopping, a group is finished once it has as many hypotheses as beams;
// without, once the best candidate's mean is no better than the worst hypothesis.
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
			g := finishedGroup(2, c.scores...)
			g.earlyStopping = c.early
			if got := g.finished(c.best, 4); got != c.want {
				t.Errorf("got %t, want %t", got, c.want)
			}
		})
	}
}

// TestAdvanceComparesTheBestCandidate: the best candidate has two tokens, and both hypotheses score
// -1.2.
func TestAdvanceComparesTheBestCandidate(t *testing.T) {
	for sum, done := range map[float32]bool{-2.25: false, -2.5: true} {
		g := finishedGroup(2, -1.2, -1.2)
		g.earlyStopping = false
		g.beams = []beam{{tokens: []int32{3}}, {tokens: []int32{4}}}
		g.advance([]candidate{{0, 7, sum}, {1, 7, -9}, {0, 8, -9}, {1, 8, -9}}, endToken)
		if g.done != done {
			t.Errorf("a best sum of %v: done %t, want %t", sum, g.done, done)
		}
	}
}

// TestFinalize finishes the beams of a group that is not done; their scores are over their own
// length.
func TestFinalize(t *testing.T) {
	g := newGroup(2, true)
	g.beams = []beam{{[]int32{3, 4}, -4}, {[]int32{5, 6}, -6}}
	g.finalize()
	if diff := gocmp.Diff([]Hypothesis{{[]int32{3, 4}, -2}, {[]int32{5, 6}, -3}}, g.hypotheses); diff != "" {
		t.Errorf("ended (-want +got):\n%s", diff)
	}
	done := finishedGroup(2, -1, -2)
	done.done = true
	done.beams = []beam{{[]int32{3, 4}, 0}, {[]int32{5, 6}, 0}}
	done.finalize()
	if diff := gocmp.Diff([]int32{1, 2}, tokens(done.hypotheses)); diff != "" {
		t.Errorf("ended of a group that is done (-want +got):\n%s", diff)
	}
}

// TestNewGroup: the scores of all beams but the first exclude them.
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

// TestExtend: a group that is done continues its first beam, or the only one, with padding.
func TestExtend(t *testing.T) {
	g := newGroup(2, true)
	g.done = true
	for beams, want := range map[int]int{1: 0, 6: 4} {
		if diff := gocmp.Diff(
			[]successor{{0, want}, {0, want}},
			g.extend(nil, endToken, beams, 4),
			gocmp.AllowUnexported(successor{}),
		); diff != "" {
			t.Errorf("%d beams: new beams (-want +got):\n%s", beams, diff)
		}
	}
	g.done = false
	g.beams = []beam{{tokens: []int32{3}}, {tokens: []int32{4}}}
	got := g.extend([]candidate{{1, 7, -1}, {0, 8, -2}, {0, 9, -3}, {1, 9, -4}}, endToken, 6, 4)
	if diff := gocmp.Diff([]successor{{7, 5}, {8, 4}}, got, gocmp.AllowUnexported(successor{})); diff != "" {
		t.Errorf("new beams (-want +got):\n%s", diff)
	}
}
