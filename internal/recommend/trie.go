package recommend

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// errDuplicate reports that two items are encoded as the same tokens.
var errDuplicate = errors.New("two items have the same token sequence")

// Trie contains the token sequences of the items that can be decoded. It is flat: the edges of node
// n are the elements first[n] to first[n+1] of token and child, in ascending order of token. Node 0
// is the root.
type Trie struct {
	first  []int32       // [nodes+1]
	token  []int32       // [edges]
	child  []int32       // [edges]
	item   []int32       // [nodes], the item that ends here, 0 for none
	count  []int32       // [nodes], the number of items that end here or below
	nodeOf map[int]int32 // by item
	parent []int32       // [nodes], the parent; the root is its own
	depth  int
}

// NewTrie returns the trie of items, given the tokens of each without the end token.
func NewTrie(encodings map[int][]int32) (*Trie, error) {
	items := slices.Collect(maps.Keys(encodings))
	// Equal tokens go by item, so that an error names the same two items each time.
	slices.SortFunc(items, func(a, b int) int {
		return cmp.Or(slices.Compare(encodings[a], encodings[b]), cmp.Compare(a, b))
	})
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

// pendingNode is a node that is not built yet: the items whose tokens start with its path, and the
// length of the path.
type pendingNode struct {
	items  []int
	depth  int
	parent int32
}

// build orders the nodes breadth first, so that the edges of a node are adjacent.
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

// Items returns the number of items.
func (t *Trie) Items() int { return int(t.count[0]) }

// Depth returns the number of tokens of the longest item.
func (t *Trie) Depth() int { return t.depth }

// Tokens returns the distinct tokens of all items, in ascending order.
func (t *Trie) Tokens() []int32 {
	tokens := slices.Clone(t.token)
	slices.Sort(tokens)
	return slices.Compact(tokens)
}

// Constraint determines which items a row can decode to.
type Constraint interface {
	// Next calls emit with each token that can follow the path to node, in order, and the node that
	// it leads to.
	Next(node int32, emit func(token, child int32))
	// Item returns the allowed item that ends at node, or 0.
	Item(node int32) int
	// Items returns the number of allowed items.
	Items() int
	// baseTrie returns the underlying trie.
	baseTrie() *Trie
	// excludedNodes returns the nodes of the underlying trie, except the root, that cannot be
	// entered, and those whose item is not allowed, both in ascending order.
	excludedNodes() (closed, ends []int32)
}

// Except returns the constraint that allows every item of the trie except the given ones, such as
// those that the user has seen. Items that are not in the trie, and repeated ones, are ignored.
func (t *Trie) Except(items []int) Constraint {
	e := &exclusion{trie: t}
	for _, item := range items {
		if node, ok := t.nodeOf[item]; ok {
			e.ends = append(e.ends, node)
		}
	}
	slices.Sort(e.ends)
	e.ends = slices.Compact(e.ends)
	var nodes []int32 // those on the path to each excluded item
	for _, node := range e.ends {
		for ; node != 0; node = t.parent[node] {
			nodes = append(nodes, node)
		}
	}
	slices.Sort(nodes)
	for from := 0; from < len(nodes); {
		to := from + 1
		for to < len(nodes) && nodes[to] == nodes[from] {
			to++
		}
		if int32(to-from) == t.count[nodes[from]] {
			e.closed = append(e.closed, nodes[from])
		}
		from = to
	}
	return e
}

// exclusion is a trie without some of its items.
type exclusion struct {
	trie   *Trie
	ends   []int32 // the nodes where the excluded items end, in ascending order
	closed []int32 // the nodes below which all items are excluded, in ascending order
}

// Next implements [Constraint]; branches with only excluded items are skipped.
func (e *exclusion) Next(node int32, emit func(token, child int32)) {
	first, end := e.trie.first[node], e.trie.first[node+1]
	if first == end {
		return
	}
	closed := e.closed
	at, _ := slices.BinarySearch(closed, e.trie.child[first]) // the children of a node ascend, too
	for edge := first; edge < end; edge++ {
		child := e.trie.child[edge]
		if at < len(closed) && closed[at] == child {
			at++
			continue
		}
		emit(e.trie.token[edge], child)
	}
}

// Item implements [Constraint].
func (e *exclusion) Item(node int32) int {
	item := int(e.trie.item[node])
	if item == 0 {
		return 0
	}
	if _, excluded := slices.BinarySearch(e.ends, node); excluded {
		return 0
	}
	return item
}

// Items implements [Constraint].
func (e *exclusion) Items() int { return e.trie.Items() - len(e.ends) }

func (e *exclusion) baseTrie() *Trie { return e.trie }

func (e *exclusion) excludedNodes() (closed, ends []int32) { return e.closed, e.ends }

// Only returns the trie of the given items, such as a row's candidates. An item that is not in this
// trie is an error.
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

// tokensTo returns the tokens on the path to node.
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
