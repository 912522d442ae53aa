package audit

import (
	"fmt"
	"slices"
	"strings"
)

// Thresholds above which a finding is more than fine.
const (
	ordered   = 0.9  // |rank correlation| of numbers in order of appearance
	advantage = 10.0 // times chance that the next number is right, for numbers that leak
	alike     = 0.2  // share of users with a sequence of another user
	large     = 0.05 // share of users that one sequence needs to be named after the largest
	given     = 0.01 // share of test pairs whose explanation may be learnt
	arbitrary = 0.05 // share of users whose last item is not certain
)

// findings says every measure in words, the gravest first.
func (a Audit) findings() []Finding {
	list := []Finding{a.Numbering.finding(a), a.Sequences.finding(), a.Overlap.finding(), a.Times.finding()}
	if a.Sequences.Repeated > 0 {
		list = append(list, Finding{Caution, "Some test items were seen before", fmt.Sprintf(
			"%s already hold their test item in their history; a ranking of unseen items can never find it.", people(a.Sequences.Repeated))})
	}
	if a.Overlap.Twice > 0 {
		list = append(list, Finding{Leak, "Pairs stand in more than one split", fmt.Sprintf(
			"%d pairs of user and item have explanations in two of train, val and test.", a.Overlap.Twice)})
	}
	order := []Level{Leak, Caution, Fine}
	slices.SortStableFunc(list, func(x, y Finding) int { return slices.Index(order, x.Level) - slices.Index(order, y.Level) })
	return list
}

func (n Numbering) finding(a Audit) Finding {
	rule := figures(a, "HR@5", "NDCG@5", "HR@10", "NDCG@10")
	if n.Spearman >= ordered && n.Share >= advantage*n.Chance {
		return Finding{Leak, "Item numbers give test items away", fmt.Sprintf(
			"Items are numbered in the order in which they appear, test items included (rank correlation %.2f): for %s of the users the test "+
				"item is simply the number after the highest in their history, against %s by chance. A rule with no model, reading "+
				"only numbers, reaches %s. A model that does not beat it has not shown that it learnt anything.",
			n.Spearman, percent(n.Share), percent(n.Chance), rule)}
	}
	if n.Share >= advantage*n.Chance && n.Chance > 0 {
		return Finding{Caution, "Item numbers know something", fmt.Sprintf(
			"The test item is the number after the highest in the history for %s of the users, against %s by chance (rank correlation of "+
				"number with first appearance %.2f). The rule that reads only numbers reaches %s.",
			percent(n.Share), percent(n.Chance), n.Spearman, rule)}
	}
	return Finding{Fine, "Item numbers say nothing about order", fmt.Sprintf(
		"Rank correlation of an item's number with its first appearance %.2f; the rule that reads only numbers reaches %s, mostly by the "+
			"popular items it ends with.", n.Spearman, rule)}
}

func figures(a Audit, names ...string) string {
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
	if share < alike || len(s.Largest) == 0 {
		return Finding{Fine, "Users differ", fmt.Sprintf(
			"%s of the %d users have a sequence that another user has too.", percent(share), s.Users)}
	}
	var groups []string
	for i, group := range s.Largest {
		if i == 0 || ratio(group.Users, s.Users) >= large {
			groups = append(groups, fmt.Sprintf("%d users share one sequence of %d items", group.Users, len(group.Items)))
		}
	}
	return Finding{Caution, "Many users are copies of each other", fmt.Sprintf(
		"%s; in all %s of the %d users have a sequence that another user has too. Counting what followed what is enough to do well here: "+
			"these figures show that the whole way works and learns, not how good a recommender is.",
		strings.Join(groups, ", "), percent(share), s.Users)}
}

func (o Overlap) finding() Finding {
	share := ratio(o.Train, o.Users)
	switch {
	case o.Explanations == 0:
		return Finding{Fine, "There are no explanations", "So none of them speaks about a test pair."}
	case o.Explained == 0:
		return Finding{Fine, "No explanation speaks about a test pair", fmt.Sprintf(
			"None of the %d test pairs has an explanation for training.", o.Users)}
	case share >= given:
		return Finding{Leak, "Explanations for training speak about test pairs", fmt.Sprintf(
			"%d of the %d test pairs (%s) have an explanation in the training split, and so have %d validation pairs: a student that "+
				"learns explanations has seen these users with their test items. Protocol clean holds them out.",
			o.Train, o.Users, percent(share), o.Valid)}
	default:
		return Finding{Fine, "Explanations for training leave test pairs out", fmt.Sprintf(
			"%d of the %d test pairs have an explanation in the training split; %d have one in any.", o.Train, o.Users, o.Explained)}
	}
}

func (t Times) finding() Finding {
	switch {
	case t.Known == 0:
		return Finding{Caution, "Order in time cannot be checked", "The data hold no time stamps: the order of the file is taken on trust."}
	case t.Backwards > 0:
		return Finding{Leak, "Some sequences run backwards in time", fmt.Sprintf(
			"%d of %s have items that are not in time, so their test item is not their last.", t.Backwards, people(t.Known))}
	case ratio(t.Tied, t.Known) >= arbitrary:
		return Finding{Caution, "The last item is often not certain", fmt.Sprintf(
			"For %d of %s (%s) the test item has the same time stamp as the item before it: which of them is last is arbitrary.",
			t.Tied, people(t.Known), percent(ratio(t.Tied, t.Known)))}
	default:
		return Finding{Fine, "Sequences run forward in time", fmt.Sprintf(
			"All of %s; the last two items of %d have the same time stamp.", people(t.Known), t.Tied)}
	}
}

func people(n int) string {
	if n == 1 {
		return "1 user"
	}
	return fmt.Sprintf("%d users", n)
}

// percent writes a share with as many digits as it needs.
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
