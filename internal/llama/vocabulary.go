package llama

import (
	"errors"
	"fmt"

	"rdrec/internal/gguf"
	"rdrec/internal/token"
)

// tokenizer is what every kind of tokenizer does.
type tokenizer interface {
	// Encode takes text as text: control pieces in it have no power.
	Encode(text string) []int32
	// Piece is the bytes that a token stands for, empty for control pieces.
	Piece(id int32) string
}

// vocabulary is a model's tokenizer and the ids that steer it.
type vocabulary struct {
	tokenizer
	ids   map[string]int32 // control pieces by their spelling
	begin int32            // stands before every text; -1: nothing does
	ends  map[int32]bool   // end a reply
}

// control is the kind that GGUF files give to control pieces.
const control = 3

// vocabularyOf reads a GGUF file's tokenizer.
func vocabularyOf(file *gguf.File) (*vocabulary, error) {
	pieces, err := file.Texts("tokenizer.ggml.tokens")
	if err != nil {
		return nil, err
	}
	kinds, err := file.Ints("tokenizer.ggml.token_type")
	if err != nil {
		return nil, err
	}
	if len(kinds) != len(pieces) {
		return nil, fmt.Errorf("the vocabulary has %d pieces and %d kinds", len(pieces), len(kinds))
	}
	v := &vocabulary{ids: map[string]int32{}, begin: -1, ends: map[int32]bool{}}
	var markers []int32
	for id, kind := range kinds {
		if kind == control {
			v.ids[pieces[id]] = int32(id)
			markers = append(markers, int32(id))
		}
	}
	switch kind := file.TextOr("tokenizer.ggml.model", ""); kind {
	case "gpt2":
		v.tokenizer, err = byteLevel(file, pieces, markers)
	case "llama":
		v.tokenizer, err = sentencePiece(file, pieces, kinds)
	default:
		err = fmt.Errorf("tokenizer %q is not known", kind)
	}
	return v, errors.Join(err, v.steer(file, len(pieces)))
}

// steer finds the ids that begin texts and end replies.
func (v *vocabulary) steer(file *gguf.File, size int) error {
	for _, key := range []string{"eos_token_id", "eot_token_id"} {
		if id := file.IntOr("tokenizer.ggml."+key, -1); id >= 0 && id < size {
			v.ends[int32(id)] = true
		}
	}
	for _, piece := range []string{"<|im_end|>", "<|eot_id|>", "</s>"} {
		if id, ok := v.ids[piece]; ok {
			v.ends[id] = true
		}
	}
	if len(v.ends) == 0 {
		return errors.New("the vocabulary has no piece that ends a reply")
	}
	addBegin := file.BoolOr("tokenizer.ggml.add_bos_token", file.TextOr("tokenizer.ggml.model", "") == "llama")
	if id := file.IntOr("tokenizer.ggml.bos_token_id", -1); addBegin && id >= 0 && id < size {
		v.begin = int32(id)
	}
	return nil
}

func byteLevel(file *gguf.File, pieces []string, markers []int32) (tokenizer, error) {
	if kind := file.TextOr("tokenizer.ggml.pre", ""); kind != "smollm" {
		return nil, fmt.Errorf("the way %q to cut a text into words is not known", kind)
	}
	merges, err := file.Texts("tokenizer.ggml.merges")
	if err != nil {
		return nil, err
	}
	return token.NewByteLevel(pieces, merges, markers)
}

func sentencePiece(file *gguf.File, pieces []string, kinds []int64) (tokenizer, error) {
	scores, err := file.Floats64("tokenizer.ggml.scores")
	if err != nil {
		return nil, err
	}
	return token.NewSentencePieceBPE(pieces, scores, kinds, file.BoolOr("tokenizer.ggml.add_space_prefix", true))
}
