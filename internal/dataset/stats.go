package dataset

import (
	"fmt"
	"sort"
)

// Stats describes a dataset in numbers, for reports.
type Stats struct {
	Users        int `json:"users"`
	Items        int `json:"items"`
	Interactions int `json:"interactions"`
	// Density is interactions / (users * items), 0 to 1.
	Density float64 `json:"density"`
	// Shortest, Median and Longest are lengths of sequences.
	Shortest int `json:"shortest"`
	Median   int `json:"median"`
	Longest  int `json:"longest"`
	// Short is the number of users with fewer than MinItems items, who cannot be evaluated.
	Short int `json:"short"`
	// Train, Val and Test count explanations; Rationales those with a rationale; Features distinct
	// features.
	Train      int `json:"explanations_train"`
	Val        int `json:"explanations_val"`
	Test       int `json:"explanations_test"`
	Rationales int `json:"rationales"`
	Features   int `json:"features"`
	// Negatives is the smallest number of negatives of any user; 0 if there are none.
	Negatives int `json:"negatives"`
	// Titles is the number of items with a title.
	Titles int `json:"titles"`
}

// Stats returns the numbers of d.
func (d *Dataset) Stats() Stats {
	s := Stats{Users: len(d.Users), Items: d.Items}
	lengths := make([]int, len(d.Users))
	for i, u := range d.Users {
		lengths[i] = len(u.Items)
		s.Interactions += len(u.Items)
		if len(u.Items) < MinItems {
			s.Short++
		}
		if n := len(d.Negatives[u.ID]); i == 0 || n < s.Negatives {
			s.Negatives = n
		}
	}
	sort.Ints(lengths)
	if n := len(lengths); n > 0 {
		s.Shortest, s.Median, s.Longest = lengths[0], lengths[n/2], lengths[n-1]
	}
	if s.Users > 0 && s.Items > 0 {
		s.Density = float64(s.Interactions) / float64(s.Users) / float64(s.Items)
	}
	for _, title := range d.Titles {
		if title != "" {
			s.Titles++
		}
	}
	s.explanations(d.Explanations)
	return s
}

func (s *Stats) explanations(splits Splits) {
	features := map[string]bool{}
	for _, split := range splits.all() {
		for _, e := range split.list {
			if e.HasRationale() {
				s.Rationales++
			}
			if e.Feature != "" {
				features[e.Feature] = true
			}
		}
	}
	s.Train, s.Val, s.Test, s.Features = len(splits.Train), len(splits.Val), len(splits.Test), len(features)
}

// String returns one line for people.
func (s Stats) String() string {
	return fmt.Sprintf("%d users, %d items, %d interactions (density %.3g), %d explanations, %d rationales",
		s.Users, s.Items, s.Interactions, s.Density, s.Train+s.Val+s.Test, s.Rationales)
}
