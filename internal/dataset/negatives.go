package dataset

import (
	"fmt"
	"math/rand/v2"
)

// FillNegatives draws n items that a user has not seen for every user who has none yet, each user from a generator of its own
// (seed, user id), so that the draw does not depend on who else is in the set. It fails, naming the first such user, when fewer
// than n unseen items exist (the reference never ends then).
func (d *Dataset) FillNegatives(n int, seed int64) error {
	filled := make(map[int][]int, len(d.Users))
	for _, u := range d.Users {
		if had := d.Negatives[u.ID]; had != nil {
			filled[u.ID] = had
			continue
		}
		drawn, err := d.draw(u, n, seed)
		if err != nil {
			return err
		}
		filled[u.ID] = drawn
	}
	d.Negatives = filled
	return nil
}

func (d *Dataset) draw(u User, n int, seed int64) ([]int, error) {
	taken := make(map[int]bool, len(u.Items)+n)
	for _, item := range u.Items {
		taken[item] = true
	}
	if left := d.Items - len(taken); left < n {
		return nil, fmt.Errorf("draw negatives of dataset %q: user %d has seen %d of %d items, so only %d are left where %d are asked for (negatives)",
			d.Name, u.ID, len(taken), d.Items, left, n)
	}
	random := rand.New(rand.NewPCG(uint64(seed), uint64(u.ID)))
	drawn := make([]int, 0, n)
	for len(drawn) < n {
		item := 1 + random.IntN(d.Items)
		if !taken[item] {
			taken[item] = true
			drawn = append(drawn, item)
		}
	}
	return drawn, nil
}
