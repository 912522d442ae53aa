package token

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// ByteLevel is the byte-level BPE tokenizer of GPT-2's family, with the pre-tokenizers of SmolLM2
// and Llama 3. Decoding its tokens gives the same text.
type ByteLevel struct {
	preTokenizer PreTokenizer
	plain        map[string]int32 // pieces of texts, by their bytes, for Llama 3
	pieces       []string         // by id, decoded from the printable alphabet
	ids          map[string]int32
	merges       map[[2]int32]merged
	bytes        [256]int32 // the token of each byte
	special      []string   // control pieces, longest first
	isMarker     []bool     // by id
}

// merged is the token that replaces a pair of tokens, and the rank of the merge.
type merged struct {
	id   int32
	rank float64
}

// NewByteLevel returns the tokenizer of a GGUF file or tokenizer.json: the vocabulary by id and the
// merges ("left right", earliest first), both in GPT-2's printable alphabet, and the ids of control
// pieces such as "<|im_start|>".
func NewByteLevel(preTokenizer PreTokenizer, vocabulary, merges []string, control []int32) (*ByteLevel, error) {
	t := &ByteLevel{
		preTokenizer: preTokenizer, plain: map[string]int32{},
		pieces: make([]string, len(vocabulary)), ids: make(map[string]int32, len(vocabulary)),
		merges: make(map[[2]int32]merged, len(merges)), isMarker: make([]bool, len(vocabulary)),
	}
	for _, id := range control {
		if id < 0 || int(id) >= len(vocabulary) {
			return nil, fmt.Errorf("control piece %d is outside the vocabulary of %d", id, len(vocabulary))
		}
		t.isMarker[id] = true
		t.special = append(t.special, vocabulary[id])
	}
	sortLongest(t.special)
	byPiece := make(map[string]int32, len(vocabulary))
	decode := byteDecoder()
	for id, piece := range vocabulary {
		if _, twice := byPiece[piece]; twice {
			return nil, fmt.Errorf("piece %q is duplicated in the vocabulary", piece)
		}
		byPiece[piece] = int32(id)
		t.pieces[id] = piece
		if !t.isMarker[id] {
			t.pieces[id] = decodePrintable(piece, decode)
			t.plain[t.pieces[id]] = int32(id)
		}
		t.ids[piece] = int32(id)
	}
	return t, errors.Join(t.setBytes(byPiece), t.setMerges(merges, byPiece))
}

// setBytes finds the token of each byte. A byte without a token is dropped from texts, as Hugging
// Face's tokenizers do: SmolLM2's vocabulary lacks six control characters and the first bytes of
// characters from U+40000 on.
func (t *ByteLevel) setBytes(byPiece map[string]int32) error {
	found := 0
	for char, b := range byteDecoder() {
		id, ok := byPiece[string(char)]
		if !ok {
			id = -1
		} else {
			found++
		}
		t.bytes[b] = id
	}
	if found == 0 {
		return errors.New("the vocabulary has no tokens for single bytes")
	}
	return nil
}

func (t *ByteLevel) setMerges(merges []string, byPiece map[string]int32) error {
	for rank, merge := range merges {
		left, right, ok := strings.Cut(merge, " ")
		l, lok := byPiece[left]
		r, rok := byPiece[right]
		id, iok := byPiece[left+right]
		if !ok || !lok || !rok || !iok {
			return fmt.Errorf("merge %d, %q, has pieces that are not in the vocabulary", rank, merge)
		}
		if _, twice := t.merges[[2]int32{l, r}]; !twice {
			t.merges[[2]int32{l, r}] = merged{id, float64(rank)}
		}
	}
	return nil
}

// Size returns the number of tokens.
func (t *ByteLevel) Size() int { return len(t.pieces) }

// ID returns the id of a piece as written in the vocabulary, such as "<|im_end|>".
func (t *ByteLevel) ID(piece string) (int32, bool) {
	id, ok := t.ids[piece]
	return id, ok
}

// Encode converts text to tokens. Control pieces in it are treated as plain text, so that a review
// cannot pose as the system.
func (t *ByteLevel) Encode(text string) []int32 {
	return t.encode(nil, text)
}

// EncodeMarkup converts text to tokens and recognizes control pieces in it. It is for trusted text
// only.
func (t *ByteLevel) EncodeMarkup(text string) []int32 {
	var ids []int32
	for text != "" {
		at, piece := firstOf(text, t.special)
		ids = t.encode(ids, text[:at])
		if piece != "" {
			ids = append(ids, t.ids[piece])
		}
		text = text[at+len(piece):]
	}
	return ids
}

// Decode converts tokens to text without control pieces. Invalid UTF-8 becomes U+FFFD.
func (t *ByteLevel) Decode(ids []int32) string {
	var out strings.Builder
	for _, id := range ids {
		out.WriteString(t.Piece(id))
	}
	return strings.ToValidUTF8(out.String(), "\uFFFD")
}

// Piece returns the bytes of a token, possibly part of a character; empty for control pieces and
// ids outside the vocabulary.
func (t *ByteLevel) Piece(id int32) string {
	if id < 0 || int(id) >= len(t.pieces) || t.isMarker[id] {
		return ""
	}
	return t.pieces[id]
}

func (t *ByteLevel) encode(ids []int32, text string) []int32 {
	text = strings.ToValidUTF8(text, "\uFFFD")
	for text != "" {
		n := t.preTokenizer.nextWord(text)
		ids = t.word(ids, text[:n])
		text = text[n:]
	}
	return ids
}

// word merges the bytes of one word.
func (t *ByteLevel) word(ids []int32, word string) []int32 {
	if id, ok := t.plain[word]; ok && t.preTokenizer == Llama3 {
		return append(ids, id)
	}
	symbols := make([]symbol, 0, len(word))
	for i := range len(word) {
		if id := t.bytes[word[i]]; id >= 0 {
			symbols = append(symbols, symbol{id: id, start: len(symbols), end: len(symbols) + 1})
		}
	}
	join := func(left, right symbol) (int32, float64, bool) {
		m, ok := t.merges[[2]int32{left.id, right.id}]
		return m.id, m.rank, ok
	}
	mergeAll(symbols, join, func(s symbol) { ids = append(ids, s.id) })
	return ids
}

// byteDecoder maps GPT-2's printable alphabet to bytes: printable Latin-1 maps to itself, the other
// bytes follow from U+0100 on, in order.
func byteDecoder() map[rune]byte {
	out := make(map[rune]byte, 256)
	next := rune(0x100)
	for b := range 256 {
		char := rune(b)
		if b < '!' || b > '~' && b < 0xA1 || b == 0xAD {
			char = next
			next++
		}
		out[char] = byte(b)
	}
	return out
}

// decodePrintable converts a piece in the printable alphabet to its bytes; characters outside the
// alphabet stay.
func decodePrintable(piece string, decode map[rune]byte) string {
	out := make([]byte, 0, len(piece))
	for _, char := range piece {
		if b, ok := decode[char]; ok {
			out = append(out, b)
		} else {
			out = utf8.AppendRune(out, char)
		}
	}
	return string(out)
}
