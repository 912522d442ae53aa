package token

import (
	"fmt"
	"strings"
)

// Decode joins token ids to text: special and unknown tokens are dropped, and blanks before
// punctuation and English contractions are removed. An id outside the vocabulary is an error,
// although models have rows for a few of them.
func (t *T5) Decode(ids []int32) (string, error) {
	var out strings.Builder
	first, bare := true, true // no piece yet; no text yet
	for _, id := range ids {
		if id < 0 || int(id) >= t.Size() {
			return "", fmt.Errorf("decode token id %d: vocabulary has ids 0 to %d", id, t.Size()-1)
		}
		if int(id) >= len(t.model.pieces) {
			continue // a sentinel
		}
		piece := t.model.pieces[id]
		if piece.kind == pieceControl || piece.kind == pieceUnknown {
			continue
		}
		if b, isByte := parseBytePiece(piece.text); isByte && piece.kind == pieceByte {
			out.WriteByte(b)
			first, bare = false, false
			continue
		}
		text := piece.text
		if first {
			text = strings.TrimLeft(text, spaceSymbol)
			first = false
		}
		if bare {
			text = strings.TrimPrefix(text, spaceSymbol)
			bare = text == ""
		}
		out.WriteString(strings.ReplaceAll(text, spaceSymbol, " "))
	}
	return cleanUp(strings.TrimFunc(strings.ToValidUTF8(out.String(), "\uFFFD"), isBlank)), nil
}

// cleanUp removes blanks where English has none. The rules apply one after the other, each to the
// whole text.
func cleanUp(text string) string {
	for _, rule := range [...][2]string{
		{" .", "."},
		{" ?", "?"},
		{" !", "!"},
		{" ,", ","},
		{" ' ", "'"},
		{" n't", "n't"},
		{" 'm", "'m"},
		{" 's", "'s"},
		{" 've", "'ve"},
		{" 're", "'re"},
	} {
		text = strings.ReplaceAll(text, rule[0], rule[1])
	}
	return text
}

// Fields splits text at blanks as Python's str.split does: the list of words that BLEU sees.
func Fields(text string) []string { return strings.FieldsFunc(text, isBlank) }
