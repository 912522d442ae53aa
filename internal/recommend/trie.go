package recommend

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// errDuplicate says that two items are spelt with the same tokens.
var errDuplicate = errors.New("two items have the same token sequence")

// Trie is the items that may be decoded, as the sequences of tokens that spell them. It is flat:
// the edges of node n are places first[n] to first[n+1] of token and child, in the order of token.
// Node 0 is the root.
type Trie struct {
	first  []int32 // [nodeOf+1]
	token  []int32 // [edges]
	child  []int32 // [edges]
	item   []int32 // [nodeOf], the item that ends here, 0 none
	count  []int32 // [nodeOf], how many items end here or below
	nodeOf map[int]int32
	parent []int32 // [nodeOf], the parent; the root is its own
	depth  int
}

// NewTrie makes the trie of a catalogue: for each item, the tokens that spell it, without the end
// token.
func NewTrie(encodings map[int][]int32) (*Trie, error) {
	items := slices.Collect(maps.Keys(encodings))
	slices.SortFunc(items, func(a, b int) int { return slices.Compare(encodings[a], encodings[b]) })
	for i, item := range items {
		switch {
		case len(encodings[item]) == 0:
			return nil, fmt.Errorf("item %d has no tokens", item)
		case i > 0 && slices.Equal(encodings[items[i-1]], encodings[item]):
			return nil, fmt.Errorf("items %d and %d: %w", items[i-1], item, errDuplicate)
		}
	}
	t := &Trie{nodeOf: make(map[int]int32, len(items))}
	t.build(items, encodings)
	return t, nil
}

// pendingNode is a node in the making: the items whose spelling starts with its path, and the
// path's length.
type pendingNode struct {
	items  []int
	depth  int
	parent int32
}

// build lays the nodes out breadth first, so that a node's edges lie together.
func (t *Trie) build(items []int, encodings map[int][]int32) {
	queue := []pendingNode{{items: items}}
	for node := int32(0); int(node) < len(queue); node++ {
		s := queue[node]
		t.first = append(t.first, int32(len(t.token)))
		t.count = append(t.count, int32(len(s.items)))
		t.item = append(t.item, 0)
		t.parent = append(t.parent, s.parent)
		t.depth = max(t.depth, s.depth)
		rest := s.items
		if len(rest) > 0 && len(encodings[rest[0]]) == s.depth {
			t.item[node] = int32(rest[0])
			t.nodeOf[rest[0]] = node
			rest = rest[1:]
		}
		for len(rest) > 0 {
			token := encodings[rest[0]][s.depth]
			end := slices.IndexFunc(rest, func(item int) bool { return encodings[item][s.depth] != token })
			if end < 0 {
				end = len(rest)
			}
			t.token = append(t.token, token)
			t.child = append(t.child, int32(len(queue)))
			queue = append(queue, pendingNode{items: rest[:end], depth: s.depth + 1, parent: node})
			rest = rest[end:]
		}
	}
	t.first = append(t.first, int32(len(t.token)))
}

// Items is how many items the trie holds.
func (t *Trie) Items() int { return int(t.count[0]) }

// Depth is the number of tokens of the longest item.
func (t *Trie) Depth() int { return t.depth }

// Tokens is the different tokens that spell items, in order.
func (t *Trie) Tokens() []int32 {
	tokens := slices.Clone(t.token)
	slices.Sort(tokens)
	return slices.Compact(tokens)
}

// Constraint says how the sequences of one row may go on.
type Constraint interface {
	// Recommend calls emit with each token that may follow the path to node, in order, and the node
	// it leads to.
	Next(node int32, emit func(token, child int32))
	// Item is the item that may end at node, or 0.
	Item(node int32) int
	// Items is how many items may be found.
	Items() int
	// baseTrie is the trie that the constraint is about, and mark sets, a byte a node of it, which
	// may be entered and where an item may end.
	baseTrie() *Trie
	fillMasks(enter, end []byte)
}

// Except returns the constraint that allows every item of the trie but the given ones: a row's
// catalogue without what the user has seen. Items that the trie does not hold, and repeated ones,
// are ignored.
func (t *Trie) Except(items []int) Constraint {
	excluded := map[int32]int32{}
	seen := make(map[int]bool, len(items))
	for _, item := range items {
		node, ok := t.nodeOf[item]
		if !ok || seen[item] {
			continue
		}
		seen[item] = true
		for ; node != 0; node = t.parent[node] {
			excluded[node]++
		}
		excluded[0]++
	}
	return &exclusion{trie: t, excluded: excluded, seen: seen}
}

// exclusion is a trie without some of its items; gone counts how many of the items at and below a
// node are left out.
type exclusion struct {
	trie     *Trie
	excluded map[int32]int32
	seen     map[int]bool
}

// Recommend implements [Constraint]; branches that hold only left out items are not entered.
func (e *exclusion) Next(node int32, emit func(token, child int32)) {
	for edge := e.trie.first[node]; edge < e.trie.first[node+1]; edge++ {
		child := e.trie.child[edge]
		if e.excluded[child] < e.trie.count[child] {
			emit(e.trie.token[edge], child)
		}
	}
}

// Item implements [Constraint].
func (e *exclusion) Item(node int32) int {
	item := int(e.trie.item[node])
	if e.seen[item] {
		return 0
	}
	return item
}

// Items implements [Constraint].
func (e *exclusion) Items() int { return e.trie.Items() - int(e.excluded[0]) }

func (e *exclusion) baseTrie() *Trie { return e.trie }

func (e *exclusion) fillMasks(enter, end []byte) {
	for node := range enter {
		if e.excluded[int32(node)] < e.trie.count[node] {
			enter[node] = 1
		}
		if e.Item(int32(node)) != 0 {
			end[node] = 1
		}
	}
}

// Only returns the trie of the given items alone: a row's candidates. Items that this trie does not
// hold are an error.
func (t *Trie) Only(items []int) (*Trie, error) {
	encodings := make(map[int][]int32, len(items))
	for _, item := range items {
		node, ok := t.nodeOf[item]
		if !ok {
			return nil, fmt.Errorf("candidate %d is not in the catalog of %d items", item, t.Items())
		}
		encodings[item] = t.tokensTo(node)
	}
	return NewTrie(encodings)
}

// tokensTo is the tokens on the path to node.
func (t *Trie) tokensTo(node int32) []int32 {
	var tokens []int32
	for ; node != 0; node = t.parent[node] {
		parent := t.parent[node]
		edges := t.child[t.first[parent]:t.first[parent+1]]
		tokens = append(tokens, t.token[int(t.first[parent])+int(node-edges[0])])
	}
	slices.Reverse(tokens)
	return tokens
}
