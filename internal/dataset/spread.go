package dataset

// Spread picks n places of total at equal distances, in order; all of them where n is 0 or total is no more. Files of the paper's
// kind number items by first appearance, so their first users are nothing like the others: a sample must be spread over the file.
func Spread(total, n int) []int {
	if n <= 0 || n > total {
		n = total
	}
	places := make([]int, n)
	for i := range places {
		places[i] = i * total / n
	}
	return places
}
