package dataset

import (
	"math/rand/v2"
	"slices"
)

// LastTied reports whether the last item shares its time with the one before it: their order is
// arbitrary. It is false without times.
func (u User) LastTied() bool {
	n := len(u.Times)
	return n > 1 && u.Times[n-1] == u.Times[n-2]
}

// ShuffleTies returns the dataset with the items of equal times in a random order. The users'
// sequences are new, all else is shared with d.
func (d *Dataset) ShuffleTies(random *rand.Rand) *Dataset {
	shuffled := *d
	shuffled.Users = slices.Clone(d.Users)
	for i := range shuffled.Users {
		user := &shuffled.Users[i]
		user.Items = slices.Clone(user.Items)
		for from := 0; from < len(user.Times); {
			to := from + 1
			for to < len(user.Times) && user.Times[to] == user.Times[from] {
				to++
			}
			tied := user.Items[from:to]
			random.Shuffle(len(tied), func(i, j int) { tied[i], tied[j] = tied[j], tied[i] })
			from = to
		}
	}
	return &shuffled
}
