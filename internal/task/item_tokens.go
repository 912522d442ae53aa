package task

import (
	"fmt"
	"regexp"
	"strconv"

	"rdrec/internal/dataset"
	"rdrec/internal/token"
)

// ItemTokens is how a student reads and generates items that have codes: as tokens beyond those of
// the tokenizer. The zero value means that items are ids, written as text.
type ItemTokens struct {
	// Codes are the codes of the items; nil for ids as text.
	Codes *dataset.Codes
	// First is the first code's token.
	First int
	// OnePosition makes an item of a source one position instead of one for each code. Its id is
	// that of the item (from 0) after the tokens of all codes.
	OnePosition bool
}

// Target returns the tokens of an item's codes.
func (t ItemTokens) Target(item int) []int32 {
	codes := t.Codes.ItemTokens(item)
	tokens := make([]int32, len(codes))
	for i, code := range codes {
		tokens[i] = int32(t.First + code) //nolint:gosec // far fewer than 2^31 tokens
	}
	return tokens
}

// position returns the id of the one position of an item.
func (t ItemTokens) position(item int) int32 {
	return int32(t.First + t.Codes.Tokens() + item - 1) //nolint:gosec // far fewer than 2^31 items
}

// itemToken returns an item as texts of item tokens write it.
func itemToken(item int) string { return fmt.Sprintf("<item_%d>", item) }

var itemTokenPattern = regexp.MustCompile(`<item_(\d+)>`)

// itemReader collects the tokens of a text with item tokens.
type itemReader struct {
	*Encoder
	ids, whole []int32
	words      int32 // whole words so far
	texts      bool  // there was text between items
}

// source returns the tokens of a text and the number of each token's whole word. Each item is a
// word. A text of items alone has no end token: the last item ends it.
func (t ItemTokens) source(e *Encoder, text string) (ids, whole []int32) {
	r := itemReader{Encoder: e}
	at := 0
	for _, found := range itemTokenPattern.FindAllStringSubmatchIndex(text, -1) {
		item, err := strconv.Atoi(text[found[2]:found[3]])
		if err != nil || item < 1 || item > len(t.Codes.Items) {
			continue // not an item of the catalog: text
		}
		r.text(text[at:found[0]])
		at = found[1]
		r.item(item)
	}
	r.text(text[at:])
	if r.texts {
		r.ids, r.whole = append(r.ids, token.End), append(r.whole, 0)
	}
	return r.ids, r.whole
}

// text adds the tokens of a text between items, unless it is blank.
func (r *itemReader) text(text string) {
	if len(token.Fields(text)) == 0 {
		return
	}
	ids, whole := r.tokenizer.EncodeWords(text, r.Encoder.words)
	ids, whole = ids[:len(ids)-1], whole[:len(whole)-1] // without the end token
	before := r.words
	for i, word := range whole {
		if word > 0 {
			whole[i] += before
			r.words = max(r.words, whole[i])
		}
	}
	r.ids, r.whole, r.texts = append(r.ids, ids...), append(r.whole, whole...), true
}

// item adds an item.
func (r *itemReader) item(item int) {
	tokens := []int32{r.items.position(item)}
	if !r.items.OnePosition {
		tokens = r.items.Target(item)
	}
	r.words++
	for _, id := range tokens {
		r.ids, r.whole = append(r.ids, id), append(r.whole, r.words)
	}
}

// addNextItems adds the ends of the histories and the items that follow them.
func (b *Batch) addNextItems(examples []Example, sources [][]int32) {
	b.Last, b.Next = make([]int64, b.Size), make([]int64, b.Size)
	for i, x := range examples {
		b.Last[i] = -1
		if x.Prompt == PromptSequential {
			b.Last[i], b.Next[i] = int64(len(sources[i])-1), int64(x.Item)
		}
	}
}
