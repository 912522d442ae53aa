package dataset

import (
	"fmt"
	"iter"
	"math/rand/v2"
)

// FillNegatives samples n unseen items for every user that has none yet. Each user has its own
// generator (seed, user id), so the sample does not depend on the other users. It fails with the
// first user for whom fewer than n unseen items exist (the reference never ends then).
func (d *Dataset) FillNegatives(n int, seed int64) error {
	filled := make(map[int][]int, len(d.Users))
	for u, err := range d.StreamNegatives(n, seed) {
		if err != nil {
			return err
		}
		filled[u.ID] = u.Items
	}
	d.Negatives = filled
	return nil
}

// StreamNegatives is [Dataset.FillNegatives] without keeping the samples: each user comes with its
// negatives as Items.
func (d *Dataset) StreamNegatives(n int, seed int64) iter.Seq2[User, error] {
	return func(yield func(User, error) bool) {
		for _, u := range d.Users {
			unseen := d.Negatives[u.ID]
			if unseen == nil {
				var err error
				if unseen, err = d.sampleNegatives(u, n, seed); err != nil {
					yield(User{}, err)
					return
				}
			}
			if !yield(User{ID: u.ID, Items: unseen}, nil) {
				return
			}
		}
	}
}

func (d *Dataset) sampleNegatives(u User, n int, seed int64) ([]int, error) {
	excluded := make(map[int]bool, len(u.Items)+n)
	for _, item := range u.Items {
		excluded[item] = true
	}
	if available := d.Items - len(excluded); available < n {
		return nil, fmt.Errorf("sample negatives for dataset %q: user %d has seen %d of %d items, "+
			"so only %d remain, fewer than the %d of data.negatives",
			d.Name, u.ID, len(excluded), d.Items, available, n)
	}
	random := rand.New(rand.NewPCG(uint64(seed), uint64(u.ID)))
	sampled := make([]int, 0, n)
	for len(sampled) < n {
		item := 1 + random.IntN(d.Items)
		if !excluded[item] {
			excluded[item] = true
			sampled = append(sampled, item)
		}
	}
	return sampled, nil
}
