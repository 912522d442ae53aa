package dataset

// SampleEvenly picks n places of total at equal distances, in order; all of them where n is 0 or
// total is no more. Files of the paper's kind number items by first appearance, so their first
// users are nothing like the others: a sample must be spread over the file.
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
