package token

import "container/heap"

// symbol is a part of the text that is one token so far, in a doubly linked list; a symbol that was
// merged into another has end == start.
type symbol struct {
	id         int32 // -1: not in the vocabulary
	start, end int   // bytes of the text
	prev, next int   // -1: none
}

// pair is two adjacent symbols that may become one token.
type pair struct {
	rank        float64 // lower merges first; equal ranks merge from the left
	left, right int
	end         int // the end of right when the pair was found: a pair whose parts have grown since is stale
	start, mid  int
	id          int32
}

// joiner returns the token that replaces two adjacent symbols, its rank, and whether they can be
// joined.
type joiner func(left, right symbol) (id int32, rank float64, ok bool)

// mergeAll joins adjacent symbols, lowest rank first, until none can be joined, and calls emit with
// the remaining symbols, in order. It takes n log n steps, so that one long word cannot stall it.
func mergeAll(symbols []symbol, join joiner, emit func(symbol)) {
	for i := range symbols {
		symbols[i].prev, symbols[i].next = i-1, i+1
	}
	if len(symbols) == 0 {
		return
	}
	symbols[len(symbols)-1].next = -1
	m := merger{symbols: symbols, join: join}
	for i := 1; i < len(symbols); i++ {
		m.push(i-1, i)
	}
	for m.queue.Len() > 0 {
		m.merge(m.queue.take())
	}
	for i := 0; i >= 0; i = symbols[i].next {
		emit(symbols[i])
	}
}

type merger struct {
	symbols []symbol
	join    joiner
	queue   pairs
}

// push queues two adjacent symbols if they can be joined.
func (m *merger) push(left, right int) {
	if left < 0 || right < 0 {
		return
	}
	l, r := m.symbols[left], m.symbols[right]
	if id, rank, ok := m.join(l, r); ok {
		heap.Push(&m.queue, pair{
			rank: rank, left: left, right: right, start: l.start, mid: r.start, end: r.end, id: id,
		})
	}
}

// merge joins a queued pair unless it is stale, and queues the new pairs with its neighbors.
func (m *merger) merge(p pair) {
	l, r := &m.symbols[p.left], &m.symbols[p.right]
	if l.start != p.start || l.end != p.mid || r.start != p.mid || r.end != p.end || l.next != p.right {
		return
	}
	l.end, l.id, l.next = r.end, p.id, r.next
	if r.next >= 0 {
		m.symbols[r.next].prev = p.left
	}
	r.start, r.end = -1, -1
	m.push(l.prev, p.left)
	m.push(p.left, l.next)
}

// pairs is a heap: the lowest rank first, then the leftmost.
type pairs []pair

func (p pairs) Len() int { return len(p) }

func (p pairs) Less(i, j int) bool {
	if p[i].rank != p[j].rank {
		return p[i].rank < p[j].rank
	}
	return p[i].left < p[j].left
}

func (p pairs) Swap(i, j int) { p[i], p[j] = p[j], p[i] }

// Push adds a pair; package heap calls it.
func (p *pairs) Push(x any) { *p = append(*p, x.(pair)) } //nolint:errcheck,forcetypeassert // only pairs are pushed

// Pop removes the last pair; package heap calls it.
func (p *pairs) Pop() any {
	last := len(*p) - 1
	out := (*p)[last]
	*p = (*p)[:last]
	return out
}

// take removes and returns the first pair.
func (p *pairs) take() pair { return heap.Pop(p).(pair) } //nolint:errcheck,forcetypeassert // only pairs are pushed
