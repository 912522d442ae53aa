package token

import (
	"errors"
	"slices"
	"strings"
	"unicode/utf8"
)

// unknownPenalty is the difference between the score of the worst piece and that of an unknown
// character.
const unknownPenalty = 10

// span is a piece in a normalized text.
type span struct {
	id         int32
	start, end int32
}

// unigram finds the segmentation of a text with the highest sum of scores.
type unigram struct {
	pieces  []scoredPiece
	trie    trie
	unknown int32
	// unknownScore is an unknown character's score.
	unknownScore float32
}

func newUnigram(pieces []scoredPiece) (unigram, error) {
	u := unigram{pieces: pieces, unknown: -1}
	var lowest float32
	seen := false
	keys := make([]trieKey, 0, len(pieces))
	for id, piece := range pieces {
		switch piece.kind {
		case pieceUnknown:
			u.unknown = int32(id)
		case pieceNormal:
			if !seen || piece.score < lowest {
				lowest = piece.score
			}
			seen = true
			keys = append(keys, trieKey{piece.text, int32(id)})
		case pieceUser:
			keys = append(keys, trieKey{piece.text, int32(id)})
		}
	}
	if u.unknown < 0 {
		return u, errors.New("model has no piece for unknown text")
	}
	if !seen {
		return u, errors.New("model has no normal piece")
	}
	u.unknownScore = lowest - unknownPenalty
	var err error
	u.trie, err = newTrie(keys)
	return u, err
}

// bestPath is the best path to a position of the text.
type bestPath struct {
	// score is rounded to float32 at each step as in SentencePiece 0.2.3, which decides between
	// equally good paths.
	score float32
	start int32 // start of its last piece; -1 while the position is unreached
	id    int32
}

// tooLow is the score below which float32 is too coarse; the path so far then counts as 0.
const tooLow = -100_000

// search appends the pieces of text to spans; their positions count from the start of text. table
// is scratch space.
func (u *unigram) search(spans []span, text []byte, table []bestPath) ([]span, []bestPath) {
	table = slices.Grow(table[:0], len(text)+1)[:len(text)+1]
	for i := range table {
		table[i].start = -1
	}
	table[0] = bestPath{}
	for start := 0; start < len(text); {
		if here := table[start].score; here < tooLow {
			for i := range table[start:] { // unreached positions are overwritten anyway
				table[start+i].score -= here
			}
		}
		_, size := utf8.DecodeRune(text[start:])
		u.relax(text, table, start, size)
		start += size
	}
	from := len(spans)
	for end := int32(len(text)); end > 0; {
		node := table[end]
		if last := len(spans) - 1; node.id == u.unknown && last >= from && spans[last].id == u.unknown {
			spans[last].start = node.start // a run of unknown characters is one piece
		} else {
			spans = append(spans, span{node.id, node.start, end})
		}
		end = node.start
	}
	slices.Reverse(spans[from:])
	return spans, table
}

// relax tries every piece that starts at start, and the unknown piece if no piece covers exactly
// the next character.
func (u *unigram) relax(text []byte, table []bestPath, start, size int) {
	here := table[start].score
	single := false
	node := int32(0)
	for at := start; at < len(text); at++ {
		if node = u.trie.next(node, text[at]); node < 0 {
			break
		}
		id := u.trie.value(node)
		if id < 0 {
			continue
		}
		end := at + 1
		score := u.pieces[id].score
		if u.pieces[id].kind == pieceUser {
			score = 0.1 * float32(end-start-1) // better than any other, the longer the better
		}
		improve(&table[end], bestPath{here + score, int32(start), id})
		single = single || end-start == size
	}
	if !single {
		improve(&table[start+size], bestPath{here + u.unknownScore, int32(start), u.unknown})
	}
}

// improve keeps the better path; the first one found wins a tie.
func improve(node *bestPath, path bestPath) {
	if node.start < 0 || path.score > node.score {
		*node = path
	}
}

type trieKey struct {
	text string
	id   int32
}

// trie finds the pieces at the start of a text, byte by byte. The children of a node are adjacent,
// in the order of their labels.
type trie struct {
	root  [256]int32 // children of node 0; 0 means none
	nodes []trieNode
}

type trieNode struct {
	first int32 // first child
	id    int32 // the piece that ends here, -1 for none
	count int16
	label byte
}

func newTrie(keys []trieKey) (trie, error) {
	slices.SortFunc(keys, func(a, b trieKey) int { return strings.Compare(a.text, b.text) })
	for i := 1; i < len(keys); i++ {
		if keys[i].text == keys[i-1].text {
			return trie{}, errors.New("model has duplicate piece " + strings.ToValidUTF8(keys[i].text, "?"))
		}
	}
	t := trie{nodes: []trieNode{{id: -1}}}
	t.fill(0, keys, 0)
	root := t.nodes[0]
	for i := range int32(root.count) {
		child := root.first + i
		t.root[t.nodes[child].label] = child
	}
	return t, nil
}

// fill builds the subtree of a node from the sorted keys that share their first depth bytes.
func (t *trie) fill(node int32, keys []trieKey, depth int) {
	if len(keys) > 0 && len(keys[0].text) == depth {
		t.nodes[node].id = keys[0].id
		keys = keys[1:]
	}
	first := int32(len(t.nodes))
	for i, key := range keys {
		if i == 0 || key.text[depth] != keys[i-1].text[depth] {
			t.nodes = append(t.nodes, trieNode{id: -1, label: key.text[depth]})
		}
	}
	count := int32(len(t.nodes)) - first
	t.nodes[node].first, t.nodes[node].count = first, int16(count)
	from := 0
	for child := first; child < first+count; child++ {
		to := from
		for to < len(keys) && keys[to].text[depth] == t.nodes[child].label {
			to++
		}
		t.fill(child, keys[from:to], depth+1)
		from = to
	}
}

// next returns the child of node along label, -1 if there is none.
func (t *trie) next(node int32, label byte) int32 {
	if node == 0 {
		if child := t.root[label]; child > 0 {
			return child
		}
		return -1
	}
	parent := &t.nodes[node]
	low, high := parent.first, parent.first+int32(parent.count)
	for low < high {
		middle := (low + high) / 2
		if t.nodes[middle].label < label {
			low = middle + 1
		} else {
			high = middle
		}
	}
	if low < parent.first+int32(parent.count) && t.nodes[low].label == label {
		return low
	}
	return -1
}

// value returns the piece that ends at node, -1 if there is none.
func (t *trie) value(node int32) int32 { return t.nodes[node].id }
