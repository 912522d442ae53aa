package sasrec

import (
	"cmp"
	"context"
	"math"
	"slices"

	"rdrec/internal/baseline"
	"rdrec/internal/dataset"
	"rdrec/internal/torch"
)

// rowsAtOnce bounds how many histories are scored together.
const rowsAtOnce = 256

// Rank answers queries as [baseline.Rank] does: unseen items, or the candidates, best first, ties by number.
func (m *Model) Rank(ctx context.Context, queries []baseline.Query) ([][]int, error) {
	lists := make([][]int, 0, len(queries))
	err := m.each(ctx, queries, func(q baseline.Query, scores []float32) {
		lists = append(lists, best(q, scores))
	})
	return lists, err
}

// each scores every item for each query, in their order. An empty history has nothing to go by: its scores are all 0.
func (m *Model) each(ctx context.Context, queries []baseline.Query, use func(q baseline.Query, scores []float32)) error {
	for chunk := range slices.Chunk(queries, rowsAtOnce) {
		if err := ctx.Err(); err != nil {
			return err
		}
		histories := make([][]int, len(chunk))
		for i, q := range chunk {
			histories[i] = q.History
		}
		scores, err := m.scores(histories)
		if err != nil {
			return err
		}
		for i, q := range chunk {
			row := scores[i*m.items : (i+1)*m.items]
			if len(q.History) == 0 {
				row = make([]float32, m.items)
			}
			use(q, row)
		}
	}
	return nil
}

// scores are the items' after each history. [histories, items]
func (m *Model) scores(histories [][]int) (scores []float32, err error) {
	b := NewBatch(histories, nil, m.Length)
	if b.Width == 0 {
		return make([]float32, len(histories)*m.items), nil
	}
	last := make([]int64, len(histories))
	for i, items := range histories {
		last[i] = int64(i)*b.Width + max(0, int64(min(len(items), m.Length))-1)
	}
	err = torch.Run(func(s *torch.Scope) error {
		torch.NoGrad(func() {
			n := m.assemble(s.Use(m.flat), 0)
			places := s.FromInt64(last, int64(len(last))).On(m.device)
			x := n.encode(s, b.Inputs, b.Width).Reshape(-1, int64(m.Dim)).IndexSelect(0, places) // [histories, dim]
			scores = n.logits(x).Float32s()
		})
		return nil
	})
	return scores, err
}

// best is the query's K best items by their scores.
func best(q baseline.Query, scores []float32) []int {
	items := q.Candidates
	if items == nil {
		items = make([]int, 0, len(scores))
		seen := make(map[int]bool, len(q.History))
		for _, item := range q.History {
			seen[item] = true
		}
		for item := 1; item <= len(scores); item++ {
			if !seen[item] {
				items = append(items, item)
			}
		}
	}
	order := func(a, b int) int { return cmp.Or(cmp.Compare(scores[b-1], scores[a-1]), cmp.Compare(a, b)) }
	var kept []int
	for _, item := range items {
		if len(kept) == q.K && (q.K == 0 || order(kept[q.K-1], item) < 0) {
			continue
		}
		place, found := slices.BinarySearchFunc(kept, item, order)
		if found { // a candidate that is listed twice
			continue
		}
		kept = slices.Insert(kept, place, item)
		kept = kept[:min(len(kept), q.K)]
	}
	return kept
}

// validate is the NDCG@10 of every user's last but one item among all that they had not had before. A tie counts against the model.
func (m *Model) validate(ctx context.Context, d *dataset.Dataset) (float64, error) {
	const cut = 10
	var queries []baseline.Query
	var truths []int
	for _, user := range d.Users {
		if user.Valid() != 0 && !slices.Contains(user.Train(), user.Valid()) {
			queries, truths = append(queries, baseline.Query{History: user.Train()}), append(truths, user.Valid())
		}
	}
	if len(queries) == 0 {
		return 0, nil
	}
	gain, at := 0.0, 0
	err := m.each(ctx, queries, func(q baseline.Query, scores []float32) {
		truth, place := truths[at], 0
		at++
		for _, item := range q.History {
			scores[item-1] = float32(math.Inf(-1))
		}
		for item, score := range scores {
			if item != truth-1 && !(score < scores[truth-1]) { // what is no number counts against it too
				place++
			}
		}
		if place < cut {
			gain += 1 / math.Log2(float64(place)+2)
		}
	})
	return gain / float64(len(queries)), err
}
