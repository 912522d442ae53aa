package indexing

import (
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/mat"
)

// operator multiplies a symmetric matrix by k vectors; in and out are [nodes, k].
type operator func(out, in []float64, k int)

// subspaceIterations is the number of multiplications: clusters need directions, not precision.
const subspaceIterations = 40

// table is n row vectors. [n, k]
type table struct {
	n, k   int
	values []float64
}

func (t table) row(i int) []float64 { return t.values[i*t.k : (i+1)*t.k] }

// leadingVectors returns the k leading eigenvectors of an operator over n nodes, one row for each
// node, largest eigenvalue first, and the eigenvalues: subspace iteration from random vectors, then
// the Rayleigh-Ritz method. Signs are fixed, so the same operator gives the same vectors.
func leadingVectors(multiply operator, n, k int, random *rand.Rand) (vectors table, eigenvalues []float64) {
	return iterateSubspace(multiply, n, k, subspaceIterations, random)
}

// iterateSubspace is [leadingVectors] with a number of multiplications.
func iterateSubspace(
	multiply operator, n, k, iterations int, random *rand.Rand,
) (vectors table, eigenvalues []float64) {
	k = min(k, n)
	if k == 0 {
		return table{}, nil
	}
	t, product := table{n, k, make([]float64, n*k)}, make([]float64, n*k)
	for i := range t.values {
		t.values[i] = random.NormFloat64()
	}
	t.orthonormalize()
	for range iterations {
		multiply(product, t.values, k)
		t.values, product = product, t.values
		t.orthonormalize()
	}
	multiply(product, t.values, k)
	return t.rotateToEigenvectors(product)
}

// orthonormalize makes the columns orthogonal and of length 1 (modified Gram-Schmidt, twice). A
// column in the span of the earlier ones becomes 0.
func (t table) orthonormalize() {
	columns := make([][]float64, t.k)
	for j := range columns {
		columns[j] = make([]float64, t.n)
		for i := range t.n {
			columns[j][i] = t.values[i*t.k+j]
		}
	}
	for j, column := range columns {
		before := norm(column)
		for range 2 {
			for _, earlier := range columns[:j] {
				along := dot(earlier, column)
				for i := range column {
					column[i] -= along * earlier[i]
				}
			}
		}
		length, scale := norm(column), 0.0
		if length > 1e-10*before {
			scale = 1 / length
		}
		for i := range column {
			t.values[i*t.k+j] = column[i] * scale
			column[i] *= scale
		}
	}
}

// rotateToEigenvectors rotates the columns to the operator's eigenvectors, largest eigenvalue
// first; product is the operator times t.
func (t table) rotateToEigenvectors(product []float64) (rotated table, eigenvalues []float64) {
	inner := mat.NewSymDense(t.k, nil)
	for a := range t.k {
		for b := a; b < t.k; b++ {
			sum := 0.0
			for i := range t.n {
				sum += t.values[i*t.k+a] * product[i*t.k+b]
			}
			inner.SetSym(a, b, sum)
		}
	}
	var eigen mat.EigenSym
	if !eigen.Factorize(inner, true) { // it fails only on NaN
		return t, make([]float64, t.k)
	}
	var rotation mat.Dense
	eigen.VectorsTo(&rotation)
	out := table{t.n, t.k, make([]float64, len(t.values))}
	for i := range t.n {
		for j := range t.k {
			for a, x := range t.row(i) {
				out.values[i*t.k+j] += x * rotation.At(a, t.k-1-j) // gonum sorts in ascending order
			}
		}
	}
	out.fixSigns()
	eigenvalues = eigen.Values(nil)
	slices.Reverse(eigenvalues)
	return out, eigenvalues
}

// fixSigns makes the entry of the largest absolute value of each column positive.
func (t table) fixSigns() {
	for j := range t.k {
		greatest := 0.0
		for i := range t.n {
			if x := t.values[i*t.k+j]; math.Abs(x) > math.Abs(greatest) {
				greatest = x
			}
		}
		for i := range t.n {
			t.values[i*t.k+j] = math.Copysign(1, greatest) * t.values[i*t.k+j]
		}
	}
}

// scale multiplies the columns by the square roots of their eigenvalues.
func (t table) scale(eigenvalues []float64) {
	for i := range t.n {
		for j := range t.k {
			t.values[i*t.k+j] *= math.Sqrt(max(0, eigenvalues[j]))
		}
	}
}

// normalizeRows scales rows to length 1; rows of zeros stay.
func (t table) normalizeRows() {
	for i := range t.n {
		row := t.row(i)
		if length := norm(row); length > 0 {
			for j := range row {
				row[j] /= length
			}
		}
	}
}

// selectRows returns some of the rows.
func (t table) selectRows(rows []int) table {
	out := table{len(rows), t.k, make([]float64, 0, len(rows)*t.k)}
	for _, i := range rows {
		out.values = append(out.values, t.row(i)...)
	}
	return out
}

// widestColumn returns the column with the widest range of values.
func (t table) widestColumn() int {
	width := make([]float64, t.k)
	for j := range width {
		low, high := math.Inf(1), math.Inf(-1)
		for i := range t.n {
			low, high = min(low, t.values[i*t.k+j]), max(high, t.values[i*t.k+j])
		}
		width[j] = high - low
	}
	return slices.Index(width, slices.Max(width))
}

func dot(a, b []float64) float64 {
	sum := 0.0
	for i, x := range a {
		sum += x * b[i]
	}
	return sum
}

func norm(a []float64) float64 { return math.Sqrt(dot(a, a)) }
