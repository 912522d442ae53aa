package metric

import (
	"fmt"
	"hash/fnv"
	"math"
)

// Limits of [ListDiversity.Findings] and [TextDiversity.Findings]. A value beyond its limit is
// degenerate: the model ignores its input, whatever it scores.
const (
	// MaxFirstShare is the largest share of users with the same first item.
	MaxFirstShare = 0.5
	// MaxListShare is the largest share of users with the same list.
	MaxListShare = 0.5
	// MinCoverage is the smallest share of the catalog that occurs in a list, or of the lists'
	// positions where the catalog has more items than they can hold.
	MinCoverage = 0.05
	// MaxRepetitive is the largest share of texts of which one repeated word makes up half.
	MaxRepetitive = 0.1
	// MaxLooping is the largest share of texts of which a phrase in a loop makes up half.
	MaxLooping = 0.1
	// MaxEmpty is the largest share of empty texts.
	MaxEmpty = 0.1
	// MaxTextShare is the largest share of texts that are the same.
	MaxTextShare = 0.5
	// MinDistinctTexts is the smallest share of distinct texts.
	MinDistinctTexts = 0.1
	// MaxMeanRun is the largest mean length of a text's longest run of one word.
	MaxMeanRun = 2.0
)

// minDiverse is the number of lists or texts from which their findings count.
const minDiverse = 10

// ListDiversity describes how much the lists of different users differ. All shares are from 0 to 1.
type ListDiversity struct {
	// Users is the number of lists, and Positions the sum of their lengths.
	Users     int `json:"users"`
	Positions int `json:"positions"`
	// Items is the size of the catalog, whose ids are 1 to Items. Recommended is how many of them
	// occur in a list, and Coverage the same as a share of Items.
	Items       int     `json:"items"`
	Recommended int     `json:"recommended"`
	Coverage    float64 `json:"coverage"`
	// DistinctFirst is the number of distinct first items. FirstShare is the share of users with
	// the most frequent one.
	DistinctFirst int     `json:"distinct_first"`
	FirstShare    float64 `json:"first_share"`
	// DistinctLists is the number of distinct lists, order included. ListShare is the share of
	// users with the most frequent one.
	DistinctLists int     `json:"distinct_lists"`
	ListShare     float64 `json:"list_share"`
}

// MeasureLists returns the diversity of the lists over a catalog of that many items. An empty
// list has no first item; an id outside the catalog does not count as recommended.
func MeasureLists(lists []List, items int) ListDiversity {
	meter := NewListMeter(items)
	for _, list := range lists {
		meter.Add(list.Items)
	}
	return meter.Diversity()
}

// ListMeter measures lists one after the other, without keeping them.
type ListMeter struct {
	total       ListDiversity
	first       map[int]int
	whole       map[uint64]int // by the hash of the list
	recommended map[int]bool
}

// NewListMeter returns a meter for lists over a catalog of that many items.
func NewListMeter(items int) *ListMeter {
	return &ListMeter{
		total: ListDiversity{Items: items}, first: map[int]int{}, whole: map[uint64]int{}, recommended: map[int]bool{},
	}
}

// Add adds the list of another user.
func (m *ListMeter) Add(items []int) {
	m.total.Users++
	m.total.Positions += len(items)
	if len(items) > 0 {
		m.first[items[0]]++
	}
	hash := fnv.New64a()
	for _, item := range items {
		fmt.Fprint(hash, item, " ")
		if 1 <= item && item <= m.total.Items {
			m.recommended[item] = true
		}
	}
	m.whole[hash.Sum64()]++
}

// Diversity returns the diversity of the lists so far.
func (m *ListMeter) Diversity() ListDiversity {
	d := m.total
	d.Recommended, d.Coverage = len(m.recommended), share(len(m.recommended), d.Items)
	d.DistinctFirst, d.FirstShare = len(m.first), share(most(m.first), d.Users)
	d.DistinctLists, d.ListShare = len(m.whole), share(most(m.whole), d.Users)
	return d
}

// String returns the figures that show a degenerate model first: "18 of 12101 items recommended
// (0.1%), 83% of 552 users with the same first item".
func (d ListDiversity) String() string {
	return fmt.Sprintf("%d of %d items recommended (%s), %s of %d users with the same first item",
		d.Recommended, d.Items, percent(d.Coverage), percent(d.FirstShare), d.Users)
}

// most returns the highest count.
func most[K comparable](counts map[K]int) int {
	highest := 0
	for _, count := range counts {
		highest = max(highest, count)
	}
	return highest
}

func share(part, total int) float64 { return float64(part) / float64(max(total, 1)) }

// Degeneracy is a measurement beyond its limit.
type Degeneracy struct {
	// Measure is the JSON name of the measurement in [ListDiversity] or [TextDiversity].
	Measure string  `json:"measure"`
	Value   float64 `json:"value"`
	Limit   float64 `json:"limit"`
	// Text is the finding as a clause, with the value and the limit: "83% of 552 users have the
	// same first item (limit 50%)".
	Text string `json:"text"`
}

// Findings returns the measurements beyond their limits, the most severe first; none for fewer than
// ten users.
func (d ListDiversity) Findings() (found []Degeneracy) {
	if d.Users < minDiverse {
		return nil
	}
	if d.ListShare > MaxListShare {
		found = append(found, Degeneracy{"list_share", d.ListShare, MaxListShare, fmt.Sprintf(
			"%s of %d users have the same list (limit %s)", percent(d.ListShare), d.Users, percent(MaxListShare))})
	}
	if d.FirstShare > MaxFirstShare {
		found = append(found, Degeneracy{"first_share", d.FirstShare, MaxFirstShare, fmt.Sprintf(
			"%s of %d users have the same first item (limit %s); distinct first items: %d",
			percent(d.FirstShare), d.Users, percent(MaxFirstShare), d.DistinctFirst)})
	}
	if expected := math.Ceil(MinCoverage * float64(min(d.Items, d.Positions))); float64(d.Recommended) < expected {
		found = append(found, Degeneracy{"recommended", float64(d.Recommended), expected, fmt.Sprintf(
			"%d of %d items are recommended to anyone (%s; at least %.0f expected)",
			d.Recommended, d.Items, percent(d.Coverage), expected)})
	}
	return found
}

// percent formats a share: 0.3%, 12%.
func percent(x float64) string {
	if x > 0 && x < 0.0995 {
		return fmt.Sprintf("%.1f%%", 100*x)
	}
	return fmt.Sprintf("%.0f%%", 100*x)
}
