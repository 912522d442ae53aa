package indexing_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/audit"
	"rdrec/internal/dataset"
	"rdrec/internal/indexing"
	"rdrec/internal/metric"
	"rdrec/internal/spec"
)

// mini reads the real data of testdata anew, because indexing changes it.
func mini(t testing.TB) *dataset.Dataset {
	t.Helper()
	d, err := dataset.Read(os.DirFS("../../testdata/rdrec/beauty_mini"), "beauty_mini")
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// few returns the first hundred users of beauty_mini with all that is about their items, which are
// indexed quickly.
func few(t testing.TB) *dataset.Dataset {
	t.Helper()
	all := mini(t)
	d := &dataset.Dataset{
		Name: "few", Users: all.Users[:100], UserIDs: all.UserIDs[:100], Negatives: map[int][]int{}, Indent: all.Indent,
	}
	numbers := map[int]int{}
	for _, u := range d.Users {
		for i, item := range u.Items {
			if numbers[item] == 0 {
				d.Items++
				numbers[item] = d.Items
				d.ItemIDs = append(d.ItemIDs, all.ItemIDs[item-1])
			}
			u.Items[i] = numbers[item]
		}
	}
	for _, u := range d.Users {
		for _, item := range all.Negatives[u.ID] {
			if numbers[item] > 0 {
				d.Negatives[u.ID] = append(d.Negatives[u.ID], numbers[item])
			}
		}
	}
	of := func(list []dataset.Explanation) (kept []dataset.Explanation) {
		for _, e := range list {
			if e.User <= len(d.Users) && numbers[e.Item] > 0 {
				e.Item = numbers[e.Item]
				kept = append(kept, e)
			}
		}
		return kept
	}
	e := all.Explanations
	d.Explanations = dataset.Splits{Train: of(e.Train), Val: of(e.Val), Test: of(e.Test)}
	return d
}

func apply(t testing.TB, d *dataset.Dataset, name string, seed int64) *dataset.Dataset {
	t.Helper()
	record, err := indexing.Apply(d, name, smallCodes(), seed)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", record)
	return d
}

// smallCodes returns settings of codes that are computed quickly.
func smallCodes() *spec.Codes {
	codes := spec.DefaultCodes()
	codes.Levels, codes.Width, codes.Dimensions = 2, 32, 8
	return &codes
}

// shopIDs returns a dataset in the shop's ids, which no indexing may change.
func shopIDs(d *dataset.Dataset) map[string][]string {
	all := map[string][]string{}
	add := func(key string, item int) { all[key] = append(all[key], d.ItemIDs[item-1]) }
	for _, u := range d.Users {
		for _, item := range u.Items {
			add(fmt.Sprint("sequence of ", u.ID), item)
		}
		for _, item := range d.Negatives[u.ID] {
			add(fmt.Sprint("negatives of ", u.ID), item)
		}
	}
	for name, split := range map[string][]dataset.Explanation{
		"train": d.Explanations.Train, "val": d.Explanations.Val, "test": d.Explanations.Test,
	} {
		for i, e := range split {
			add(fmt.Sprint(name, i, e.User, e.Explanation), e.Item)
		}
	}
	for item, title := range d.Titles {
		add("title "+title, item+1)
	}
	for key, ids := range all {
		if strings.HasPrefix(key, "title ") {
			slices.Sort(ids)
		}
	}
	return all
}

// digestsOfSeed7 has the digests of beauty_mini's shop ids in the order of the new item ids. They
// pin the indexing, so that earlier runs stay reproducible.
var digestsOfSeed7 = map[string]string{
	spec.AsIs:                 "bfbc13f6c26f9ea0",
	spec.Appearance:           "bfbc13f6c26f9ea0",
	spec.Random:               "e5c8c6e30b5f0538",
	spec.Sequential:           "9bbed08373bdb7d4",
	spec.Collaborative:        "48dd3946b640f967",
	spec.Semantic:             "475711b7ebd1bc7e",
	spec.SemanticCooccurrence: "ee3f275e4889dd44",
	spec.ItemCodes:            "e5c8c6e30b5f0538",
	spec.SemanticCodes:        "e5c8c6e30b5f0538",
	spec.CollaborativeCodes:   "e5c8c6e30b5f0538",
}

func digest(d *dataset.Dataset) string {
	return fmt.Sprintf("%x", sha256.Sum256([]byte(strings.Join(d.ItemIDs, " "))))[:16]
}

func TestEveryIndexing(t *testing.T) {
	t.Parallel()
	for _, row := range spec.Indexings() {
		t.Run(row.Name, func(t *testing.T) {
			t.Parallel()
			before := mini(t)
			before.Titles = titles(before)
			after := mini(t)
			after.Titles = titles(after)
			apply(t, after, row.Name, 7) // it fails if the ids are not 1 to Items, each once
			if diff := cmp.Diff(shopIDs(before), shopIDs(after)); diff != "" {
				t.Errorf("the dataset in the shop's ids changes (-before +after):\n%s", diff)
			}
			wantEqual := row.Name == spec.AsIs || row.Name == spec.Appearance
			if equal := slices.Equal(before.ItemIDs, after.ItemIDs); equal != wantEqual {
				t.Errorf("ids are unchanged: %t, want %t", equal, wantEqual)
			}
			// Other architectures fuse products and sums.
			if got, want := digest(after), digestsOfSeed7[row.Name]; got != want && runtime.GOARCH == "amd64" {
				t.Errorf("ids have the digest %s, want %s", got, want)
			}
			seeded := func(seed int64) *dataset.Dataset {
				d := few(t)
				d.Titles = titles(d)
				return apply(t, d, row.Name, seed)
			}
			first := seeded(7)
			if diff := cmp.Diff(first, seeded(7)); diff != "" {
				t.Errorf("the same seed gives other ids:\n%s", diff)
			}
			if equal := slices.Equal(first.ItemIDs, seeded(8).ItemIDs); equal == row.Seeded {
				t.Errorf("another seed gives the same ids: %t", equal)
			}
		})
	}
}

// titles returns titles made of the shop's ids.
func titles(d *dataset.Dataset) []string {
	all := make([]string, d.Items)
	for i, id := range d.ItemIDs {
		all[i] = fmt.Sprintf("%c%c soap %c", id[len(id)-1], id[len(id)-1], id[len(id)-2])
	}
	return all
}

// leakFree are the indexings that do not depend on held-out items.
var leakFree = []string{
	spec.Random, spec.Sequential, spec.Collaborative, spec.Semantic, spec.SemanticCooccurrence, spec.ItemCodes,
	spec.SemanticCodes, spec.CollaborativeCodes,
}

// TestHeldOutItemsDoNotInfluenceIDs gives the users each other's validation and test items.
func TestHeldOutItemsDoNotInfluenceIDs(t *testing.T) {
	t.Parallel()
	for _, row := range spec.Indexings() {
		t.Run(row.Name, func(t *testing.T) {
			t.Parallel()
			plain, shuffled := few(t), few(t)
			for i := range shuffled.Users {
				mine, theirs := &shuffled.Users[i], plain.Users[(i+17)%len(plain.Users)]
				mine.Items = append(slices.Clone(mine.TrainItems()), theirs.ValidationItem(), theirs.TestItem())
			}
			apply(t, plain, row.Name, 3)
			apply(t, shuffled, row.Name, 3)
			leaks := !slices.Equal(plain.ItemIDs, shuffled.ItemIDs)
			if diff := cmp.Diff(plain.Codes, shuffled.Codes); diff != "" {
				t.Errorf("held-out items change codes:\n%s", diff)
			}
			if want := row.Leaks && row.Name != spec.AsIs; leaks != want { // as-is leaks what the data's author put in
				t.Errorf("held-out items change ids: %t, want %t", leaks, want)
			}
		})
	}
}

// TestResultIsIndependentOfIncomingIDs indexes data whose ids are by appearance, and the same data
// with random ids.
func TestResultIsIndependentOfIncomingIDs(t *testing.T) {
	t.Parallel()
	for _, row := range spec.Indexings() {
		if row.Name == spec.AsIs {
			continue
		}
		t.Run(row.Name, func(t *testing.T) {
			t.Parallel()
			direct := apply(t, few(t), row.Name, 3)
			detour := apply(t, apply(t, few(t), spec.Random, 99), row.Name, 3)
			if diff := cmp.Diff(direct, detour); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// ruleHits returns how often one of the rule's own three ids is the test item, without the popular
// items that follow them.
func ruleHits(d *dataset.Dataset) (hits int) {
	for _, u := range d.Users {
		history := u.Items[:len(u.Items)-1]
		highest, last := slices.Max(history), history[len(history)-1]
		if slices.Contains([]int{highest + 1, last + 1, highest + 2}, u.TestItem()) {
			hits++
		}
	}
	return hits
}

// TestRuleBaselineDropsToChance: on the folder's ids, the rule that reads only ids hits for most
// users; on ids that do not depend on test items it drops to chance.
func TestRuleBaselineDropsToChance(t *testing.T) {
	t.Parallel()
	d := mini(t)
	if hits := ruleHits(d); hits < len(d.Users)/2 {
		t.Fatalf("the folder's ids leak only %d of %d test items: there is nothing to test", hits, len(d.Users))
	}
	for _, name := range leakFree {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := apply(t, mini(t), name, 1)
			// Three guesses among Items, 300 times, hit about once; ids of similar items may hit a
			// little more often.
			most := map[string]int{spec.Random: 5}[name]
			if most == 0 {
				most = len(d.Users) / 12
			}
			hits := ruleHits(d)
			a := audit.Run(d, 1)
			rule, _ := audit.Figure(a.Rule, "HR@10")
			popular, _ := audit.Figure(a.Popularity, "HR@10")
			t.Logf("%d hits of %d users and %d items; HR@10 of the rule %.3f, of popularity %.3f",
				hits, len(d.Users), d.Items, rule, popular)
			if hits > most {
				t.Errorf("%d of %d guesses hit", hits, len(d.Users))
			}
			if name == spec.Random && rule > popular+0.02 {
				t.Errorf("the rule has HR@10 %.3f, popularity alone %.3f", rule, popular)
			}
		})
	}
}

// TestClusteredItemsGetNearbyIDs: ids of consecutive items of a training history are closer than
// random ids.
func TestClusteredItemsGetNearbyIDs(t *testing.T) {
	t.Parallel()
	distance := func(name string) float64 {
		d := mini(t)
		apply(t, d, name, 1)
		var gaps []float64
		for _, u := range d.Users {
			indexed := u.TrainItems()
			for i := 1; i < len(indexed); i++ {
				gaps = append(gaps, float64(max(indexed[i]-indexed[i-1], indexed[i-1]-indexed[i])))
			}
		}
		return metric.Mean(gaps)
	}
	far := distance(spec.Random)
	for _, name := range []string{spec.Collaborative, spec.Semantic} {
		if near := distance(name); near > far/2 {
			t.Errorf("%s: consecutive items of a history are %.0f ids apart, with random ids %.0f", name, near, far)
		}
	}
}

func TestSimilarTitlesGetNearbyIDs(t *testing.T) {
	t.Parallel()
	d := few(t)
	products := []string{"red nail polish", "hair dryer cord", "mint soap bar"}
	d.Titles = make([]string, d.Items)
	for i := range d.Titles {
		d.Titles[i] = products[i%3]
	}
	d.Titles[4] = ""
	apply(t, d, spec.Semantic, 1)
	if d.Titles[d.Items-1] != "" {
		t.Errorf("the last item has the title %q, want the item without a title", d.Titles[d.Items-1])
	}
	runs := map[string]int{}
	for i, title := range d.Titles {
		if i == 0 || title != d.Titles[i-1] {
			runs[title]++
		}
	}
	if diff := cmp.Diff(map[string]int{products[0]: 1, products[1]: 1, products[2]: 1, "": 1}, runs); diff != "" {
		t.Errorf("runs of equal titles:\n%s", diff)
	}
}

// TestTitlesOnlyAffectSemantic: titles do not change the ids of semantic-cooccurrence; without
// titles, semantic gives the same ids.
func TestTitlesOnlyAffectSemantic(t *testing.T) {
	t.Parallel()
	titled := func(name string, with bool) []string {
		d := few(t)
		d.Titles = nil
		if with {
			d.Titles = titles(d)
		}
		return apply(t, d, name, 5).ItemIDs
	}
	cooccurrence := titled(spec.SemanticCooccurrence, false)
	if !slices.Equal(titled(spec.SemanticCooccurrence, true), cooccurrence) {
		t.Error("titles change the ids of semantic-cooccurrence")
	}
	if !slices.Equal(titled(spec.Semantic, false), cooccurrence) {
		t.Error("without titles, semantic gives other ids than semantic-cooccurrence")
	}
	if slices.Equal(titled(spec.Semantic, true), cooccurrence) {
		t.Error("titles change nothing")
	}
}

func TestSmallAndOddData(t *testing.T) {
	t.Parallel()
	for _, row := range spec.Indexings() {
		for name, users := range map[string][]dataset.User{
			"nobody":        nil,
			"one user":      {{ID: 1, Items: []int{3, 1, 2}}},
			"no pair":       {{ID: 1, Items: []int{1, 2, 3}}, {ID: 2, Items: []int{4, 2, 3}}},
			"repeated item": {{ID: 1, Items: []int{2, 2, 2, 2, 2}}},
			"short":         {{ID: 1, Items: []int{1}}},
		} {
			d := &dataset.Dataset{Name: name, Items: 40, Users: users}
			if _, err := indexing.Apply(d, row.Name, smallCodes(), 1); err != nil {
				t.Errorf("%s, %s: %v", row.Name, name, err)
			}
		}
	}
	if _, err := indexing.Apply(mini(t), "sequentail", nil, 1); err == nil {
		t.Error("an unknown indexing was accepted")
	}
}

func TestReindexRejectsNonPermutations(t *testing.T) {
	t.Parallel()
	for _, ids := range [][]int{{1}, {1, 1, 2}, {0, 1, 2}} {
		d := &dataset.Dataset{Name: "d", Items: 3, Users: []dataset.User{{ID: 1, Items: []int{1, 2, 3}}}}
		if err := d.Reindex(ids); err == nil {
			t.Errorf("%v: accepted", ids)
		}
	}
}

// BenchmarkApply indexes the paper's Beauty where RDREC_DATA names the folder of the paper's
// datasets, else beauty_mini.
func BenchmarkApply(b *testing.B) {
	dir := "../../testdata/rdrec/beauty_mini"
	if root := os.Getenv("RDREC_DATA"); root != "" {
		dir = filepath.Join(root, "beauty")
	}
	for _, name := range leakFree {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				d, err := dataset.Read(os.DirFS(dir), "beauty")
				if err != nil {
					b.Fatal(err)
				}
				settings := spec.DefaultCodes()
				record, err := indexing.Apply(d, name, &settings, 1)
				if err != nil {
					b.Fatal(err)
				}
				b.Log(record.Note)
			}
		})
	}
}
