package llama

import (
	"errors"
)

// tokenizer is a model's tokenizer.
type tokenizer interface {
	// Encode returns the tokens of a text. It encodes control tokens in the text as plain text.
	Encode(text string) []int32
	// Piece returns the bytes of a token, empty for control tokens.
	Piece(id int32) string
	// Size returns the number of tokens.
	Size() int
}

// vocabulary is a model's tokenizer, its special tokens and its chat template.
type vocabulary struct {
	tokenizer
	ids        map[string]int32 // control tokens by their text
	begin, end string           // the texts of the tokens that begin and end a text, for templates
	beginToken int32            // precedes every text; -1: none
	endTokens  map[int32]bool   // tokens that end a reply
	template   string           // the model's chat template in Jinja; "" if it has none
}

func newVocabulary() *vocabulary {
	return &vocabulary{ids: map[string]int32{}, beginToken: -1, endTokens: map[int32]bool{}}
}

// addEndToken adds a token that ends replies, if the vocabulary has it.
func (v *vocabulary) addEndToken(id int) {
	if id >= 0 && id < v.Size() {
		v.endTokens[int32(id)] = true
	}
}

// setBeginToken sets the token that precedes every text, if the vocabulary has it.
func (v *vocabulary) setBeginToken(id int) {
	if id >= 0 && id < v.Size() {
		v.beginToken = int32(id)
	}
}

// nameTokens sets the texts of the tokens that begin and end a text, if they are control tokens.
func (v *vocabulary) nameTokens(begin, end int) {
	for piece, id := range v.ids {
		if int(id) == begin {
			v.begin = piece
		}
		if int(id) == end {
			v.end = piece
		}
	}
}

// check adds the well-known tokens that end replies, and rejects a vocabulary without any.
func (v *vocabulary) check() error {
	for _, piece := range []string{"<|im_end|>", "<|eot_id|>", "</s>"} {
		if id, ok := v.ids[piece]; ok {
			v.endTokens[id] = true
		}
	}
	if len(v.endTokens) == 0 {
		return errors.New("the vocabulary has no end-of-reply token")
	}
	return nil
}
