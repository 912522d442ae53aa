package statement_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/dataset"
	"rdrec/internal/statement"
)

// shop has three users who wrote about item 1, one who wrote about item 2, and one who wrote
// nothing that was distilled.
func shop() []dataset.Explanation {
	return []dataset.Explanation{
		{
			User: 1, Item: 1, Explanation: "smells of roses", Preference: "The user prefers roses.",
			Attribution: "The item is roses.",
		},
		{
			User: 2, Item: 1, Explanation: "so cheap", Preference: "The user prefers cheap soap.",
			Attribution: "The item is cheap.",
		},
		{
			User: 3, Item: 1, Explanation: "lasts long", Preference: "The user prefers lasting soap.",
			Attribution: "The item is cheap.",
		},
		{
			User: 4, Item: 2, Explanation: "cheap and cheap again", Preference: "The user prefers cheap combs.",
			Attribution: "The item is strong.",
		},
		{User: 5, Item: 2, Explanation: "what lasting roses"},
	}
}

func TestRank(t *testing.T) {
	for name, c := range map[string]struct {
		user, item, n int
		want          []string
	}{
		// The words of user 4 are cheap and combs. Of the two statements about cheap, the shorter
		// one has less besides.
		"the user's words": {4, 1, 2, []string{"The item is cheap.", "The user prefers cheap soap."}},
		// User 5 wrote lasting and roses, but has no rationale.
		"a user without rationales": {5, 1, 1, []string{"The item is roses."}},
		// The statements of user 1 are left out; cheap is most typical of the others.
		"not the user's own": {1, 1, 9, []string{
			"The item is cheap.", "The user prefers cheap soap.", "The user prefers lasting soap.",
		}},
		// Nobody else wrote about item 2, so what user 4 prefers remains.
		"only own statements": {4, 2, 9, []string{"The user prefers cheap combs."}},
		"an unknown item":     {2, 9, 9, []string{"The user prefers cheap soap."}},
		"nothing known":       {9, 9, 9, []string{"The item is cheap."}},
		"an unknown user":     {9, 1, 1, []string{"The item is cheap."}},
	} {
		if diff := cmp.Diff(c.want, statement.NewRanker(shop()).Rank(c.user, c.item, c.n)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestRankIsDeterministic: the order of maps changes nothing.
func TestRankIsDeterministic(t *testing.T) {
	want := statement.NewRanker(shop()).Rank(5, 1, 9)
	for range 20 {
		if diff := cmp.Diff(want, statement.NewRanker(shop()).Rank(5, 1, 9)); diff != "" {
			t.Fatal(diff)
		}
	}
}

func TestNothingToRank(t *testing.T) {
	bare := []dataset.Explanation{{User: 1, Item: 1, Explanation: "nice"}}
	for _, explanations := range [][]dataset.Explanation{nil, bare} {
		if got := statement.NewRanker(explanations).Rank(1, 1, 3); len(got) > 0 {
			t.Errorf("ranked %q of explanations without a rationale", got)
		}
	}
}

// TestEqualRationalesAreRanked: no word has a weight, but the statements are there.
func TestEqualRationalesAreRanked(t *testing.T) {
	one := dataset.Explanation{User: 1, Item: 1, Explanation: "nice", Preference: "nice soap", Attribution: "a soap"}
	got := statement.NewRanker([]dataset.Explanation{one}).Rank(2, 1, 3)
	if diff := cmp.Diff([]string{"a soap", "nice soap"}, got); diff != "" {
		t.Error(diff)
	}
}

// TestWordsOfEveryStatementDoNotCount: of two statements, the one with the user's rare word wins,
// however many common words the other shares.
func TestWordsOfEveryStatementDoNotCount(t *testing.T) {
	r := statement.NewRanker([]dataset.Explanation{
		{User: 1, Item: 1, Preference: "the user prefers the soap", Attribution: "the user prefers the glossy soap"},
		{User: 2, Item: 2, Explanation: "the user prefers the glossy", Preference: "the user prefers the brush"},
	})
	if diff := cmp.Diff([]string{"the user prefers the glossy soap"}, r.Rank(2, 1, 1)); diff != "" {
		t.Error(diff)
	}
}
