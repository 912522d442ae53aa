// Package token splits text into the tokens that models read, and joins tokens to text. In: text,
// or token ids; out: token ids and the whole word of each, or text. [T5] is the student's
// tokenizer; the others are the teachers'. T5 processes a text in four steps: split off special
// tokens, normalize the rest, search the best-scored pieces, and append `</s>`.
package token

import (
	"bytes"
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"sync"
	"unicode"
)

//go:embed spiece.model
var spiece []byte

// Ids in every T5 vocabulary.
const (
	Pad int32 = 0
	End int32 = 1
)

// sentinels is the number of tokens `<extra_id_N>` after the model's own pieces, the last N first.
const sentinels = 100

// T5 is T5's tokenizer as in transformers 4.36.2, in its default legacy mode. It is safe for
// concurrent use.
type T5 struct {
	normalizer normalizer
	model      unigram
	unknown    string         // the unknown piece's text
	special    []specialToken // split off before the search
	sentinels  int            // the number of tokens <extra_id_N> after the pieces
	bytes      []int32        // the pieces of bytes, for unknown characters; nil if there are none
	files      map[string][]byte
	scratch    sync.Pool
}

// specialToken is a text that is always a token of its own.
type specialToken struct {
	text string
	id   int32
	// strip removes the blanks around the token.
	strip bool
}

// NewT5 returns the tokenizer of T5's own vocabulary, which all T5 sizes share.
func NewT5() (*T5, error) { return ParseT5(spiece) }

// ParseT5 returns the tokenizer of a SentencePiece unigram model, the bytes of a spiece.model.
func ParseT5(model []byte) (*T5, error) {
	file, err := readSentencePiece(model)
	if err != nil {
		return nil, err
	}
	return newT5(file, sentinels)
}

func newT5(file sentencePiece, extra int) (t *T5, err error) {
	t = &T5{sentinels: extra, scratch: sync.Pool{New: func() any { return new(scratch) }}}
	if t.normalizer, err = newNormalizer(file); err != nil {
		return nil, fmt.Errorf("read T5 vocabulary: %w", err)
	}
	if t.model, err = newUnigram(file.pieces); err != nil {
		return nil, fmt.Errorf("read T5 vocabulary: %w", err)
	}
	t.unknown = file.pieces[t.model.unknown].text
	for id, piece := range file.pieces {
		if piece.kind == pieceControl || piece.kind == pieceUnknown {
			t.special = append(t.special, specialToken{text: piece.text, id: int32(id)})
		}
	}
	t.bytes = file.byteIDs()
	for i := range extra {
		id := int32(len(file.pieces) + extra - 1 - i)
		t.special = append(t.special, specialToken{text: fmt.Sprintf("<extra_id_%d>", i), id: id, strip: true})
	}
	return t, nil
}

// Size returns the number of ids: the model's pieces and the sentinels. Models have a few more
// rows, which no text uses.
func (t *T5) Size() int { return len(t.model.pieces) + t.sentinels }

// scratch is the memory of one tokenization.
type scratch struct {
	text  []byte // normalized text and special tokens; the spans refer to it
	spans []span
	table []bestPath
}

func (s *scratch) piece(i int) []byte { return s.text[s.spans[i].start:s.spans[i].end] }

// segment fills s with the pieces of text.
func (t *T5) segment(s *scratch, text string) {
	s.text, s.spans = s.text[:0], s.spans[:0]
	for text != "" {
		before, token, after := t.split(text)
		t.search(s, before)
		if token != nil {
			from := int32(len(s.text))
			s.text = append(s.text, token.text...)
			s.spans = append(s.spans, span{token.id, from, int32(len(s.text))})
		}
		text = after
	}
}

// search appends the pieces of a text without special tokens.
func (t *T5) search(s *scratch, text string) {
	from := len(s.text)
	s.text = t.normalizer.appendTo(s.text, text)
	first := len(s.spans)
	s.spans, s.table = t.model.search(s.spans, s.text[from:], s.table)
	for i := first; i < len(s.spans); i++ {
		s.spans[i].start += int32(from)
		s.spans[i].end += int32(from)
	}
	if t.bytes != nil {
		s.spans = t.fallBack(s, first)
	}
}

// fallBack replaces each unknown piece by the pieces of its bytes.
func (t *T5) fallBack(s *scratch, first int) []span {
	if !slices.ContainsFunc(s.spans[first:], func(one span) bool { return one.id == t.model.unknown }) {
		return s.spans
	}
	found := slices.Clone(s.spans[first:])
	out := s.spans[:first]
	for _, one := range found {
		if one.id != t.model.unknown {
			out = append(out, one)
			continue
		}
		for at := one.start; at < one.end; at++ {
			out = append(out, span{t.bytes[s.text[at]], at, at + 1})
		}
	}
	return out
}

// split returns the first special token in text and the text around it; nil means none.
func (t *T5) split(text string) (before string, token *specialToken, after string) {
	for at := 0; ; at++ {
		next := strings.IndexByte(text[at:], '<')
		if next < 0 {
			return text, nil, ""
		}
		at += next
		for i := range t.special {
			token := &t.special[i]
			if after, found := strings.CutPrefix(text[at:], token.text); found {
				if token.strip {
					return strings.TrimRightFunc(text[:at], isBlank), token, strings.TrimLeftFunc(after, isBlank)
				}
				return text[:at], token, after
			}
		}
	}
}

// isBlank is Python's str.isspace for one character.
func isBlank(r rune) bool { return unicode.IsSpace(r) || (r >= 0x1c && r <= 0x1f) }

// Encode returns the token ids of text and the end token, which is not repeated if the text ends in
// `</s>`.
func (t *T5) Encode(text string) []int32 {
	s := t.get()
	defer t.scratch.Put(s)
	t.segment(s, text)
	return s.ids(make([]int32, 0, len(s.spans)+1))
}

// EncodeWords is [T5.Encode] with the number of each token's whole word (see [WordRule]); 0 means
// none.
func (t *T5) EncodeWords(text string, words WordRule) (ids, whole []int32) {
	s := t.get()
	defer t.scratch.Put(s)
	t.segment(s, text)
	ids = s.ids(make([]int32, 0, len(s.spans)+1))
	whole = make([]int32, len(ids))
	words.number(whole[:len(s.spans)], s)
	return ids, whole
}

// Pieces returns the pieces of text; an unknown piece is returned as its text.
func (t *T5) Pieces(text string) []string {
	s := t.get()
	defer t.scratch.Put(s)
	t.segment(s, text)
	pieces := make([]string, len(s.spans))
	for i := range pieces {
		pieces[i] = string(s.piece(i))
	}
	return pieces
}

// WholeWords returns the number of the user or item that each piece of text belongs to; 0 means
// none.
func (t *T5) WholeWords(text string) []int32 {
	s := t.get()
	defer t.scratch.Put(s)
	t.segment(s, text)
	whole := make([]int32, len(s.spans))
	IDWords.number(whole, s)
	return whole
}

func (t *T5) get() *scratch {
	s, ok := t.scratch.Get().(*scratch)
	if !ok {
		return new(scratch)
	}
	return s
}

// ids appends the token ids and the end token.
func (s *scratch) ids(out []int32) []int32 {
	for _, span := range s.spans {
		out = append(out, span.id)
	}
	if len(out) == 0 || out[len(out)-1] != End {
		out = append(out, End)
	}
	return out
}

// SentencePiece returns the bytes of T5's own spiece.model.
func SentencePiece() []byte { return bytes.Clone(spiece) }

// Sentinels returns the texts of the special tokens `<extra_id_N>`, from 0 on.
func (t *T5) Sentinels() []string {
	texts := make([]string, t.sentinels)
	for i := range texts {
		texts[i] = fmt.Sprintf("<extra_id_%d>", i)
	}
	return texts
}
