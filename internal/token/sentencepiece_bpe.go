package token

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// SentencePieceBPE is the tokenizer of Llama 2 and its relatives: SentencePiece's BPE with byte
// fallback. It is read from a tokenizer.model or from the vocabulary of a GGUF file.
type SentencePieceBPE struct {
	normalizer normalizer
	pieces     []scoredPiece
	ids        map[string]int32 // pieces of texts
	bytes      [256]int32
	unknown    int32
	begin, end int32
}

// ParseSentencePieceBPE parses the bytes of a tokenizer.model.
func ParseSentencePieceBPE(model []byte) (*SentencePieceBPE, error) {
	file, err := readSentencePiece(model)
	if err != nil {
		return nil, err
	}
	return newSentencePieceBPE(file)
}

// NewSentencePieceBPE returns the tokenizer of a GGUF file's arrays: pieces, scores and types by
// id.
func NewSentencePieceBPE(
	pieces []string, scores []float64, kinds []int64, spaceBefore bool,
) (*SentencePieceBPE, error) {
	if len(pieces) != len(scores) || len(pieces) != len(kinds) {
		return nil, fmt.Errorf("the vocabulary has %d pieces, %d scores and %d types",
			len(pieces), len(scores), len(kinds))
	}
	file := sentencePiece{dummyPrefix: spaceBefore}
	for i, piece := range pieces {
		file.pieces = append(file.pieces, scoredPiece{text: piece, score: float32(scores[i]), kind: int(kinds[i])})
	}
	return newSentencePieceBPE(file)
}

func newSentencePieceBPE(file sentencePiece) (*SentencePieceBPE, error) {
	t := &SentencePieceBPE{pieces: file.pieces, ids: map[string]int32{}, unknown: -1, begin: -1, end: -1}
	var err error
	if t.normalizer, err = newNormalizer(file); err != nil {
		return nil, fmt.Errorf("read BPE vocabulary: %w", err)
	}
	for i := range t.bytes {
		t.bytes[i] = -1
	}
	for i, piece := range file.pieces {
		t.add(int32(i), piece)
	}
	if t.unknown < 0 {
		return nil, errors.New("the BPE vocabulary has no unknown piece")
	}
	return t, nil
}

// add registers a piece by its type.
func (t *SentencePieceBPE) add(id int32, piece scoredPiece) {
	switch piece.kind {
	case pieceNormal, pieceUser:
		t.ids[piece.text] = id
	case pieceUnknown:
		t.unknown = id
	case pieceByte:
		if b, ok := parseBytePiece(piece.text); ok {
			t.bytes[b] = id
		}
	case pieceControl:
		switch piece.text {
		case "<s>":
			t.begin = id
		case "</s>":
			t.end = id
		}
	}
}

// Add adds pieces to the model's own, by their ids. Those that are not control pieces are decoded,
// but no text is encoded as them. A piece that the model has with the same id stays as it is.
func (t *SentencePieceBPE) Add(ids map[string]int32, isControl func(piece string) bool) error {
	known := len(t.pieces)
	for _, piece := range slices.Sorted(maps.Keys(ids)) {
		id := ids[piece]
		switch {
		case id < 0 || id >= maxVocabulary:
			return fmt.Errorf("the added piece %q has the id %d, which is out of bounds", piece, id)
		case int(id) < known && t.pieces[id].text != piece:
			return fmt.Errorf("the added piece %q has the id %d, which belongs to %q", piece, id, t.pieces[id].text)
		case int(id) < known:
			continue
		}
		for int(id) >= len(t.pieces) {
			t.pieces = append(t.pieces, scoredPiece{kind: pieceUnused})
		}
		if other := t.pieces[id].text; other != "" {
			return fmt.Errorf("the added pieces %q and %q have the same id %d", other, piece, id)
		}
		t.pieces[id].text = piece
		if isControl(piece) {
			t.pieces[id].kind = pieceControl
		}
	}
	return nil
}

// Size returns the number of tokens.
func (t *SentencePieceBPE) Size() int { return len(t.pieces) }

// Begin returns the id of <s>, -1 if the vocabulary has none.
func (t *SentencePieceBPE) Begin() int32 { return t.begin }

// End returns the id of </s>, -1 if the vocabulary has none.
func (t *SentencePieceBPE) End() int32 { return t.end }

// Encode converts text to tokens, without <s> and </s>. Control pieces in it are treated as plain
// text.
func (t *SentencePieceBPE) Encode(text string) []int32 {
	text = t.normalizer.normalize(text)
	symbols := make([]symbol, 0, len(text))
	for at := 0; at < len(text); {
		_, size := utf8.DecodeRuneInString(text[at:])
		symbols = append(symbols, symbol{id: t.lookup(text[at : at+size]), start: at, end: at + size})
		at += size
	}
	join := func(left, right symbol) (int32, float64, bool) {
		id, ok := t.ids[text[left.start:right.end]]
		if !ok {
			return 0, 0, false
		}
		return id, -float64(t.pieces[id].score), true
	}
	var ids []int32
	mergeAll(symbols, join, func(s symbol) { ids = t.appendPiece(ids, s.id, text[s.start:s.end]) })
	return ids
}

// lookup returns the id of a piece, -1 if there is none.
func (t *SentencePieceBPE) lookup(piece string) int32 {
	if id, ok := t.ids[piece]; ok {
		return id
	}
	return -1
}

// appendPiece appends a piece, or the bytes of a text that is no piece.
func (t *SentencePieceBPE) appendPiece(ids []int32, id int32, text string) []int32 {
	if id >= 0 {
		return append(ids, id)
	}
	for i := range len(text) {
		if t.bytes[text[i]] < 0 {
			return append(ids, t.unknown)
		}
	}
	for i := range len(text) {
		ids = append(ids, t.bytes[text[i]])
	}
	return ids
}

// Decode converts tokens to text as SentencePiece does: control pieces and the blank before the
// text are dropped, and each invalid byte of UTF-8 becomes U+FFFD.
func (t *SentencePieceBPE) Decode(ids []int32) string {
	var out strings.Builder
	first := true
	for at := 0; at < len(ids); {
		if run := t.byteRun(ids[at:]); run != "" {
			out.WriteString(validEach(run))
			at += len(run)
			first = false
			continue
		}
		piece := t.Piece(ids[at])
		if first && piece != "" {
			if t.normalizer.dummyPrefix {
				piece = strings.TrimPrefix(piece, " ")
			}
			first = false
		}
		out.WriteString(piece)
		at++
	}
	return out.String()
}

// byteRun returns the bytes of the leading byte pieces.
func (t *SentencePieceBPE) byteRun(ids []int32) string {
	var run []byte
	for _, id := range ids {
		if id < 0 || int(id) >= len(t.pieces) || t.pieces[id].kind != pieceByte {
			break
		}
		b, _ := parseBytePiece(t.pieces[id].text)
		run = append(run, b)
	}
	return string(run)
}

// Piece returns the bytes of a token, with blanks as blanks, possibly part of a character; empty
// for control pieces and ids outside the vocabulary.
func (t *SentencePieceBPE) Piece(id int32) string {
	if id < 0 || int(id) >= len(t.pieces) {
		return ""
	}
	switch piece := t.pieces[id]; piece.kind {
	case pieceControl:
		return ""
	case pieceUnknown:
		return " \u2047 "
	case pieceByte:
		b, _ := parseBytePiece(piece.text)
		return string([]byte{b})
	default:
		return strings.ReplaceAll(piece.text, spaceSymbol, " ")
	}
}

// parseBytePiece parses a byte piece such as <0x0A>.
func parseBytePiece(piece string) (byte, bool) {
	var b byte
	n, err := fmt.Sscanf(piece, "<0x%02X>", &b)
	return b, n == 1 && err == nil && len(piece) == 6
}

// validEach replaces each invalid byte of UTF-8 by U+FFFD.
func validEach(run string) string {
	var out strings.Builder
	for _, char := range run { // range gives U+FFFD for each such byte
		out.WriteRune(char)
	}
	return out.String()
}
