package dataset

// SampleEvenly returns n of total indices at equal distances, in order; all of them if n is 0 or at
// least total. Files like the paper's index items by first appearance, so their first users differ
// from the others: a sample must cover the whole file.
func SampleEvenly(total, n int) []int {
	if n <= 0 || n > total {
		n = total
	}
	indices := make([]int, n)
	for i := range indices {
		indices[i] = i * total / n
	}
	return indices
}
