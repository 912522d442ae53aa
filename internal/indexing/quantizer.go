package indexing

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/mat"

	"rdrec/internal/spec"
)

// quantized is the codes of vectors, and what the codes of the last level were chosen by.
type quantized struct {
	codes [][]int // [rows, levels]
	// last and centers are the vectors and the centers of the last level.
	last, centers table
}

// quantizeVectors returns a code of each row at each level.
func quantizeVectors(t table, settings spec.Codes, random *rand.Rand) quantized {
	q := quantized{codes: make([][]int, t.n)}
	rest := table{t.n, t.k, slices.Clone(t.values)}
	for level := range settings.Levels {
		q.last = table{t.n, t.k, slices.Clone(rest.values)}
		if settings.Quantizer == spec.ProductQuantizer {
			q.last = t.everyColumn(level, settings.Levels)
		}
		var of []int
		of, q.centers = kMeans(q.last, settings.Width, random)
		for i, c := range of {
			q.codes[i] = append(q.codes[i], c)
		}
		if settings.Quantizer != spec.ProductQuantizer {
			for i, c := range of {
				for j, x := range q.centers.row(c) {
					rest.row(i)[j] -= x
				}
			}
		}
	}
	return q
}

// distinguish appends a last code to each row, so that no two rows have equal codes. At most width
// rows share their other codes; a row too many takes the nearest code of the level before that has
// room. It returns the number of different codes without the last, and the largest number of rows
// that share them.
func (q quantized) distinguish(width int) (cells, largest int, ok bool) {
	used := map[string]int{}
	for i, codes := range q.codes {
		last := len(codes) - 1
		for _, code := range append([]int{codes[last]}, q.nearestCodes(i, width, used[key(codes)] >= width)...) {
			codes[last] = code
			if used[key(codes)] < width {
				break
			}
		}
		n := used[key(codes)]
		if n >= width {
			return len(used), width, false
		}
		used[key(codes)], largest = n+1, max(largest, n+1)
		q.codes[i] = append(codes, n)
	}
	return len(used), largest, true
}

// nearestCodes returns all codes of the last level by the distance of their centers from a row,
// those without a center last, if they are wanted.
func (q quantized) nearestCodes(row, width int, wanted bool) []int {
	if !wanted {
		return nil
	}
	order, distance := make([]int, width), make([]float64, width)
	for c := range order {
		order[c], distance[c] = c, math.Inf(1)
		if c < q.centers.n {
			distance[c] = squaredDistance(q.last.row(row), q.centers.row(c))
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(distance[a], distance[b]) })
	return order
}

// key returns codes as the key of a map.
func key(codes []int) string {
	out := make([]byte, 0, 3*len(codes))
	for _, code := range codes {
		out = append(out, byte(code), byte(code>>8), byte(code>>16))
	}
	return string(out)
}

// everyColumn returns the columns first, first + step, ... of t. Spreading the columns over the
// levels gives each level leading and trailing directions of every part.
func (t table) everyColumn(first, step int) table {
	out := table{n: t.n}
	for j := first; j < t.k; j += step {
		out.k++
	}
	for i := range t.n {
		for j := first; j < t.k; j += step {
			out.values = append(out.values, t.row(i)[j])
		}
	}
	return out
}

// kMeans is [cluster] for many clusters: distances are computed by a matrix product, empty clusters
// keep their centers, and the clusters stay in the order in which they were seeded.
func kMeans(t table, k int, random *rand.Rand) (of []int, centers table) {
	centers, of = seedCentroids(t, k, random), make([]int, t.n)
	for range maxIterations {
		if !assignMany(t, centers, of) {
			break
		}
		before := centers
		centers = centroids(t, of, before.n)
		for c := range centers.n {
			if centers.k > 0 && math.IsInf(centers.row(c)[0], 1) {
				copy(centers.row(c), before.row(c))
			}
		}
	}
	return of, centers
}

// assignMany is [assign] by blocks of rows.
func assignMany(t, centers table, of []int) (changed bool) {
	const block = 1024
	if t.k == 0 { // a product of more levels than columns
		return false
	}
	lengths := make([]float64, centers.n)
	for c := range lengths {
		lengths[c] = dot(centers.row(c), centers.row(c))
	}
	transposed := mat.NewDense(centers.n, centers.k, centers.values).T()
	var products mat.Dense
	for from := 0; from < t.n; from += block {
		to := min(from+block, t.n)
		products.Reset()
		products.Mul(mat.NewDense(to-from, t.k, t.values[from*t.k:to*t.k]), transposed)
		for i := from; i < to; i++ {
			best, nearest := 0, math.Inf(1)
			for c, product := range products.RawRowView(i - from) {
				if distance := lengths[c] - 2*product; distance < nearest {
					best, nearest = c, distance
				}
			}
			changed = changed || of[i] != best
			of[i] = best
		}
	}
	return changed
}
