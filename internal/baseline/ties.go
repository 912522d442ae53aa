package baseline

import (
	"math/rand/v2"

	"rdrec/internal/dataset"
	"rdrec/internal/metric"
)

const (
	// TieOrders is the number of random orders of equal times that [TieRanges] compares.
	TieOrders = 20
	// TiedShare is the share of users whose last item is ambiguous above which the ranges matter.
	TiedShare = 0.05
	// maxTieUsers is the number of users that the ranges are computed on.
	maxTieUsers = 2000
)

// Ties is how much the order of equal times changes the sequential scores of baselines.
type Ties struct {
	// Users is the number of evaluated users. Timed of them have times, and the last item of
	// Affected shares its time with another item.
	Users    int `json:"users"`
	Timed    int `json:"timed"`
	Affected int `json:"affected"`
	// Sampled is the number of users that the ranges are computed on.
	Sampled int `json:"sampled,omitempty"`
	// Ranges has the lowest and the highest score over TieOrders random orders.
	Ranges []TieRange `json:"ranges,omitempty"`
}

// TieRange is the range of a baseline's score.
type TieRange struct {
	Baseline string  `json:"baseline"`
	Metric   string  `json:"metric"`
	Low      float64 `json:"low"`
	High     float64 `json:"high"`
}

// CountTies counts the evaluated users whose last item is ambiguous; limit is that of [Users].
func CountTies(d *dataset.Dataset, limit int) Ties {
	t := Ties{}
	for _, user := range Users(d, limit) {
		t.Users++
		if user.Times != nil {
			t.Timed++
		}
		if user.LastTied() {
			t.Affected++
		}
	}
	return t
}

// Matter reports whether so many users are affected that the ranges should be known.
func (t Ties) Matter() bool { return float64(t.Affected) > TiedShare*float64(t.Users) }

// AddRanges adds the ranges of the baselines' HR@10 and NDCG@10 over random orders of equal times.
// Each order is fitted and ranked anew. Report is called before each order and may end the work.
func (t *Ties) AddRanges(
	d *dataset.Dataset, rows []Baseline, limit int, seed int64, report func(done int) error,
) error {
	if limit == 0 || limit > maxTieUsers {
		limit = maxTieUsers
	}
	random := rand.New(rand.NewPCG(uint64(seed), 0x71e5)) //nolint:gosec // a shuffle, not a secret
	for order := range TieOrders {
		if err := report(order); err != nil {
			return err
		}
		shuffled := d.ShuffleTies(random)
		users := Users(shuffled, limit)
		t.Sampled = len(users)
		at := 0
		for _, row := range rows {
			lists := Sequential(users, row.Fit(shuffled), 10)
			for _, m := range metric.Table() {
				if m.Name != "HR@10" && m.Name != "NDCG@10" {
					continue
				}
				t.widen(order, at, TieRange{Baseline: row.Name, Metric: m.Name}, mean(lists, m))
				at++
			}
		}
	}
	return nil
}

// widen extends the range at an index by a value of an order.
func (t *Ties) widen(order, at int, empty TieRange, value float64) {
	if order == 0 {
		empty.Low, empty.High = value, value
		t.Ranges = append(t.Ranges, empty)
		return
	}
	t.Ranges[at].Low, t.Ranges[at].High = min(t.Ranges[at].Low, value), max(t.Ranges[at].High, value)
}

// mean returns a ranking metric's mean over users.
func mean(lists []metric.List, m metric.Metric) float64 {
	sum := 0.0
	for _, list := range lists {
		sum += m.Strict(list, m.K)
	}
	return sum / float64(max(1, len(lists)))
}
