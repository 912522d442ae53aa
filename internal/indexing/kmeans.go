package indexing

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
)

// maxIterations bounds the iterations of k-means.
const maxIterations = 30

// cluster splits rows into at most k clusters by k-means with k-means++ initialization. It returns
// each row's cluster and the centers, sorted by the column in which they differ most, so that
// similar clusters get consecutive indices. Empty clusters are dropped.
func cluster(t table, k int, random *rand.Rand) (of []int, centers table) {
	centers = seedCentroids(t, k, random)
	of = make([]int, t.n)
	for range maxIterations {
		if !assign(t, centers, of) {
			break
		}
		centers = centroids(t, of, centers.n)
	}
	return orderClusters(t, of, centers.n)
}

// seedCentroids samples centers among the rows by k-means++: the probability of a row is
// proportional to its squared distance from the nearest center so far.
func seedCentroids(t table, k int, random *rand.Rand) table {
	centers := t.selectRows([]int{random.IntN(t.n)})
	distance := make([]float64, t.n)
	for i := range distance {
		distance[i] = math.Inf(1)
	}
	for centers.n < k {
		sum := 0.0
		for i := range distance {
			distance[i] = min(distance[i], squaredDistance(t.row(i), centers.row(centers.n-1)))
			sum += distance[i]
		}
		if sum == 0 { // fewer different rows than centers
			break
		}
		sampled, next := random.Float64()*sum, 0
		for next < t.n-1 && (sampled >= distance[next] || distance[next] == 0) {
			sampled -= distance[next]
			next++
		}
		centers.values = append(centers.values, t.row(next)...)
		centers.n++
	}
	return centers
}

// assign gives each row the nearest center and reports whether any row changed its cluster.
func assign(t table, centers table, of []int) (changed bool) {
	for i := range of {
		best, nearest := 0, math.Inf(1)
		for c := range centers.n {
			if d := squaredDistance(t.row(i), centers.row(c)); d < nearest {
				best, nearest = c, d
			}
		}
		changed = changed || of[i] != best
		of[i] = best
	}
	return changed
}

// centroids returns the clusters' centers; the center of an empty cluster is at infinity.
func centroids(t table, of []int, k int) table {
	centers, size := table{k, t.k, make([]float64, k*t.k)}, make([]float64, k)
	for i, c := range of {
		size[c]++
		for j, x := range t.row(i) {
			centers.values[c*t.k+j] += x
		}
	}
	for c := range k {
		for j := range centers.row(c) {
			if size[c] == 0 {
				centers.row(c)[j] = math.Inf(1)
			} else {
				centers.row(c)[j] /= size[c]
			}
		}
	}
	return centers
}

// orderClusters drops empty clusters and sorts the others by the widest column of their centers.
func orderClusters(t table, of []int, k int) ([]int, table) {
	filled := slices.Compact(slices.Sorted(slices.Values(of)))
	centers := centroids(t, of, k).selectRows(filled)
	order, along := make([]int, len(filled)), centers.widestColumn()
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Compare(centers.row(a)[along], centers.row(b)[along])
	})
	name := make([]int, k)
	for index, c := range order {
		name[filled[c]] = index
	}
	for i := range of {
		of[i] = name[of[i]]
	}
	return of, centers.selectRows(order)
}

// squaredDistance returns the squared Euclidean distance of two rows.
func squaredDistance(a, b []float64) float64 {
	sum := 0.0
	for i, x := range a {
		sum += (x - b[i]) * (x - b[i])
	}
	return sum
}
