package token

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// HuggingFace is the content of a tokenizer.json: the tokenizer, and the ids of its control pieces.
type HuggingFace struct {
	// Tokenizer is a [*ByteLevel] or a [*SentencePieceBPE].
	Tokenizer interface {
		Encode(text string) []int32
		Piece(id int32) string
		Size() int
	}
	Control map[string]int32
}

// hfFile is the part of a tokenizer.json that is used.
type hfFile struct {
	Model struct {
		Type         string           `json:"type"`
		Vocab        map[string]int32 `json:"vocab"`
		Merges       []hfMerge        `json:"merges"`
		ByteFallback bool             `json:"byte_fallback"`
	} `json:"model"`
	Added []struct {
		ID      int32  `json:"id"`
		Content string `json:"content"`
		Special bool   `json:"special"`
	} `json:"added_tokens"`
	Normalizer   json.RawMessage `json:"normalizer"`
	PreTokenizer json.RawMessage `json:"pre_tokenizer"`
}

// hfMerge is a merge as "left right"; newer files have a pair instead.
type hfMerge string

// UnmarshalJSON accepts both forms.
func (m *hfMerge) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*m = hfMerge(one)
		return nil
	}
	var two []string
	if err := json.Unmarshal(data, &two); err != nil || len(two) != 2 {
		return fmt.Errorf("merge %s is neither a text nor a pair of texts", data)
	}
	*m = hfMerge(two[0] + " " + two[1])
	return nil
}

// ParseHuggingFace reads a tokenizer.json of the Llama family: byte-level BPE as in SmolLM2 and
// Llama 3, or Llama 2's SentencePiece BPE with byte fallback. Added pieces that the file marks as
// special, and those of further, are control pieces.
func ParseHuggingFace(data []byte, further ...string) (*HuggingFace, error) {
	var file hfFile
	if err := json.Unmarshal(data, &file); err != nil {
		return nil, fmt.Errorf("read tokenizer: %w", err)
	}
	if file.Model.Type != "BPE" {
		return nil, fmt.Errorf("read tokenizer: the model has type %q, want BPE", file.Model.Type)
	}
	pieces, control, err := file.pieces(further)
	if err != nil {
		return nil, fmt.Errorf("read tokenizer: %w", err)
	}
	out := &HuggingFace{Control: control}
	if file.Model.ByteFallback {
		out.Tokenizer, err = file.sentencePiece(pieces, control)
	} else {
		out.Tokenizer, err = file.byteLevel(pieces, control)
	}
	if err != nil {
		return nil, fmt.Errorf("read tokenizer: %w", err)
	}
	return out, nil
}

// maxVocabulary limits the ids, so that a broken file does not exhaust memory.
const maxVocabulary = 1 << 22

// pieces returns the pieces by id, and the control pieces.
func (f *hfFile) pieces(further []string) ([]string, map[string]int32, error) {
	all, control := make(map[int32]string, len(f.Model.Vocab)), map[string]int32{}
	size := int32(0)
	add := func(piece string, id int32) error {
		if other, taken := all[id]; id < 0 || id >= maxVocabulary || taken && other != piece {
			return fmt.Errorf("piece %q has the id %d, which belongs to %q or is out of bounds", piece, id, other)
		}
		all[id] = piece
		size = max(size, id+1)
		return nil
	}
	for _, piece := range slices.Sorted(maps.Keys(f.Model.Vocab)) {
		if err := add(piece, f.Model.Vocab[piece]); err != nil {
			return nil, nil, err
		}
	}
	for _, added := range f.Added {
		if err := add(added.Content, added.ID); err != nil {
			return nil, nil, err
		}
		if added.Special || slices.Contains(further, added.Content) {
			control[added.Content] = added.ID
		}
	}
	if size == 0 {
		return nil, nil, errors.New("the vocabulary is empty")
	}
	return inOrder(all, size), control, nil
}

// inOrder returns the pieces by id. Unused ids get names that occur in no text.
func inOrder(all map[int32]string, size int32) []string {
	out := make([]string, size)
	for id := range out {
		piece, ok := all[int32(id)]
		if !ok {
			piece = fmt.Sprintf("\x00%d", id)
		}
		out[id] = piece
	}
	return out
}

func (f *hfFile) byteLevel(pieces []string, control map[string]int32) (*ByteLevel, error) {
	preTokenizer, err := findPreTokenizer(f.PreTokenizer)
	if err != nil {
		return nil, err
	}
	merges := make([]string, len(f.Model.Merges))
	for i, merge := range f.Model.Merges {
		merges[i] = string(merge)
	}
	markers := make([]int32, 0, len(control))
	for _, id := range control {
		markers = append(markers, id)
	}
	return NewByteLevel(preTokenizer, pieces, merges, markers)
}

// findPreTokenizer recognizes a pre-tokenizer by its characteristic settings.
func findPreTokenizer(preTokenizer json.RawMessage) (PreTokenizer, error) {
	var steps any
	if err := json.Unmarshal(preTokenizer, &steps); err != nil {
		return 0, fmt.Errorf("pre_tokenizer: %w", err)
	}
	switch text := fmt.Sprint(steps); {
	case strings.Contains(text, `\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`):
		return Llama3, nil
	case strings.Contains(text, "individual_digits:true") && strings.Contains(text, "use_regex:true"):
		return SmolLM, nil
	default:
		return 0, fmt.Errorf("pre_tokenizer: %s is not known", preTokenizer)
	}
}

// sentencePiece returns Llama 2's tokenizer: a piece's score is that of the first merge that
// produces it, because SentencePiece merges in this order.
func (f *hfFile) sentencePiece(pieces []string, control map[string]int32) (*SentencePieceBPE, error) {
	ranks := make(map[string]int, len(f.Model.Merges))
	for rank, merge := range f.Model.Merges {
		left, right, _ := strings.Cut(string(merge), " ")
		if _, known := ranks[left+right]; !known {
			ranks[left+right] = rank
		}
	}
	scores, kinds := make([]float64, len(pieces)), make([]int64, len(pieces))
	for id, piece := range pieces {
		rank, merged := ranks[piece]
		_, isControl := control[piece]
		kinds[id], scores[id] = kindOfPiece(piece, isControl, merged), -float64(rank)
	}
	blank := string(f.Normalizer) + string(f.PreTokenizer)
	prefixed := strings.Contains(blank, `"Prepend"`) || strings.Contains(blank, `"Metaspace"`) &&
		!strings.Contains(blank, `"never"`) && !strings.Contains(blank, `"add_prefix_space":false`)
	return NewSentencePieceBPE(pieces, scores, kinds, prefixed)
}

// kindOfPiece returns SentencePiece's type of a piece.
func kindOfPiece(piece string, isControl, merged bool) int64 {
	_, isByte := parseBytePiece(piece)
	switch {
	case piece == "<unk>":
		return pieceUnknown
	case isControl:
		return pieceControl
	case isByte:
		return pieceByte
	case !merged && len([]rune(piece)) > 1:
		return pieceUnused // no merge produces it
	default:
		return pieceNormal
	}
}
