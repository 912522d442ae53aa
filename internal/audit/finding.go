package audit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"

	"rdrec/internal/baseline"
)

// Thresholds from which a finding is not [Fine].
const (
	orderedCorrelation = 0.9  // rank correlation of ids that follow the order of appearance
	leakLift           = 10.0 // how often the next id is right, relative to chance, if ids leak
	duplicateShare     = 0.2  // share of users with the sequence of another user
	largeGroupShare    = 0.05 // share of users from which a sequence is named beside the largest
	leakedPairShare    = 0.01 // share of test pairs with a training explanation
)

// findings returns a finding for each measurement, the most severe first.
func (a Audit) findings() []Finding {
	list := []Finding{a.Indexing.finding(a), a.Sequences.finding(), a.Overlap.finding(), a.Timestamps.finding()}
	if a.Sequences.Repeated > 0 {
		list = append(list, Finding{Caution, "Some test items are in the user's history", fmt.Sprintf(
			"%s already have their test item in their history; a ranking of unseen items can never contain "+
				"it.", userCount(a.Sequences.Repeated))})
	}
	if a.Overlap.InMultipleSplits > 0 {
		list = append(list, Finding{Leak, "Pairs occur in several splits", fmt.Sprintf(
			"%s pairs of user and item have explanations in two of train, val and test.",
			thousands(a.Overlap.InMultipleSplits))})
	}
	order := []Level{Leak, Caution, Fine}
	slices.SortStableFunc(
		list, func(x, y Finding) int { return slices.Index(order, x.Level) - slices.Index(order, y.Level) },
	)
	return list
}

func (n Indexing) finding(a Audit) Finding {
	rule := metricValues(a, "HR@5", "NDCG@5", "HR@10", "NDCG@10")
	if n.Spearman >= orderedCorrelation && n.NextIDShare >= leakLift*n.Chance {
		return Finding{Leak, "Item ids leak test items", fmt.Sprintf(
			"Item ids follow the order in which items appear, test items included (rank correlation %.2f): for %s "+
				"of the users the test item is simply the id after the highest in their history, against %s by "+
				"chance. A rule without a model that reads only ids reaches %s. A model that does not beat it has "+
				"not shown that it learned anything.",
			n.Spearman, percent(n.NextIDShare), percent(n.Chance), rule)}
	}
	if n.NextIDShare >= leakLift*n.Chance && n.Chance > 0 {
		return Finding{Caution, "Item ids carry some information", fmt.Sprintf(
			"The test item is the id after the highest in the history for %s of the users, against %s by chance "+
				"(rank correlation of ids with first appearance %.2f). The rule that reads only ids reaches %s.",
			percent(n.NextIDShare), percent(n.Chance), n.Spearman, rule)}
	}
	return Finding{Fine, "Item ids carry no order", fmt.Sprintf(
		"The rank correlation of ids with first appearance is %.2f; the rule that reads only ids reaches %s, mostly "+
			"through the popular items that complete its list.", n.Spearman, rule)}
}

func metricValues(a Audit, names ...string) string {
	parts := make([]string, 0, len(names))
	for _, name := range names {
		if value, found := Figure(a.Rule, name); found {
			parts = append(parts, fmt.Sprintf("%s %.4f", name, value))
		}
	}
	return strings.Join(parts, ", ")
}

func (s Sequences) finding() Finding {
	share := ratio(s.Shared, s.Users)
	if share < duplicateShare || len(s.Largest) == 0 {
		return Finding{Fine, "User sequences are distinct", fmt.Sprintf(
			"%s of the %s have a sequence that another user has too.", percent(share), userCount(s.Users))}
	}
	var groups []string
	for i, group := range s.Largest {
		if i == 0 || ratio(group.Users, s.Users) >= largeGroupShare {
			groups = append(
				groups, fmt.Sprintf("%s share one sequence of %d items", userCount(group.Users), len(group.Items)),
			)
		}
	}
	return Finding{Caution, "Many users have identical sequences", fmt.Sprintf(
		"%s; in all %s of the %s have a sequence that another user has too. Counting which item follows which "+
			"is enough to score well here: these scores show that the pipeline works and trains, not how good a "+
			"recommender is.",
		strings.Join(groups, ", "), percent(share), userCount(s.Users))}
}

func (o Overlap) finding() Finding {
	share := ratio(o.Train, o.Users)
	switch {
	case o.Explanations == 0:
		return Finding{Fine, "There are no explanations", "So none covers a test pair."}
	case o.Explained == 0:
		return Finding{Fine, "No training explanation covers a test pair", fmt.Sprintf(
			"None of the %s test pairs has an explanation for training.", thousands(o.Users))}
	case share >= leakedPairShare:
		return Finding{Leak, "Training explanations cover test pairs", fmt.Sprintf(
			"%s of the %s test pairs (%s) have an explanation in the training split, and so have %s validation pairs: "+
				"a student that trains on explanations has seen these users with their test items. Protocol clean "+
				"holds them out.",
			thousands(o.Train), thousands(o.Users), percent(share), thousands(o.Validation))}
	default:
		return Finding{Fine, "Training explanations exclude test pairs", fmt.Sprintf(
			"%s of the %s test pairs have an explanation in the training split; %s have one in "+
				"any.", thousands(o.Train), thousands(o.Users), thousands(o.Explained))}
	}
}

func (t Timestamps) finding() Finding {
	switch {
	case t.Users == 0:
		return Finding{
			Caution, "Chronological order cannot be checked",
			"The data have no time stamps, so the order of the file cannot be verified.",
		}
	case t.OutOfOrder > 0:
		return Finding{Leak, "Some sequences are out of chronological order", fmt.Sprintf(
			"%s of %s have items out of order, so their test item is not their last.",
			thousands(t.OutOfOrder), userCount(t.Users))}
	case ratio(t.Tied, t.Users) >= baseline.TiedShare:
		return Finding{Caution, "The last item is often ambiguous", fmt.Sprintf(
			"For %s of %s (%s) the test item has the same time stamp as the item before it, so which of them is "+
				"last is "+
				"arbitrary.",
			thousands(t.Tied), userCount(t.Users), percent(ratio(t.Tied, t.Users)))}
	default:
		return Finding{Fine, "Sequences are in chronological order", fmt.Sprintf(
			"All of %s; the last two items of %s have the same time stamp.", userCount(t.Users), thousands(t.Tied))}
	}
}

func userCount(n int) string {
	if n == 1 {
		return "1 user"
	}
	return thousands(n) + " users"
}

// thousands formats an integer with separators.
func thousands(n int) string { return humanize.Comma(int64(n)) }

// percent formats a share as a percentage, with more decimals for small shares.
func percent(share float64) string {
	switch {
	case share >= 0.1 || share == 0:
		return fmt.Sprintf("%.0f%%", 100*share)
	case share >= 0.001:
		return fmt.Sprintf("%.1f%%", 100*share)
	default:
		return fmt.Sprintf("%.3f%%", 100*share)
	}
}
