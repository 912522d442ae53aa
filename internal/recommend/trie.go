package recommend

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// errDuplicate says that two items are spelt with the same tokens.
var errDuplicate = errors.New("two items have the same tokens")

// Trie is the items that may be decoded, as the sequences of tokens that spell them. It is flat: the edges of node n are places
// first[n] to first[n+1] of token and child, in the order of token. Node 0 is the root.
type Trie struct {
	first []int32 // [nodes+1]
	token []int32 // [edges]
	child []int32 // [edges]
	item  []int32 // [nodes], the item that ends here, 0 none
	count []int32 // [nodes], how many items end here or below
	nodes map[int]int32
	up    []int32 // [nodes], the parent; the root is its own
	depth int
}

// NewTrie makes the trie of a catalogue: for each item, the tokens that spell it, without the end token.
func NewTrie(spellings map[int][]int32) (*Trie, error) {
	items := slices.Collect(maps.Keys(spellings))
	slices.SortFunc(items, func(a, b int) int { return slices.Compare(spellings[a], spellings[b]) })
	for i, item := range items {
		switch {
		case len(spellings[item]) == 0:
			return nil, fmt.Errorf("item %d has no tokens", item)
		case i > 0 && slices.Equal(spellings[items[i-1]], spellings[item]):
			return nil, fmt.Errorf("items %d and %d: %w", items[i-1], item, errDuplicate)
		}
	}
	t := &Trie{nodes: make(map[int]int32, len(items))}
	t.grow(items, spellings)
	return t, nil
}

// span is a node in the making: the items whose spelling starts with its path, and the path's length.
type span struct {
	items []int
	depth int
	up    int32
}

// grow lays the nodes out breadth first, so that a node's edges lie together.
func (t *Trie) grow(items []int, spellings map[int][]int32) {
	queue := []span{{items: items}}
	for node := int32(0); int(node) < len(queue); node++ {
		s := queue[node]
		t.first = append(t.first, int32(len(t.token)))
		t.count = append(t.count, int32(len(s.items)))
		t.item = append(t.item, 0)
		t.up = append(t.up, s.up)
		t.depth = max(t.depth, s.depth)
		rest := s.items
		if len(rest) > 0 && len(spellings[rest[0]]) == s.depth {
			t.item[node] = int32(rest[0])
			t.nodes[rest[0]] = node
			rest = rest[1:]
		}
		for len(rest) > 0 {
			token := spellings[rest[0]][s.depth]
			end := slices.IndexFunc(rest, func(item int) bool { return spellings[item][s.depth] != token })
			if end < 0 {
				end = len(rest)
			}
			t.token = append(t.token, token)
			t.child = append(t.child, int32(len(queue)))
			queue = append(queue, span{items: rest[:end], depth: s.depth + 1, up: node})
			rest = rest[end:]
		}
	}
	t.first = append(t.first, int32(len(t.token)))
}

// Items is how many items the trie holds.
func (t *Trie) Items() int { return int(t.count[0]) }

// Depth is the number of tokens of the longest item.
func (t *Trie) Depth() int { return t.depth }

// Alphabet is the different tokens that spell items, in order.
func (t *Trie) Alphabet() []int32 {
	tokens := slices.Clone(t.token)
	slices.Sort(tokens)
	return slices.Compact(tokens)
}

// Constraint says how the sequences of one row may go on.
type Constraint interface {
	// Next calls emit with each token that may follow the path to node, in order, and the node it leads to.
	Next(node int32, emit func(token, child int32))
	// Item is the item that may end at node, or 0.
	Item(node int32) int
	// Items is how many items may be found.
	Items() int
	// table is the trie that the constraint is about, and mark sets, a byte a node of it, which may be entered and where an item may end.
	table() *Trie
	mark(enter, end []byte)
}

// Except returns the constraint that allows every item of the trie but the given ones: a row's catalogue without what the user has
// seen. Items that the trie does not hold, and repeated ones, are ignored.
func (t *Trie) Except(items []int) Constraint {
	gone := map[int32]int32{}
	seen := make(map[int]bool, len(items))
	for _, item := range items {
		node, ok := t.nodes[item]
		if !ok || seen[item] {
			continue
		}
		seen[item] = true
		for ; node != 0; node = t.up[node] {
			gone[node]++
		}
		gone[0]++
	}
	return &exception{trie: t, gone: gone, seen: seen}
}

// exception is a trie without some of its items; gone counts how many of the items at and below a node are left out.
type exception struct {
	trie *Trie
	gone map[int32]int32
	seen map[int]bool
}

// Next implements [Constraint]; branches that hold only left out items are not entered.
func (e *exception) Next(node int32, emit func(token, child int32)) {
	for edge := e.trie.first[node]; edge < e.trie.first[node+1]; edge++ {
		child := e.trie.child[edge]
		if e.gone[child] < e.trie.count[child] {
			emit(e.trie.token[edge], child)
		}
	}
}

// Item implements [Constraint].
func (e *exception) Item(node int32) int {
	item := int(e.trie.item[node])
	if e.seen[item] {
		return 0
	}
	return item
}

// Items implements [Constraint].
func (e *exception) Items() int { return e.trie.Items() - int(e.gone[0]) }

func (e *exception) table() *Trie { return e.trie }

func (e *exception) mark(enter, end []byte) {
	for node := range enter {
		if e.gone[int32(node)] < e.trie.count[node] {
			enter[node] = 1
		}
		if e.Item(int32(node)) != 0 {
			end[node] = 1
		}
	}
}

// Only returns the trie of the given items alone: a row's candidates. Items that this trie does not hold are an error.
func (t *Trie) Only(items []int) (*Trie, error) {
	spellings := make(map[int][]int32, len(items))
	for _, item := range items {
		node, ok := t.nodes[item]
		if !ok {
			return nil, fmt.Errorf("candidate %d is not in the catalogue of %d items", item, t.Items())
		}
		spellings[item] = t.spelling(node)
	}
	return NewTrie(spellings)
}

// spelling is the tokens on the path to node.
func (t *Trie) spelling(node int32) []int32 {
	var tokens []int32
	for ; node != 0; node = t.up[node] {
		up := t.up[node]
		edges := t.child[t.first[up]:t.first[up+1]]
		tokens = append(tokens, t.token[int(t.first[up])+int(node-edges[0])])
	}
	slices.Reverse(tokens)
	return tokens
}
