package audit_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/audit"
	"rdrec/internal/metric"
)

// TestFindingsAtTheirThresholds sets each measurement to its threshold and just below.
func TestFindingsAtTheirThresholds(t *testing.T) {
	largest := []audit.Group{{Users: 20, Items: []int{1, 2, 3}}}
	for _, c := range []struct {
		name string
		of   audit.Audit
		want audit.Finding // Text is a part of it
	}{
		{
			"ids in order, ten times chance",
			audit.Audit{Indexing: audit.Indexing{Spearman: 0.9, NextIDShare: 0.1, Chance: 0.01}},
			audit.Finding{
				Level: audit.Leak, Title: "Item ids leak test items",
				Text: "(rank correlation 0.90): for 10% of the users",
			},
		},
		{
			"ids less in order",
			audit.Audit{Indexing: audit.Indexing{Spearman: 0.89, NextIDShare: 0.1, Chance: 0.01}},
			audit.Finding{
				Level: audit.Caution, Title: "Item ids carry some information",
				Text: "for 10% of the users, against 1.0% by chance",
			},
		},
		{
			"less than ten times chance",
			audit.Audit{Indexing: audit.Indexing{Spearman: 1, NextIDShare: 0.099, Chance: 0.01}},
			audit.Finding{Level: audit.Fine, Title: "Item ids carry no order", Text: "first appearance is 1.00;"},
		},
		{
			"no items",
			audit.Audit{},
			audit.Finding{Level: audit.Fine, Title: "Item ids carry no order", Text: "first appearance is 0.00;"},
		},
		{
			"a fifth of the users with shared sequences",
			audit.Audit{Sequences: audit.Sequences{Users: 100, Shared: 20, Largest: largest}},
			audit.Finding{
				Level: audit.Caution, Title: "Many users have identical sequences",
				Text: "20 users share one sequence of 3 items; in all 20% of the 100 users",
			},
		},
		{
			"fewer shared sequences",
			audit.Audit{Sequences: audit.Sequences{Users: 100, Shared: 19, Largest: largest}},
			audit.Finding{Level: audit.Fine, Title: "User sequences are distinct", Text: "19% of the 100 users"},
		},
		{
			"a group of a twentieth is named, a smaller one not",
			audit.Audit{Sequences: audit.Sequences{Users: 100, Shared: 30, Largest: []audit.Group{
				{Users: 8, Items: []int{1, 2, 3}}, {Users: 5, Items: []int{1, 2, 4}}, {Users: 4, Items: []int{1, 2, 5}},
			}}},
			audit.Finding{
				Level: audit.Caution, Title: "Many users have identical sequences",
				Text: "8 users share one sequence of 3 items, 5 users share one sequence of 3 items; in all 30%",
			},
		},
		{
			"the largest group is named however small",
			audit.Audit{Sequences: audit.Sequences{
				Users: 100, Shared: 30, Largest: []audit.Group{{Users: 2, Items: []int{1, 2, 3}}},
			}},
			audit.Finding{
				Level: audit.Caution, Title: "Many users have identical sequences",
				Text: "2 users share one sequence of 3 items; in all 30%",
			},
		},
		{
			"a share without a group",
			audit.Audit{Sequences: audit.Sequences{Users: 10, Shared: 5}},
			audit.Finding{Level: audit.Fine, Title: "User sequences are distinct", Text: "50% of the 10 users"},
		},
		{
			"one in a hundred test pairs",
			audit.Audit{Overlap: audit.Overlap{
				Explanations: 9, Users: 100, Explained: 1, Train: 1, Validation: 3,
			}},
			audit.Finding{
				Level: audit.Leak, Title: "Training explanations cover test pairs",
				Text: "1 of the 100 test pairs (1.0%) have an explanation in the training split, and so have 3 " +
					"validation pairs",
			},
		},
		{
			"fewer test pairs",
			audit.Audit{Overlap: audit.Overlap{Explanations: 9, Users: 101, Explained: 2, Train: 1}},
			audit.Finding{
				Level: audit.Fine, Title: "Training explanations exclude test pairs",
				Text: "1 of the 101 test pairs have an explanation in the training split; 2 have one in any",
			},
		},
		{
			"no test pair explained",
			audit.Audit{Overlap: audit.Overlap{Explanations: 9, Users: 7}},
			audit.Finding{
				Level: audit.Fine, Title: "No training explanation covers a test pair",
				Text: "None of the 7 test pairs",
			},
		},
		{
			"no explanations",
			audit.Audit{Overlap: audit.Overlap{Users: 7}},
			audit.Finding{Level: audit.Fine, Title: "There are no explanations", Text: "none covers"},
		},
		{
			"no times",
			audit.Audit{},
			audit.Finding{Level: audit.Caution, Title: "Chronological order cannot be checked", Text: "no time stamps"},
		},
		{
			"one sequence out of order",
			audit.Audit{Timestamps: audit.Timestamps{Users: 1, OutOfOrder: 1, Tied: 1}},
			audit.Finding{
				Level: audit.Leak, Title: "Some sequences are out of chronological order",
				Text: "1 of 1 user have items",
			},
		},
		{
			"a twentieth tied",
			audit.Audit{Timestamps: audit.Timestamps{Users: 100, Tied: 5}},
			audit.Finding{
				Level: audit.Caution, Title: "The last item is often ambiguous",
				Text: "For 5 of 100 users (5.0%) the test item has the same time stamp",
			},
		},
		{
			"fewer tied",
			audit.Audit{Timestamps: audit.Timestamps{Users: 100, Tied: 4}},
			audit.Finding{
				Level: audit.Fine, Title: "Sequences are in chronological order",
				Text: "All of 100 users; the last two items of 4 have",
			},
		},
		{
			"one test item in the history",
			audit.Audit{Sequences: audit.Sequences{Repeated: 1}},
			audit.Finding{
				Level: audit.Caution, Title: "Some test items are in the user's history", Text: "1 user already have",
			},
		},
		{
			"one pair in two splits",
			audit.Audit{Overlap: audit.Overlap{InMultipleSplits: 1}},
			audit.Finding{Level: audit.Leak, Title: "Pairs occur in several splits", Text: "1 pairs of user and item"},
		},
	} {
		list := audit.Findings(c.of)
		at := slices.IndexFunc(list, func(f audit.Finding) bool { return f.Title == c.want.Title })
		if at < 0 || list[at].Level != c.want.Level || !strings.Contains(list[at].Text, c.want.Text) {
			t.Errorf("%s: %+v, want among them %+v", c.name, list, c.want)
		}
		if want := 4 + min(1, c.of.Sequences.Repeated) + min(1, c.of.Overlap.InMultipleSplits); len(list) != want {
			t.Errorf("%s: %d findings, want %d", c.name, len(list), want)
		}
	}
}

// TestMostSevereFindingsComeFirst expects their own order among equals.
func TestMostSevereFindingsComeFirst(t *testing.T) {
	var got []string
	for _, f := range audit.Findings(audit.Audit{
		Sequences:  audit.Sequences{Users: 10, Shared: 5, Largest: []audit.Group{{Users: 5}}, Repeated: 2},
		Overlap:    audit.Overlap{Explanations: 1, Users: 10, Explained: 1, Train: 1, InMultipleSplits: 1},
		Timestamps: audit.Timestamps{Users: 10, Tied: 1},
	}) {
		got = append(got, string(f.Level)+": "+f.Title)
	}
	want := []string{
		"leak: Training explanations cover test pairs", "leak: Pairs occur in several splits",
		"caution: Many users have identical sequences", "caution: The last item is often ambiguous",
		"caution: Some test items are in the user's history",
		"fine: Item ids carry no order",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}

// TestFindingContainsTheRulesScores expects them in the order of the papers.
func TestFindingContainsTheRulesScores(t *testing.T) {
	a := audit.Audit{Rule: []metric.Score{
		{Metric: "HR@1", Value: 0.5},
		{Metric: "NDCG@10", Value: 0.125},
		{Metric: "HR@5", Value: 0.25},
		{Metric: "HR@10", Value: 0.0625},
	}}
	const want = "reaches HR@5 0.2500, HR@10 0.0625, NDCG@10 0.1250, mostly through"
	if text := audit.Findings(a)[0].Text + audit.Findings(a)[1].Text; !strings.Contains(text, want) {
		t.Errorf("%s: want %s", text, want)
	}
}

func TestPercent(t *testing.T) {
	for share, want := range map[float64]string{
		0: "0%", 1: "100%", 0.1: "10%", 0.0999: "10.0%", 0.05: "5.0%", 0.001: "0.1%", 0.0009: "0.090%",
		0.00001: "0.001%",
	} {
		if got := audit.Percent(share); got != want {
			t.Errorf("percent of %g = %q, want %q", share, got, want)
		}
	}
}

// TestTextByHand compares the whole page of a small dataset.
func TestTextByHand(t *testing.T) {
	a := audit.Run(leaky(2), 1)
	a.Findings = a.Findings[:1]
	a.Findings[0].Text = "So it is."
	var out bytes.Buffer
	if err := a.Text(&out); err != nil {
		t.Fatal(err)
	}
	// Histories 1 2 and 4 5, test items 3 and 6: the rule's first guess is right. With the training
	// items 1 and 4, popularity orders the unseen items 4 3 5 6 for the first user and 1 2 3 6 for
	// the second. The NDCG is (1/log2(3) + 1/log2(5)) / 2.
	want := `Leak audit of leaky: 2 users, leave one out, all items

                           HR@1     HR@5   NDCG@5    HR@10  NDCG@10
rule (item ids)          1.0000   1.0000   1.0000   1.0000   1.0000
popularity               0.0000   1.0000   0.5308   1.0000   0.5308

rank correlation of item id with first position                1.0000 over 6 items
test items whose id is the user's highest plus one             2 of 2 (100%)
users with the sequence of another user                        0 of 2 (0%)
users whose test item is already in their history              0 of 2 (0%)
explanations                                                   0
test pairs with a training explanation                         0 of 2 (0%)
validation pairs with a training explanation                   0 of 2 (0%)
pairs with explanations in several splits                      0
sequences with time stamps                                     2 of 2 (100%)
of them out of chronological order                             0 of 2 (0%)
of them with a tie in time before the test item                0 of 2 (0%)

FINE     Item ids carry no order. So it is.
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("page (-want +got):\n%s", diff)
	}
	broken := errors.New("broken")
	if err := a.Text(failing{broken}); !errors.Is(err, broken) {
		t.Errorf("error %v, want %v", err, broken)
	}
}

// failing is a writer whose Write fails.
type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// TestSeedChangesOnlyIntervals: another seed changes the intervals and nothing else.
func TestSeedChangesOnlyIntervals(t *testing.T) {
	d := leaky(30)
	for i := range d.Users {
		d.Users[i].Items[2] = 1 + (d.Users[i].Items[2]+i*i)%90
	}
	one, two := audit.Run(d, 1), audit.Run(d, 2)
	if cmp.Equal(one.Rule, two.Rule) || cmp.Equal(one.Popularity, two.Popularity) {
		t.Errorf("seeds 1 and 2 have the same intervals: %+v", one.Rule)
	}
	for i, score := range one.Rule {
		if score.Value != two.Rule[i].Value {
			t.Errorf("%s is %v with seed 1 and %v with seed 2", score.Metric, score.Value, two.Rule[i].Value)
		}
	}
	if diff := cmp.Diff(one, audit.Run(d, 1)); diff != "" {
		t.Errorf("the same seed (-first +second):\n%s", diff)
	}
}
