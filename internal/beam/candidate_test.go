package beam

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"rdrec/internal/torch"
)

// TestTopCandidates compares with a sort of all scores, ties included.
func TestTopCandidates(t *testing.T) {
	for _, c := range []struct{ rows, beams, vocabulary, k int }{
		{1, 1, 640, 40}, {3, 4, 640, 8}, {2, 5, 257, 10}, {4, 3, 11, 6}, {2, 20, 32128, 40}, {2, 2, 6, 4},
	} {
		random := rand.New(rand.NewPCG(1, uint64(c.vocabulary)))
		n := c.rows * c.beams
		logits, beams := make([]float32, n*c.vocabulary), make([]beam, n)
		for i := range logits {
			logits[i] = float32(random.IntN(1000)) / 100 // many ties
		}
		for i := range beams {
			beams[i].score = -float32(random.IntN(10))
		}
		err := torch.Run(func(s *torch.Scope) error {
			x := s.FromFloat32(logits, int64(n), int64(c.vocabulary))
			got, err := topCandidates(x, beams, c.rows, c.k)
			if err != nil {
				return err
			}
			for row, picked := range got {
				var all []candidate // by beam and token, an order that stable sorting keeps
				for beam := range c.beams {
					for token := range c.vocabulary {
						at := row*c.beams + beam
						score := logits[at*c.vocabulary+token] + beams[at].score
						all = append(all, candidate{beam, int32(token), score})
					}
				}
				slices.SortStableFunc(all, func(a, b candidate) int { return cmp.Compare(b.score, a.score) })
				checkPicked(t, all, picked)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// checkPicked compares the picked candidates with the first of all. Of a beam's tokens that tie
// with the last candidate, any may be picked.
func checkPicked(t *testing.T, all, picked []candidate) {
	t.Helper()
	last, before := all[len(picked)-1].score, candidate{beam: -1}
	for i, p := range picked {
		want := all[i]
		if p.score == last && p.score == want.score && p.beam == want.beam &&
			(p.beam != before.beam || p.token > before.token) {
			before = p
			want = all[slices.IndexFunc(all, func(a candidate) bool { return a.beam == p.beam && a.token == p.token })]
		}
		if p != want {
			t.Errorf("candidate %d of %d is %v, want %v", i, len(picked), p, want)
		}
	}
}

// TestCandidatesThatTie: the lower beam comes first, then the lower token.
func TestCandidatesThatTie(t *testing.T) {
	err := torch.Run(func(s *torch.Scope) error {
		x := s.FromFloat32([]float32{
			-1, -2, -1,
			-1, -1, -3, // with -1 for its beam
			-1, -1, -1, // another row
			-1, 0, -1,
		}, 4, 3)
		got, err := topCandidates(x, []beam{{}, {score: -1}, {}, {score: -1}}, 2, 3)
		if err != nil {
			return err
		}
		if diff := gocmp.Diff([][]candidate{
			{{0, 0, -1}, {0, 2, -1}, {0, 1, -2}},
			{{0, 0, -1}, {0, 1, -1}, {0, 2, -1}},
		}, got, gocmp.AllowUnexported(candidate{})); diff != "" {
			t.Errorf("candidates (-want +got):\n%s", diff)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestOrderOfCandidates(t *testing.T) {
	ordered := []candidate{
		{beam: 3, token: 9, score: -1},
		{beam: 0, token: 8, score: -2},
		{beam: 0, token: 9, score: -2},
		{beam: 1, token: 0, score: -2},
		{beam: 1, token: 7, score: -2},
		{beam: 0, token: 0, score: -3},
	}
	for i, a := range ordered {
		for j, b := range ordered {
			if got := a.compare(b); got != cmp.Compare(i, j) {
				t.Errorf("%v and %v: %d, want %d", a, b, got, cmp.Compare(i, j))
			}
		}
	}
}

func TestTopCandidatesNaN(t *testing.T) {
	err := torch.Run(func(s *torch.Scope) error {
		x := s.FromFloat32([]float32{1, float32(math.NaN()), 3, 4}, 1, 4)
		_, err := topCandidates(x, make([]beam, 1), 1, 2)
		return err
	})
	if err == nil {
		t.Error("no error for logits that are NaN")
	}
}

// TestRepetitionOfLikelyTokens: log-probabilities that are not negative are divided.
func TestRepetitionOfLikelyTokens(t *testing.T) {
	err := torch.Run(func(s *torch.Scope) error {
		x := s.FromFloat32([]float32{2, 0, -2, 4}, 1, 4)
		Config{NumBeamGroups: 3, RepetitionPenalty: 2}.applyRepetitionPenalty(x, []beam{{tokens: []int32{1, 2}}}, 0)
		if diff := gocmp.Diff([]float32{1, 0, -4, 4}, x.Float32s()); diff != "" {
			t.Error(diff)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestPenalties compares each penalty with its definition in transformers.
func TestPenalties(t *testing.T) {
	const vocabulary = 6
	inf := float32(math.Inf(-1))
	beams := []beam{{tokens: []int32{2, 3}}, {tokens: []int32{3, 4}}}
	start := []float32{-1, -2, -3, -4, -5, -6, -1, -2, -3, -4, -5, -6}
	for _, c := range []struct {
		name   string
		config Config
		apply  func(c Config, x *torch.Tensor)
		want   []float32
	}{
		{
			"min length",
			Config{MinLength: 4},
			func(c Config, x *torch.Tensor) { c.suppressTokens(x, beams, 1) },
			[]float32{-1, inf, -3, -4, -5, -6, -1, inf, -3, -4, -5, -6},
		},
		{
			"long enough",
			Config{MinLength: 3},
			func(c Config, x *torch.Tensor) { c.suppressTokens(x, beams, 1) },
			start,
		},
		{
			"bad words",
			Config{BadWords: [][]int32{{5}, {1}, {3, 0}, {2, 3, 4}, {0, 2, 3, 4}, {4, 2}}},
			func(c Config, x *torch.Tensor) { c.suppressTokens(x, beams, 1) },
			[]float32{inf, -2, -3, -4, inf, inf, -1, -2, inf, -4, -5, inf},
		},
		{
			"diversity",
			Config{NumBeamGroups: 3, DiversityPenalty: 0.5},
			func(c Config, x *torch.Tensor) { c.applyDiversityPenalty(x, [][]int32{{0, 2, 2}, {4, 5, 0}}) },
			[]float32{-1.5, -2, -4, -4, -5, -6, -1.5, -2, -3, -4, -5.5, -6.5},
		},
		{
			"repetition",
			Config{NumBeamGroups: 3, RepetitionPenalty: 2},
			func(c Config, x *torch.Tensor) { c.applyRepetitionPenalty(x, beams, 0) },
			[]float32{-2, -2, -6, -8, -5, -6, -2, -2, -3, -8, -10, -6},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := torch.Run(func(s *torch.Scope) error {
				x := s.FromFloat32(slices.Clone(start), 2, vocabulary)
				c.apply(c.config, x)
				if diff := gocmp.Diff(c.want, x.Float32s()); diff != "" {
					t.Error(diff)
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
}
