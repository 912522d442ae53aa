package baseline_test

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"rdrec/internal/baseline"
	"rdrec/internal/dataset"
	"rdrec/internal/golden"
	"rdrec/internal/metric"
	"rdrec/internal/spec"
)

func sequences(items int, histories ...[]int) *dataset.Dataset {
	d := &dataset.Dataset{Items: items, Negatives: map[int][]int{}}
	for i, history := range histories {
		d.Users = append(d.Users, dataset.User{ID: i + 1, Items: history})
	}
	return d
}

// training returns a dataset whose users have these training items. Validation and test item of
// each is the highest id.
func training(items int, trainItems ...[]int) *dataset.Dataset {
	d := sequences(items, trainItems...)
	for i := range d.Users {
		d.Users[i].Items = append(slices.Clone(d.Users[i].Items), items, items)
	}
	return d
}

func TestRank(t *testing.T) {
	// Popularity: 2 (3), 1 3 4 (2), 6 7 (1), 5 8 9 (0). The rule also counts each validation item.
	d := training(9, []int{1, 2, 3}, []int{2, 3, 4}, []int{1, 2, 4}, []int{6, 7})
	cases := []struct {
		name  string
		query baseline.Query
		want  []int
	}{
		{baseline.Popularity, baseline.Query{K: 4}, []int{2, 1, 3, 4}},
		{baseline.Popularity, baseline.Query{History: []int{2, 3}, K: 4}, []int{1, 4, 6, 7}},
		{
			baseline.Popularity,
			baseline.Query{History: []int{2}, Candidates: []int{9, 5, 6, 3}, K: 9},
			[]int{3, 6, 5, 9},
		},
		{baseline.Markov, baseline.Query{History: []int{1, 2}, K: 3}, []int{3, 4, 6}}, // 2 goes to 3 twice, to 4 once
		{baseline.Markov, baseline.Query{History: []int{9}, K: 2}, []int{2, 1}},
		{baseline.Markov, baseline.Query{K: 1}, []int{2}},
		{baseline.ItemKNN, baseline.Query{History: []int{6}, K: 2}, []int{7, 2}},
		{baseline.ItemKNN, baseline.Query{History: []int{1}, K: 3}, []int{2, 3, 4}},
		{baseline.Rule, baseline.Query{History: []int{4, 2}, K: 5}, []int{5, 3, 6, 9, 1}},
		// max+1 and last+1 are the same item.
		{baseline.Rule, baseline.Query{History: []int{1, 2}, K: 3}, []int{3, 4, 9}},
		// The rule does not know that 9 is the last.
		{baseline.Rule, baseline.Query{History: []int{9, 1}, K: 3}, []int{10, 2, 11}},
		{baseline.Rule, baseline.Query{K: 2}, []int{9, 2}},
	}
	for _, c := range cases {
		row, found := baseline.Find(c.name)
		if !found {
			t.Fatalf("no baseline %q", c.name)
		}
		if diff := gocmp.Diff(c.want, row.Fit(d)(c.query)); diff != "" {
			t.Errorf("%s of %+v: %s", c.name, c.query, diff)
		}
	}
	if _, found := baseline.Find("oracle"); found {
		t.Error("found a baseline that does not exist")
	}
}

// TestFitIgnoresHeldOutItems replaces held-out items of every user: no baseline's lists may change,
// except that the rule's popularity counts validation items.
func TestFitIgnoresHeldOutItems(t *testing.T) {
	one := sequences(6, []int{1, 2, 3, 4}, []int{2, 3, 4, 5}, []int{3, 4, 5, 1})
	otherTests := sequences(6, []int{1, 2, 3, 6}, []int{2, 3, 4, 6}, []int{3, 4, 5, 6})
	otherBoth := sequences(6, []int{1, 2, 6, 6}, []int{2, 3, 6, 6}, []int{3, 4, 6, 6})
	for _, row := range baseline.Table() {
		if row.Fit == nil {
			continue
		}
		for _, history := range [][]int{{1, 2}, {2, 3}, {4}} {
			query := baseline.Query{History: history, K: 6}
			if diff := gocmp.Diff(row.Fit(one)(query), row.Fit(otherTests)(query)); diff != "" {
				t.Errorf("%s, history %v, other test items: %s", row.Name, history, diff)
			}
			diff := gocmp.Diff(row.Fit(one)(query), row.Fit(otherBoth)(query))
			if same := diff == ""; same == (row.Name == baseline.Rule) {
				t.Errorf("%s, history %v, other validation items: %s", row.Name, history, diff)
			}
		}
	}
}

// TestValidationItemsByHand has lists that differ if validation items are fitted too.
func TestValidationItemsByHand(t *testing.T) {
	// Training items: 2 (3), 1 4 (2), 5 (1), 3 6 7 (0). With validation items: 2 3 (3), 1 4 5 (2).
	d := sequences(7, []int{1, 2, 3, 6}, []int{1, 2, 3, 6}, []int{4, 5, 3, 6}, []int{2, 4, 5, 6})
	for _, c := range []struct {
		name          string
		history, want []int
	}{
		{baseline.Popularity, nil, []int{2, 1, 4, 5}}, // with validation items: 2 3 1 4
		// 4 followed 2 once; with validation items, 3 followed it twice: 3 4 1 5.
		{baseline.Markov, []int{2}, []int{4, 1, 5, 3}},
		// 1: 2/sqrt(3*2) = .816; 4: 1/sqrt(3*2) = .408; 5 by popularity. With validation items,
		// 3 has 2/sqrt(3*3) = .667: 1 3 4 5.
		{baseline.ItemKNN, []int{2}, []int{1, 4, 5, 3}},
		// The rule's popularity counts validation items. Without them: 6 7 2 1.
		{baseline.Rule, []int{5}, []int{6, 7, 2, 3}},
	} {
		if diff := gocmp.Diff(c.want, fit(t, c.name, d)(baseline.Query{History: c.history, K: 4})); diff != "" {
			t.Errorf("%s after %v (-want +got):\n%s", c.name, c.history, diff)
		}
	}
	all := func(u dataset.User) []int { return u.Items }
	if diff := gocmp.Diff([]int{6, 2, 3, 1}, baseline.MostPopular(d, all)(baseline.Query{K: 4})); diff != "" {
		t.Errorf("popularity of all items (-want +got):\n%s", diff)
	}
}

func TestUsersAndLists(t *testing.T) {
	d := sequences(5, []int{1, 2, 3}, []int{1, 2}, []int{2, 3, 4}, []int{3, 4, 5})
	d.Negatives = map[int][]int{1: {4, 5}, 3: {1, 5}}
	for limit, want := range map[int][]int{-1: {}, 0: {1, 3, 4}, 2: {1, 3}} {
		users := baseline.Users(d, limit)
		got := make([]int, 0, len(users))
		for _, user := range users {
			got = append(got, user.ID)
		}
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Errorf("limit %d: %s", limit, diff)
		}
	}
	row, _ := baseline.Find(baseline.Popularity)
	want := []metric.List{{Items: []int{3, 4, 5}, Truth: []int{3}}, {Items: []int{1, 4, 5}, Truth: []int{4}}}
	if diff := gocmp.Diff(want, baseline.TopN(d, baseline.Users(d, 2), row.Fit(d), 10)); diff != "" {
		t.Error(diff)
	}
}

// paperData reads a dataset of the paper from a folder next to the project, which is not part of
// it.
func paperData(t *testing.T, name string) *dataset.Dataset {
	t.Helper()
	path := filepath.Join(filepath.Dir(filepath.Dir(golden.Data(t, "rdrec"))), "..", "shared", "data", "rdrec", name)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("the paper's dataset %q is absent (looked for ../shared/data/rdrec/%s beside the project)", name, name)
	}
	d, err := dataset.Read(os.DirFS(path), name)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestPaperData pins metrics on the paper's data: the rule's, which show the leak
// (docs/deviations.md 18), and those of the baselines that are fitted on training items. An
// independent Python program computed the latter.
func TestPaperData(t *testing.T) {
	for name, baselines := range map[string]map[string]string{
		"beauty": {
			baseline.Rule:       "HR@5 .0537 NDCG@5 .0494 HR@10 .0605 NDCG@10 .0516",
			baseline.Popularity: "HR@5 .0075 NDCG@5 .0041 HR@10 .0115 NDCG@10 .0055",
			baseline.Markov:     "HR@5 .0513 NDCG@5 .0389 HR@10 .0668 NDCG@10 .0439",
			baseline.ItemKNN:    "HR@5 .0384 NDCG@5 .0262 HR@10 .0553 NDCG@10 .0317",
		},
		"sports": {
			baseline.Rule:   "HR@5 .0488 NDCG@5 .0452 HR@10 .0519 NDCG@10 .0462",
			baseline.Markov: "HR@5 .0285 NDCG@5 .0207 HR@10 .0369 NDCG@10 .0234",
		},
		"toys": {
			baseline.Rule:   "HR@5 .0773 NDCG@5 .0720 HR@10 .0808 NDCG@10 .0731",
			baseline.Markov: "HR@5 .0588 NDCG@5 .0440 HR@10 .0706 NDCG@10 .0479",
		},
	} {
		d := paperData(t, name)
		users := baseline.Users(d, 0)
		for row, want := range baselines {
			got := scoresOf(baseline.Sequential(users, fit(t, row, d), 10))
			line := ""
			for _, name := range []string{"HR@5", "NDCG@5", "HR@10", "NDCG@10"} {
				line += fmt.Sprintf(" %s %s", name, fmt.Sprintf("%.4f", got[name])[1:])
			}
			if line[1:] != want {
				t.Errorf("%s on %s: %s, want %s", row, name, line[1:], want)
			}
		}
	}
}

func scoresOf(lists []metric.List) map[string]float64 {
	scores := map[string]float64{}
	for _, row := range metric.Table() {
		if row.Input == metric.Rankings {
			for _, list := range lists {
				scores[row.Name] += row.Reference(list, row.K) / float64(len(lists))
			}
		}
	}
	return scores
}

// TestAllBeauty pins the metrics of the baselines on the shipped reviews, with which the demo's
// student is compared. An independent Python program counted the hits; NDCG is to six digits.
func TestAllBeauty(t *testing.T) {
	d := allBeauty(t)
	users := baseline.Users(d, 0)
	if d.Items != 85 || len(d.Users) != 991 || len(users) != 976 {
		t.Fatalf("%d items, %d users, %d to evaluate; want 85, 991 and 976", d.Items, len(d.Users), len(users))
	}
	const evaluated = 976
	want := map[string]map[string]float64{
		baseline.Popularity: {
			"HR@1": 10. / evaluated, "HR@5": 362. / evaluated, "HR@10": 384. / evaluated, "NDCG@5": 0.235577,
			"NDCG@10": 0.243583,
		},
		baseline.Markov: {
			"HR@1": 754. / evaluated, "HR@5": 785. / evaluated, "HR@10": 796. / evaluated, "NDCG@5": 0.789101,
			"NDCG@10": 0.792896,
		},
		baseline.ItemKNN: {
			"HR@1": 390. / evaluated, "HR@5": 756. / evaluated, "HR@10": 798. / evaluated, "NDCG@5": 0.634563,
			"NDCG@10": 0.648754,
		},
		baseline.Rule: {
			"HR@1": 19. / evaluated, "HR@5": 767. / evaluated, "HR@10": 789. / evaluated, "NDCG@5": 0.363312,
			"NDCG@10": 0.370129,
		},
	}
	nearly := gocmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) < 1e-6 })
	got := map[string]map[string]float64{}
	for name := range want {
		got[name] = scoresOf(baseline.Sequential(users, fit(t, name, d), 10))
	}
	if diff := gocmp.Diff(want, got, nearly); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}
}

// allBeauty reads the reviews shipped for the demo without the importer: users' items sorted by
// time, only the first review of an item.
func allBeauty(t *testing.T) *dataset.Dataset {
	t.Helper()
	zipped, err := os.ReadFile(golden.Data(t, "reviews/All_Beauty_5.json.gz"))
	if err != nil {
		t.Fatal(err)
	}
	unzipped, err := gzip.NewReader(bytes.NewReader(zipped))
	if err != nil {
		t.Fatal(err)
	}
	type review struct {
		User string `json:"reviewerID"`
		Item string `json:"asin"`
		Time int64  `json:"unixReviewTime"`
	}
	var reviews []review
	for lines := bufio.NewScanner(unzipped); lines.Scan(); {
		var one review
		if err := json.Unmarshal(lines.Bytes(), &one); err != nil {
			t.Fatal(err)
		}
		reviews = append(reviews, one)
	}
	slices.SortStableFunc(reviews, func(a, b review) int { return cmp.Compare(a.Time, b.Time) })
	items, users := map[string]int{}, map[string][]int{}
	var order []string
	for _, one := range reviews {
		if items[one.Item] == 0 {
			items[one.Item] = len(items) + 1
		}
		if users[one.User] == nil {
			order = append(order, one.User)
		}
		if !slices.Contains(users[one.User], items[one.Item]) {
			users[one.User] = append(users[one.User], items[one.Item])
		}
	}
	d := &dataset.Dataset{Items: len(items)}
	for i, user := range order {
		d.Users = append(d.Users, dataset.User{ID: i + 1, Items: users[user]})
	}
	return d
}

// TestSpecMatchesTheTable: the spec's names and the table's rows are the same.
func TestSpecMatchesTheTable(t *testing.T) {
	var names []string
	for _, row := range baseline.Table() {
		names = append(names, row.Name)
		if (row.Fit == nil) != (row.Name == baseline.SASRec || row.Name == baseline.BSARec) {
			t.Errorf("row %q: has Fit: %t", row.Name, row.Fit != nil)
		}
	}
	if diff := gocmp.Diff(spec.Baselines(), names); diff != "" {
		t.Error(diff)
	}
}
