package numbering

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
)

// lloyd is how often k-means moves its centres at most.
const lloyd = 30

// cluster splits rows into at most k clusters by k-means, from k-means++ seeds. It returns each row's cluster and the centres, which
// are in order along the direction in which they differ most, so that like clusters get neighbouring numbers. Clusters that would be
// empty are not there.
func cluster(t table, k int, random *rand.Rand) (of []int, centres table) {
	centres = seeds(t, k, random)
	of = make([]int, t.n)
	for range lloyd {
		if !assign(t, centres, of) {
			break
		}
		centres = means(t, of, centres.n)
	}
	return arrange(t, of, centres.n)
}

// seeds picks centres among the rows, each with a chance that grows with the square of its distance from those before.
func seeds(t table, k int, random *rand.Rand) table {
	centres := t.take([]int{random.IntN(t.n)})
	distance := make([]float64, t.n)
	for i := range distance {
		distance[i] = math.Inf(1)
	}
	for centres.n < k {
		sum := 0.0
		for i := range distance {
			distance[i] = min(distance[i], apart(t.row(i), centres.row(centres.n-1)))
			sum += distance[i]
		}
		if sum == 0 { // fewer different rows than centres
			break
		}
		drawn, next := random.Float64()*sum, 0
		for next < t.n-1 && (drawn >= distance[next] || distance[next] == 0) {
			drawn -= distance[next]
			next++
		}
		centres.values = append(centres.values, t.row(next)...)
		centres.n++
	}
	return centres
}

// assign gives each row the nearest centre, and says whether any changed.
func assign(t table, centres table, of []int) (changed bool) {
	for i := range of {
		best, nearest := 0, math.Inf(1)
		for c := range centres.n {
			if d := apart(t.row(i), centres.row(c)); d < nearest {
				best, nearest = c, d
			}
		}
		changed = changed || of[i] != best
		of[i] = best
	}
	return changed
}

// means are the clusters' centres; an empty cluster's is out of reach.
func means(t table, of []int, k int) table {
	centres, size := table{k, t.k, make([]float64, k*t.k)}, make([]float64, k)
	for i, c := range of {
		size[c]++
		for j, x := range t.row(i) {
			centres.values[c*t.k+j] += x
		}
	}
	for c := range k {
		for j := range centres.row(c) {
			if size[c] == 0 {
				centres.row(c)[j] = math.Inf(1)
			} else {
				centres.row(c)[j] /= size[c]
			}
		}
	}
	return centres
}

// arrange drops empty clusters and numbers the others along their widest direction.
func arrange(t table, of []int, k int) ([]int, table) {
	filled := slices.Compact(slices.Sorted(slices.Values(of)))
	centres := means(t, of, k).take(filled)
	order, along := make([]int, len(filled)), centres.widest()
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(centres.row(a)[along], centres.row(b)[along]) })
	name := make([]int, k)
	for place, c := range order {
		name[filled[c]] = place
	}
	for i := range of {
		of[i] = name[of[i]]
	}
	return of, centres.take(order)
}

// apart is the squared distance of two rows.
func apart(a, b []float64) float64 {
	sum := 0.0
	for i, x := range a {
		sum += (x - b[i]) * (x - b[i])
	}
	return sum
}
