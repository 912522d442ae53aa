package recommend_test

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"rdrec/internal/recommend"
)

// itemEncodings spells the numbers 1 to n the way a tokenizer might: two digits a token, so that
// depths differ.
func itemEncodings(n int) map[int][]int32 {
	all := map[int][]int32{}
	for item := 1; item <= n; item++ {
		digits := fmt.Sprint(item)
		for len(digits) > 0 {
			var piece int32
			k := min(2, len(digits))
			for _, d := range digits[:k] {
				piece = piece*10 + (d - '0') + 1
			}
			all[item] = append(all[item], 2+piece)
			digits = digits[k:]
		}
	}
	return all
}

func newTrie(t *testing.T, encodings map[int][]int32) *recommend.Trie {
	t.Helper()
	trie, err := recommend.NewTrie(encodings)
	if err != nil {
		t.Fatal(err)
	}
	return trie
}

// constraintItems lists the items that a constraint allows, by the tokens that lead to them.
func constraintItems(c recommend.Constraint) map[string]int {
	found := map[string]int{}
	var visit func(node int32, tokens []int32)
	visit = func(node int32, tokens []int32) {
		if item := c.Item(node); item != 0 {
			found[fmt.Sprint(tokens)] = item
		}
		last := int32(-1)
		c.Next(node, func(token, child int32) {
			if token <= last {
				found[fmt.Sprint("out of order at ", tokens, token)] = -1
			}
			last = token
			visit(child, append(slices.Clone(tokens), token))
		})
	}
	visit(0, nil)
	return found
}

func allowedItems(encodings map[int][]int32, keep func(item int) bool) map[string]int {
	found := map[string]int{}
	for item, tokens := range encodings {
		if keep(item) {
			found[fmt.Sprint(tokens)] = item
		}
	}
	return found
}

func TestTrie(t *testing.T) {
	encodings := itemEncodings(1300)
	trie := newTrie(t, encodings)
	if trie.Items() != 1300 || trie.Depth() != 2 {
		t.Errorf("%d items, depth %d", trie.Items(), trie.Depth())
	}
	all := func(int) bool { return true }
	if diff := gocmp.Diff(allowedItems(encodings, all), constraintItems(trie.Except(nil))); diff != "" {
		t.Error(diff)
	}
	seen := []int{1, 12, 1200, 1201, 1201, 7, 99999}
	unseen := trie.Except(seen)
	if diff := gocmp.Diff(
		allowedItems(encodings, func(item int) bool { return !slices.Contains(seen, item) }), constraintItems(unseen),
	); diff != "" {
		t.Error(diff)
	}
	if unseen.Items() != 1295 {
		t.Errorf("%d items without 5", unseen.Items())
	}
	only, err := trie.Only([]int{1200, 5, 12, 5})
	if err != nil {
		t.Fatal(err)
	}
	few := func(item int) bool { return slices.Contains([]int{1200, 5, 12}, item) }
	if diff := gocmp.Diff(allowedItems(encodings, few), constraintItems(only.Except(nil))); diff != "" {
		t.Error(diff)
	}
	if _, err := trie.Only([]int{1301}); err == nil {
		t.Error("no error for a candidate outside of the catalogue")
	}
}

func TestTrieOfNothing(t *testing.T) {
	none, err := newTrie(t, itemEncodings(9)).Only(nil)
	if err != nil || none.Items() != 0 || none.Depth() != 0 || len(constraintItems(none.Except(nil))) != 0 {
		t.Errorf("%+v, %v", none, err)
	}
}

// TestTrieDeadBranch leaves out all items below a branch: it must not be entered.
func TestTrieDeadBranch(t *testing.T) {
	trie := newTrie(t, map[int][]int32{1: {5}, 2: {6, 7}, 3: {6, 8}})
	var tokens []int32
	trie.Except([]int{2, 3}).Next(0, func(token, _ int32) { tokens = append(tokens, token) })
	if !slices.Equal(tokens, []int32{5}) {
		t.Errorf("the root goes on with %v", tokens)
	}
}

func TestTrieErrors(t *testing.T) {
	for name, encodings := range map[string]map[int][]int32{
		"twice":   {1: {5, 6}, 2: {5, 6}},
		"nothing": {1: {}},
	} {
		if _, err := recommend.NewTrie(encodings); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// pseudoLogProb is a log-probability that depends on the path and the token alone.
func pseudoLogProb(seed uint64, path []int32, token int32) float32 {
	h := fnv.New64a()
	fmt.Fprint(h, seed, path, token)
	return -5 * rand.New(rand.NewPCG(h.Sum64(), 1)).Float32()
}

// itemScore is an item's exact score.
func itemScore(seed uint64, tokens []int32) float64 {
	var sum float32
	for i, token := range append(slices.Clone(tokens), 1) {
		sum += pseudoLogProb(seed, tokens[:i], token)
	}
	return float64(sum)
}

// TestWideSearchIsExact compares a search wide enough to hold every path with scoring every item.
func TestWideSearchIsExact(t *testing.T) {
	encodings := itemEncodings(300)
	trie := newTrie(t, encodings)
	for seed := range uint64(20) {
		seen := []int{1, 2, 3, int(seed) + 10}
		var want []recommend.Found
		for item, tokens := range encodings {
			if !slices.Contains(seen, item) {
				want = append(want, recommend.Found{Item: item, Score: itemScore(seed, tokens)})
			}
		}
		slices.SortFunc(want, func(a, b recommend.Found) int { return cmp.Compare(b.Score, a.Score) })
		got := recommend.NewPaths(trie.Except(seen), 300, 10).Run(1, func(path []int32, token int32) float32 {
			return pseudoLogProb(seed, path, token)
		})
		if diff := gocmp.Diff(want[:10], got); diff != "" {
			t.Fatalf("seed %d: %s", seed, diff)
		}
	}
}

// TestNarrowSearchFindsEnoughItems checks the promise of protocol clean however narrow the search:
// as many items as are asked for or left, all in the catalogue, unseen and different.
func TestNarrowSearchFindsEnoughItems(t *testing.T) {
	encodings := itemEncodings(1300)
	trie := newTrie(t, encodings)
	for seed := range uint64(50) {
		random := rand.New(rand.NewPCG(seed, 2))
		seen := make([]int, random.IntN(1300))
		for i := range seen {
			seen[i] = 1 + random.IntN(1300)
		}
		want, width := 1+random.IntN(20), 1+random.IntN(20)
		constraint := trie.Except(seen)
		got := recommend.NewPaths(constraint, width, want).Run(1, func(path []int32, token int32) float32 {
			return pseudoLogProb(seed, path, token)
		})
		if len(got) != min(want, constraint.Items()) {
			t.Fatalf("seed %d: %d items, asked for %d of %d", seed, len(got), want, constraint.Items())
		}
		found := map[int]bool{}
		for _, f := range got {
			if found[f.Item] || slices.Contains(seen, f.Item) || encodings[f.Item] == nil {
				t.Fatalf("seed %d: item %d is repeated, seen or unknown", seed, f.Item)
			}
			found[f.Item] = true
			if exact := itemScore(seed, encodings[f.Item]); exact != f.Score {
				t.Fatalf("seed %d: item %d scores %v, not %v", seed, f.Item, f.Score, exact)
			}
		}
	}
}

// TestTiesAreBrokenByToken: where nothing tells items apart, the search finds the same ones in the
// same order each time.
func TestTiesAreBrokenByToken(t *testing.T) {
	for range 5 { // each reads its map in another order
		trie := newTrie(t, itemEncodings(300))
		got := recommend.NewPaths(trie.Except([]int{2, 5}), 20, 10).Run(1, func([]int32, int32) float32 { return -1 })
		var items []int
		for _, f := range got {
			items = append(items, f.Item)
		}
		if diff := gocmp.Diff([]int{1, 3, 4, 6, 7, 8, 9, 10, 11, 12}, items); diff != "" {
			t.Fatal(diff)
		}
	}
}
