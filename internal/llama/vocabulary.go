package llama

import (
	"errors"
)

// tokenizer is what every kind of tokenizer does.
type tokenizer interface {
	// Encode takes text as text: control pieces in it have no power.
	Encode(text string) []int32
	// Piece is the bytes that a token stands for, empty for control pieces.
	Piece(id int32) string
	// Size is the number of tokens.
	Size() int
}

// vocabulary is a model's tokenizer and what steers it.
type vocabulary struct {
	tokenizer
	ids        map[string]int32 // control pieces by their spelling
	beginToken int32            // stands before every text; -1: nothing does
	endTokens  map[int32]bool   // addEndToken a reply
	template   string           // how the model's makers write a talk, in Jinja; "" where they do not say
}

func newVocabulary() *vocabulary {
	return &vocabulary{ids: map[string]int32{}, beginToken: -1, endTokens: map[int32]bool{}}
}

// addEndToken makes a token one that ends replies, where there is such a token.
func (v *vocabulary) addEndToken(id int) {
	if id >= 0 && id < v.Size() {
		v.endTokens[int32(id)] = true
	}
}

// setBeginToken makes a token the one before every text, where there is such a token.
func (v *vocabulary) setBeginToken(id int) {
	if id >= 0 && id < v.Size() {
		v.beginToken = int32(id)
	}
}

// check adds the well-known pieces that end replies, and refuses a vocabulary that has none.
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
