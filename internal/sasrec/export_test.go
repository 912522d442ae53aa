package sasrec

import (
	"context"
	"math/rand/v2"

	"rdrec/internal/baseline"
	"rdrec/internal/dataset"
	"rdrec/internal/torch"
)

// BestEpoch is a query's K best items by their scores; the first score is item 1's.
func Best(q baseline.Query, scores ...float32) []int { return topK(q, scores) }

// Pairs are the training examples' inputs and labels.
func Pairs(d *dataset.Dataset) [][2][]int {
	var all [][2][]int
	for _, e := range trainingExamples(d) {
		all = append(all, [2][]int{e.inputs, e.labels})
	}
	return all
}

// Shuffled deals examples of some lengths out in batches, each example as its place among them.
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

// Validate is the NDCG@10 on the validation items.
func (m *Model) Validate(ctx context.Context, d *dataset.Dataset) (float64, error) {
	return m.validate(ctx, d)
}

// Encode is what the network expects next at each position, with dropout drawn from a seed.
// [positions * dim]
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
