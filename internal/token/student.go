package token

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"rdrec/internal/untrusted"
)

// The tokenizer's files in a Hugging Face folder.
const (
	studentPieceFile    = "spiece.model"
	studentFastFile     = "tokenizer.json"
	studentSettingsFile = "tokenizer_config.json"
	studentConfigFile   = "config.json"
)

// ErrTokenizer marks a folder whose tokenizer the student cannot use. Retrying does not help.
var ErrTokenizer = errors.New("unusable tokenizer")

// OpenStudent returns the tokenizer of a T5's Hugging Face folder: its own, from spiece.model or
// tokenizer.json, or T5's if the folder has none. dir may be empty, or a file that has no
// tokenizer.
func OpenStudent(dir string) (*T5, error) {
	info, err := os.Stat(dir)
	if dir == "" || err == nil && !info.IsDir() {
		return NewT5()
	}
	t, err := openStudent(dir)
	var failed *fs.PathError
	if err != nil && !errors.As(err, &failed) {
		return nil, fmt.Errorf("tokenizer of student %q: %w: %w", dir, ErrTokenizer, err)
	}
	return t, err
}

func openStudent(dir string) (*T5, error) {
	settings, err := readStudentSettings(dir)
	if err != nil {
		return nil, err
	}
	files, err := readStudentFiles(dir)
	if err != nil {
		return nil, err
	}
	var file sentencePiece
	switch {
	case files[studentPieceFile] != nil:
		delete(files, studentFastFile)
		file, err = readSentencePiece(files[studentPieceFile])
	case files[studentFastFile] != nil:
		file, settings.extra, err = readUnigram(files[studentFastFile])
	default:
		return NewT5()
	}
	if err == nil {
		err = file.checkStudent(&settings)
	}
	if err != nil {
		return nil, err
	}
	if own, err := NewT5(); err != nil || own.same(file, settings.extra) {
		return own, err
	}
	t, err := newT5(file, settings.extra)
	if err != nil {
		return nil, err
	}
	t.files = files
	return t, t.checkItems()
}

// readStudentFiles reads the tokenizer's files that a folder has.
func readStudentFiles(dir string) (map[string][]byte, error) {
	files := map[string][]byte{}
	for _, name := range []string{studentPieceFile, studentFastFile, studentSettingsFile} {
		data, err := untrusted.ReadFile(filepath.Join(dir, name), untrusted.MaxVocabulary)
		if err == nil {
			files[name] = data
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	return files, nil
}

// studentSettings are what a folder says about its tokenizer.
type studentSettings struct {
	extra int // the number of tokens <extra_id_N>
	rows  int // of the embedding; 0 if unknown
}

func readStudentSettings(dir string) (studentSettings, error) {
	var config struct {
		Rows int `json:"vocab_size"`
	}
	var tokenizer struct {
		Class string `json:"tokenizer_class"`
		Extra *int   `json:"extra_ids"`
	}
	for name, into := range map[string]any{studentConfigFile: &config, studentSettingsFile: &tokenizer} {
		data, err := untrusted.ReadFile(filepath.Join(dir, name), untrusted.MaxSettings)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = json.Unmarshal(data, into)
		}
		if err != nil {
			return studentSettings{}, err
		}
	}
	known := []string{"", "T5Tokenizer", "MT5Tokenizer", "PreTrainedTokenizer", "LlamaTokenizer"}
	if !slices.Contains(known, strings.TrimSuffix(tokenizer.Class, "Fast")) {
		return studentSettings{}, fmt.Errorf("%s: class %q is not T5's", studentSettingsFile, tokenizer.Class)
	}
	out := studentSettings{extra: sentinels, rows: config.Rows}
	if tokenizer.Extra != nil {
		out.extra = max(*tokenizer.Extra, 0)
	}
	return out, nil
}

// The types of a SentencePiece model that its trainer writes.
const modelUnigram = 1

// checkStudent rejects vocabularies with which a T5 cannot be trained here. It reduces the
// sentinels to those that have a row of the embedding.
func (m *sentencePiece) checkStudent(settings *studentSettings) error {
	n := len(m.pieces)
	switch {
	case m.modelType != 0 && m.modelType != modelUnigram:
		return errors.New("its SentencePiece model is not a unigram model")
	case n < 3:
		return errors.New("it has fewer than three pieces")
	case m.pieces[Pad].kind != pieceControl:
		return fmt.Errorf("piece %d is %q, want the padding", Pad, m.pieces[Pad].text)
	case m.pieces[End].kind != pieceControl || m.pieces[End].text != "</s>":
		return fmt.Errorf("piece %d is %q, want \"</s>\"", End, m.pieces[End].text)
	case settings.rows > 0 && n > settings.rows:
		return fmt.Errorf("it has %d pieces, the model %d", n, settings.rows)
	case settings.rows > 0:
		settings.extra = min(settings.extra, settings.rows-n)
	}
	return nil
}

// checkItems rejects a vocabulary that cannot write the ids of users and items.
func (t *T5) checkItems() error {
	for _, text := range []string{"user_0123456789", "item_0123456789", "0 1 2 3 4 5 6 7 8 9"} {
		if unknown, _ := t.CountUnknown(text); unknown > 0 {
			return fmt.Errorf("%q has unknown characters: ids of users and items cannot be written", text)
		}
	}
	return nil
}

// same reports whether the tokenizer is that of a model.
func (t *T5) same(file sentencePiece, extra int) bool {
	return t.sentinels == extra && slices.EqualFunc(t.model.pieces, file.pieces, func(a, b scoredPiece) bool {
		return a.text == b.text && a.score == b.score
	})
}

// Save writes the tokenizer's files to a folder, if it is not T5's own.
func (t *T5) Save(dir string) error {
	for _, name := range slices.Sorted(maps.Keys(t.files)) {
		if err := os.WriteFile(filepath.Join(dir, name), t.files[name], 0o644); err != nil { //nolint:gosec // a model's
			return fmt.Errorf("write the tokenizer: %w", err)
		}
	}
	return nil
}

// Files returns the files of a tokenizer that is not T5's own, by their names.
func (t *T5) Files() map[string][]byte {
	out := map[string][]byte{}
	for name, data := range t.files {
		out[name] = bytes.Clone(data)
	}
	return out
}

// CountUnknown returns the number of tokens of a text, where each character that the vocabulary
// lacks is one, and the number of these.
func (t *T5) CountUnknown(text string) (unknown, tokens int) {
	s := t.get()
	defer t.scratch.Put(s)
	t.segment(s, text)
	for i, span := range s.spans {
		n := 1
		if span.id == t.model.unknown {
			n = utf8.RuneCount(s.piece(i))
			unknown += n
		}
		tokens += n
	}
	return unknown, tokens
}

// extraPiece is a sentinel in a tokenizer.json.
var extraPiece = regexp.MustCompile(`^<extra_id_\d+>$`)

// unigramFile is the part of a tokenizer.json of T5 that is used.
type unigramFile struct {
	Model struct {
		Type         string              `json:"type"`
		Unknown      int                 `json:"unk_id"`
		Vocab        [][]json.RawMessage `json:"vocab"`
		ByteFallback bool                `json:"byte_fallback"`
	} `json:"model"`
	Added []struct {
		ID      int  `json:"id"`
		Special bool `json:"special"`
	} `json:"added_tokens"`
	Normalizer json.RawMessage `json:"normalizer"`
}

// readUnigram reads a tokenizer.json of T5. It returns the number of its sentinels, too.
func readUnigram(data []byte) (model sentencePiece, extra int, err error) {
	var file unigramFile
	if err := json.Unmarshal(data, &file); err != nil {
		return model, 0, fmt.Errorf("%s: %w", studentFastFile, err)
	}
	if file.Model.Type != "Unigram" {
		return model, 0, fmt.Errorf("%s: its model is %q, want \"Unigram\"", studentFastFile, file.Model.Type)
	}
	model = sentencePiece{
		dummyPrefix: true, removeBlanks: true, byteFallback: file.Model.ByteFallback,
		charsmap: findCharsmap(file.Normalizer, maxNormalizers),
	}
	for id, row := range file.Model.Vocab {
		piece, err := file.piece(id, row)
		if err != nil {
			return model, 0, fmt.Errorf("%s: %w", studentFastFile, err)
		}
		model.pieces = append(model.pieces, piece)
	}
	for _, added := range file.Added {
		if added.Special && added.ID >= 0 && added.ID < len(model.pieces) && added.ID != file.Model.Unknown {
			model.pieces[added.ID].kind = pieceControl
		}
	}
	for len(model.pieces) > 0 && extraPiece.MatchString(model.pieces[len(model.pieces)-1].text) {
		model.pieces, extra = model.pieces[:len(model.pieces)-1], extra+1
	}
	return model, extra, nil
}

// piece returns a row of the vocabulary.
func (f *unigramFile) piece(id int, row []json.RawMessage) (scoredPiece, error) {
	piece := scoredPiece{kind: pieceNormal}
	if len(row) != 2 || json.Unmarshal(row[0], &piece.text) != nil || json.Unmarshal(row[1], &piece.score) != nil {
		return piece, fmt.Errorf("piece %d is not a text and a score", id)
	}
	if err := checkPiece(piece.text); err != nil {
		return piece, fmt.Errorf("piece %d: %w", id, err)
	}
	_, isByte := parseBytePiece(piece.text)
	switch {
	case id == f.Model.Unknown:
		piece.kind = pieceUnknown
	case isByte && f.Model.ByteFallback:
		piece.kind = pieceByte
	}
	return piece, nil
}

// maxNormalizers is the depth to which sequences of normalizers are followed.
const maxNormalizers = 4

// findCharsmap returns the compiled map of a normalizer, or of one in its sequence.
func findCharsmap(normalizer json.RawMessage, depth int) []byte {
	var n struct {
		Map         []byte            `json:"precompiled_charsmap"`
		Normalizers []json.RawMessage `json:"normalizers"`
	}
	if depth == 0 || json.Unmarshal(normalizer, &n) != nil {
		return nil
	}
	for _, one := range n.Normalizers {
		if found := findCharsmap(one, depth-1); found != nil {
			return found
		}
	}
	return n.Map
}
