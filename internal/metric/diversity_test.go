package metric_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/metric"
)

func rankedLists(lists ...[]int) []metric.List {
	all := make([]metric.List, len(lists))
	for i, items := range lists {
		all[i] = metric.List{Items: items, Truth: []int{1}}
	}
	return all
}

func TestMeasureLists(t *testing.T) {
	for name, c := range map[string]struct {
		lists [][]int
		items int
		want  metric.ListDiversity
	}{
		"no lists": {nil, 4, metric.ListDiversity{Items: 4}},
		// Items 1, 2, 3 and 5 of 8 occur; 1 is first for 3 of 4 users, and [1 2] the list of 2.
		"four users": {[][]int{{1, 2}, {1, 2}, {1, 3}, {5, 1}}, 8, metric.ListDiversity{
			Users: 4, Positions: 8, Items: 8, Recommended: 4, Coverage: 0.5,
			DistinctFirst: 2, FirstShare: 0.75, DistinctLists: 3, ListShare: 0.5,
		}},
		// Lists of the same items in another order differ.
		"order counts": {[][]int{{1, 2}, {2, 1}}, 2, metric.ListDiversity{
			Users: 2, Positions: 4, Items: 2, Recommended: 2, Coverage: 1,
			DistinctFirst: 2, FirstShare: 0.5, DistinctLists: 2, ListShare: 0.5,
		}},
		// Protocol paper: 0 and 9 are no items of the catalog, and 3 occurs twice in a list.
		"no items": {[][]int{{0, 9}, {3, 3, 3}, {}, {}}, 4, metric.ListDiversity{
			Users: 4, Positions: 5, Items: 4, Recommended: 1, Coverage: 0.25,
			DistinctFirst: 2, FirstShare: 0.25, DistinctLists: 3, ListShare: 0.5,
		}},
	} {
		if diff := cmp.Diff(c.want, metric.MeasureLists(rankedLists(c.lists...), c.items)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func generated(texts ...string) []metric.Text {
	all := make([]metric.Text, len(texts))
	for i, text := range texts {
		all[i] = metric.Text{Reference: []string{"x"}, Generated: strings.Fields(text)}
	}
	return all
}

func TestMeasureTexts(t *testing.T) {
	for name, c := range map[string]struct {
		texts []string
		want  metric.TextDiversity
	}{
		"no texts": {nil, metric.TextDiversity{}},
		// "a" makes up 4 of 5 words, "good" 2 of 4; "very" only 2 of 5. Runs: 4, 1, 2, 1 and 0.
		"repetitions": {
			[]string{"I a a a a", "good not good bad", "very very nice soap this", "very good", ""},
			metric.TextDiversity{
				Texts: 5, Distinct: 5, DistinctShare: 1, TextShare: 0.2, Empty: 0.2, Repetitive: 0.4, MeanRun: 1.6,
			},
		},
		"equal texts": {
			[]string{"nice soap", "nice soap", "nice soap", "soap nice"},
			metric.TextDiversity{Texts: 4, Distinct: 2, DistinctShare: 0.5, TextShare: 0.75, MeanRun: 1},
		},
		// A run that starts again after another word: 2, then 3.
		"two runs": {[]string{"a a b a a a"}, metric.TextDiversity{
			Texts: 1, Distinct: 1, DistinctShare: 1, TextShare: 1, Repetitive: 1, MeanRun: 3,
		}},
		// "soft and" three times is 6 of 12 words, and of 13; "a b c" twice is no loop, and three
		// times a word is a run.
		"loops": {
			[]string{
				"it is so soft and soft and soft and my hair smells",
				"it is so soft and soft and soft and my hair smells nice",
				"a b c a b c", "not so bad bad bad", "x y x y x", "x y x y x y x",
			},
			metric.TextDiversity{
				Texts: 6, Distinct: 6, DistinctShare: 1, TextShare: 1. / 6, Looping: 2. / 6, Repetitive: 3. / 6,
				MeanRun: 8. / 6,
			},
		},
	} {
		if diff := cmp.Diff(c.want, metric.MeasureTexts(generated(c.texts...))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// repeated returns n copies of a list.
func repeated(n int, items ...int) [][]int {
	all := make([][]int, n)
	for i := range all {
		all[i] = items
	}
	return all
}

// diverse returns n users whose first items differ, over a catalog of n items.
func diverse(n int) [][]int {
	all := make([][]int, n)
	for i := range all {
		all[i] = []int{i + 1, (i+1)%n + 1}
	}
	return all
}

func TestListFindings(t *testing.T) {
	for name, c := range map[string]struct {
		lists [][]int
		items int
		want  []string
	}{
		"too few to tell": {repeated(9, 1, 2), 1000, nil},
		"healthy":         {diverse(20), 20, nil},
		// 11 of 20 have the list [1 2]: 55%, above the limit; 10 of 20 are not.
		"half": {append(repeated(10, 1, 2), diverse(30)[20:]...), 30, nil},
		"more than half": {append(repeated(11, 1, 2), diverse(30)[21:]...), 30, []string{
			"list_share: 55% of 20 users have the same list (limit 50%)",
			"first_share: 55% of 20 users have the same first item (limit 50%); distinct first items: 10",
		}},
		// 20 users with 40 positions in a catalog of 1,000: 5% of 40 is 2.
		"one item for all": {repeated(20, 7, 7), 1000, []string{
			"list_share: 100% of 20 users have the same list (limit 50%)",
			"first_share: 100% of 20 users have the same first item (limit 50%); distinct first items: 1",
			"recommended: 1 of 1000 items are recommended to anyone (0.1%; at least 2 expected)",
		}},
		"nothing recommended": {repeated(20), 50, []string{
			"list_share: 100% of 20 users have the same list (limit 50%)",
		}},
	} {
		got := texts(metric.MeasureLists(rankedLists(c.lists...), c.items).Findings())
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestTextFindings(t *testing.T) {
	distinct := make([]string, 20)
	for i := range distinct {
		distinct[i] = fmt.Sprintf("the soap smells of %d roses", i)
	}
	same := make([]string, 20)
	for i := range same {
		same[i] = "nice soap"
	}
	words := make([]string, 20)
	for i := range words {
		words[i] = fmt.Sprintf("I%d a a a a", i)
	}
	loops := make([]string, 3)
	for i := range loops {
		loops[i] = fmt.Sprintf("number %d it is it is it is", i)
	}
	for name, c := range map[string]struct {
		texts, want []string
	}{
		"too few to tell": {words[:9], nil},
		"healthy":         {distinct, nil},
		// 2 of 20 are at the limit of 10%, 3 are above it.
		"two repetitive": {append(distinct[:18:18], words[:2]...), nil},
		"three repetitive": {append(distinct[:17:17], words[:3]...), []string{
			"repetitive: in 15% of 20 texts one repeated word makes up half or more (limit 10%)",
		}},
		"one word only": {words, []string{
			"repetitive: in 100% of 20 texts one repeated word makes up half or more (limit 10%)",
			"mean_run: the longest run of one word is 4.0 words on average over 20 texts (limit 2.0)",
		}},
		"half empty": {append(make([]string, 10), distinct[10:]...), []string{
			"empty: 50% of 20 texts are empty (limit 10%)",
		}},
		"loops": {append(distinct[:17:17], loops...), []string{
			"looping: in 15% of 20 texts a phrase in a loop makes up half or more (limit 10%)",
		}},
		"most are the same": {append(distinct[:9:9], same[:11]...), []string{
			"text_share: 55% of 20 texts are the same (limit 50%)",
		}},
		"one text only": {same, []string{
			"text_share: 100% of 20 texts are the same (limit 50%)",
			"distinct_share: 1 of 20 texts are distinct (5.0%; at least 10% expected)",
		}},
	} {
		if diff := cmp.Diff(c.want, texts(metric.MeasureTexts(generated(c.texts...)).Findings())); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func texts(findings []metric.Degeneracy) (all []string) {
	for _, finding := range findings {
		all = append(all, finding.Measure+": "+finding.Text)
	}
	return all
}
