package llama

import (
	"encoding/json"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"rdrec/internal/token"
)

// The files that name the tokens added to a tokenizer.model.
const (
	hfAddedFile   = "added_tokens.json"
	hfSpecialFile = "special_tokens_map.json"
)

// pieces reads tokenizer.model and the tokens that the folder adds to it.
func (f *hfSource) pieces(v *vocabulary) error {
	if err := readPieces(v, filepath.Join(f.dir, pieceModelFile)); err != nil {
		return missingFile(err, f.dir, hfFiles)
	}
	added, err := readAddedTokens(f.dir)
	if err != nil {
		return err
	}
	for piece, id := range added.ids {
		switch {
		case added.isControl(piece):
			v.ids[piece] = id
		case int(id) >= f.shape.Vocabulary: // the model has no weights for it
			delete(added.ids, piece)
		}
	}
	pieces, ok := v.tokenizer.(*token.SentencePieceBPE)
	if !ok {
		return nil
	}
	return pieces.Add(added.ids, added.isControl)
}

// addedTokens are the tokens that a folder adds to its tokenizer.model.
type addedTokens struct {
	ids      map[string]int32
	special  map[string]bool
	template string
}

// isControl reports whether a piece is a control token: the folder marks it as special, or it is
// part of a conversation.
func (a addedTokens) isControl(piece string) bool {
	return a.special[piece] || slices.Contains(chatPieces(), piece) || strings.Contains(a.template, piece)
}

// readAddedTokens reads added_tokens.json, tokenizer_config.json, which has the added tokens of
// newer folders, and special_tokens_map.json.
func readAddedTokens(dir string) (addedTokens, error) {
	a := addedTokens{ids: map[string]int32{}, special: map[string]bool{}}
	var settings struct {
		Added map[int32]struct {
			Content string `json:"content"`
			Special bool   `json:"special"`
		} `json:"added_tokens_decoder"`
		Template json.RawMessage `json:"chat_template"`
	}
	named := map[string]json.RawMessage{}
	for _, file := range []struct {
		name string
		into any
	}{{hfAddedFile, &a.ids}, {hfSettingsFile, &settings}, {hfSettingsFile, &named}, {hfSpecialFile, &named}} {
		err := readJSON(filepath.Join(dir, file.name), file.into)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return a, err
		}
	}
	a.template = defaultTemplate(settings.Template)
	for id, piece := range settings.Added {
		a.ids[piece.Content] = id
		a.special[piece.Content] = piece.Special
	}
	for key, value := range named {
		if strings.HasSuffix(key, "_token") || key == "additional_special_tokens" {
			for _, piece := range tokenTexts(value) {
				a.special[piece] = true
			}
		}
	}
	delete(a.ids, "")
	return a, nil
}

// tokenTexts returns the texts of a setting: a text, an object with the text, or a list of these.
func tokenTexts(value json.RawMessage) []string {
	var list []json.RawMessage
	if json.Unmarshal(value, &list) != nil {
		list = []json.RawMessage{value}
	}
	var texts []string
	for _, one := range list {
		var text string
		var object struct {
			Content string `json:"content"`
		}
		switch {
		case json.Unmarshal(one, &text) == nil:
			texts = append(texts, text)
		case json.Unmarshal(one, &object) == nil:
			texts = append(texts, object.Content)
		}
	}
	return texts
}
