package recommend

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"rdrec/internal/torch"
)

// TestPick compares with sorting all scores, ties included.
func TestPick(t *testing.T) {
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
			got, err := pick(x, beams, c.rows, c.k)
			if err != nil {
				return err
			}
			for row, picked := range got {
				var all []candidate
				for beam := range c.beams {
					for token := range c.vocabulary {
						at := row*c.beams + beam
						all = append(all, candidate{beam, int32(token), logits[at*c.vocabulary+token] + beams[at].score})
					}
				}
				slices.SortFunc(all, candidate.compare)
				for i, p := range picked { // of candidates that tie at the end any may have been picked
					at := slices.IndexFunc(all, func(a candidate) bool { return a.beam == p.beam && a.token == p.token })
					if at < 0 || all[at].score != p.score || p.score != all[i].score {
						t.Errorf("%+v row %d: candidate %d is %v, want %v", c, row, i, p, all[i])
					}
				}
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}

func TestPickNaN(t *testing.T) {
	err := torch.Run(func(s *torch.Scope) error {
		x := s.FromFloat32([]float32{1, float32(math.NaN()), 3, 4}, 1, 4)
		_, err := pick(x, make([]beam, 1), 1, 2)
		return err
	})
	if err == nil {
		t.Error("no error for logits that are no numbers")
	}
}

// TestPenalties compares each penalty with its definition in transformers.
func TestPenalties(t *testing.T) {
	const vocabulary = 6
	inf := float32(math.Inf(-1))
	beams := []beam{{tokens: []int32{2, 3}}, {tokens: []int32{3, 4}}}
	start := []float32{-1, -2, -3, -4, -5, -6, -1, -2, -3, -4, -5, -6}
	for _, c := range []struct {
		name  string
		beam  Beam
		apply func(b Beam, x *torch.Tensor)
		want  []float32
	}{
		{
			"min length",
			Beam{MinLength: 4},
			func(b Beam, x *torch.Tensor) { b.forbid(x, beams, 1) },
			[]float32{-1, inf, -3, -4, -5, -6, -1, inf, -3, -4, -5, -6},
		},
		{
			"long enough",
			Beam{MinLength: 3},
			func(b Beam, x *torch.Tensor) { b.forbid(x, beams, 1) },
			start,
		},
		{
			"bad words",
			Beam{BadWords: [][]int32{{5}, {1}, {3, 0}, {2, 3, 4}, {0, 2, 3, 4}, {4, 2}}},
			func(b Beam, x *torch.Tensor) { b.forbid(x, beams, 1) },
			[]float32{inf, -2, -3, -4, inf, inf, -1, -2, inf, -4, -5, inf},
		},
		{
			"diversity",
			Beam{Groups: 3, Diversity: 0.5},
			func(b Beam, x *torch.Tensor) { b.diversify(x, [][]int32{{0, 2, 2}, {4, 5, 0}}) },
			[]float32{-1.5, -2, -4, -4, -5, -6, -1.5, -2, -3, -4, -5.5, -6.5},
		},
		{
			"repetition",
			Beam{Groups: 3, Repetition: 2},
			func(b Beam, x *torch.Tensor) { b.repeat(x, beams, 0) },
			[]float32{-2, -2, -6, -8, -5, -6, -2, -2, -3, -8, -10, -6},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := torch.Run(func(s *torch.Scope) error {
				x := s.FromFloat32(slices.Clone(start), 2, vocabulary)
				c.apply(c.beam, x)
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
