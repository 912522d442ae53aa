package sasrec

import (
	"context"
	"math/rand/v2"

	"rdrec/internal/baseline"
	"rdrec/internal/dataset"
	"rdrec/internal/torch"
)

// TopK returns a query's K best items by their scores; the first score is item 1's.
func TopK(q baseline.Query, scores ...float32) []int { return topK(q, scores) }

// TrainingExamples returns the inputs and labels of the training examples.
func TrainingExamples(d *dataset.Dataset, loss string) [][2][]int {
	var all [][2][]int
	for _, e := range trainingExamples(d, loss) {
		all = append(all, [2][]int{e.inputs, e.labels})
	}
	return all
}

// Shuffled returns examples of the given lengths in batches; an example is its index in lengths.
func Shuffled(lengths []int, batch int, seed uint64) [][]int {
	all := make([]example, len(lengths))
	for i, n := range lengths {
		all[i] = example{make([]int, n), []int{i}}
	}
	var batches [][]int
	for _, examples := range shuffled(all, batch, rand.New(rand.NewPCG(seed, 0))) { //nolint:gosec // not for secrets
		var list []int
		for _, e := range examples {
			list = append(list, e.labels[0])
		}
		batches = append(batches, list)
	}
	return batches
}

// LowPass returns the matrix of the filter.
func LowPass(maxLength, cutoff int, width int64) []float32 {
	m := Model{Settings: Settings{MaxLength: maxLength, Cutoff: cutoff}}
	return m.lowPass(width)
}

// Validate returns the NDCG@10 on the validation items.
func (m *Model) Validate(ctx context.Context, d *dataset.Dataset) (float64, error) {
	return m.validate(ctx, d)
}

// Encode returns the hidden state at each position, with dropout sampled by a seed. [positions *
// dim]
func (m *Model) Encode(histories []int64, width int64, dropout float64, seed int64) (out []float32, err error) {
	err = torch.Run(func(s *torch.Scope) error {
		torch.NoGrad(func() {
			torch.Seeded(seed, func() {
				out = m.assemble(s.Use(m.flat), dropout).encode(s, histories, width).Float32s()
			})
		})
		return nil
	})
	return out, err
}
