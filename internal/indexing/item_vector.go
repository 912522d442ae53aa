package indexing

import (
	"math"
	"math/rand/v2"
	"slices"

	"rdrec/internal/dataset"
	"rdrec/internal/spec"
)

// codeIterations is the number of multiplications for the vectors that codes are made of.
const codeIterations = 12

// partVectors returns a vector for each item, rows in the order base: the parts of the settings one
// after the other, each scaled to length 1. An item that a part knows nothing about has zeros
// there. As in [semantic], titles count where at least half of the items have one; co-occurrence
// replaces them where there is no other part.
func partVectors(d *dataset.Dataset, base []int, settings spec.Codes, random *rand.Rand) table {
	var parts []table
	for _, part := range settings.Parts {
		multiply := cooccurrenceOperator(d, base)
		if part == spec.PartTitles {
			words := titleWords(d, base)
			if words == nil && len(settings.Parts) > 1 {
				continue
			}
			if words != nil {
				multiply = words.similarity()
			}
		}
		vectors, eigenvalues := iterateSubspace(multiply, len(base), settings.Dimensions, codeIterations, random)
		for i, x := range eigenvalues {
			eigenvalues[i] = math.Abs(x) // the singular values
		}
		vectors.scale(eigenvalues)
		vectors.normalizeRows()
		parts = append(parts, vectors)
	}
	return concatenate(parts)
}

// concatenate joins tables of the same rows side by side.
func concatenate(parts []table) table {
	joined := table{n: parts[0].n}
	for _, part := range parts {
		joined.k += part.k
	}
	for i := range joined.n {
		for _, part := range parts {
			joined.values = append(joined.values, part.row(i)...)
		}
	}
	return joined
}

// cooccurrenceOperator returns the items' positive pointwise mutual information in the training
// histories as an operator: log(c(i,j) n / (c(i) c(j))) where it is positive, with c(i,i) the
// number of histories that contain item i. Without the diagonal, items that are always bought
// together would have orthogonal rows.
func cooccurrenceOperator(d *dataset.Dataset, base []int) operator {
	rank := make([]int, len(base))
	for i, item := range base {
		rank[item-1] = i
	}
	g, own := countCooccurrences(d, rank), make([]float64, len(base))
	for _, user := range d.Users {
		for _, item := range slices.Compact(slices.Sorted(slices.Values(user.TrainItems()))) {
			own[rank[item-1]]++
		}
	}
	degrees, total := g.degrees(), 0.0
	for i := range degrees {
		degrees[i] += own[i]
		total += degrees[i]
	}
	for i := range g.nodes() {
		for e := g.start[i]; e < g.start[i+1]; e++ {
			g.weight[e] = max(0, math.Log(g.weight[e]*total/(degrees[i]*degrees[g.to[e]])))
		}
		if own[i] > 0 {
			own[i] = max(0, math.Log(own[i]*total/(degrees[i]*degrees[i])))
		}
	}
	return func(out, in []float64, k int) {
		for i := range g.nodes() {
			row := out[i*k : i*k+k]
			for j, x := range in[i*k : i*k+k] {
				row[j] = own[i] * x
			}
			for e := g.start[i]; e < g.start[i+1]; e++ {
				w, to := g.weight[e], int(g.to[e])
				for j, x := range in[to*k : to*k+k] {
					row[j] += w * x
				}
			}
		}
	}
}
