package token_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/token"
)

// TestStudentsOwnTokenizerMatchesSentencePiece: testdata/make.py wrote what SentencePiece encodes.
func TestStudentsOwnTokenizerMatchesSentencePiece(t *testing.T) {
	data, err := os.ReadFile("testdata/students.json")
	if err != nil {
		t.Fatal(err)
	}
	var goldens map[string]struct {
		Size int
		Rows []struct {
			Text    string
			IDs     []int32
			Decoded string
		}
	}
	if err := json.Unmarshal(data, &goldens); err != nil {
		t.Fatal(err)
	}
	for folder, name := range map[string]string{"zh": "zh", "zh-bytes": "zh-bytes", "zh-fast": "zh"} {
		t.Run(folder, func(t *testing.T) {
			tok, err := token.OpenStudent(filepath.Join("testdata", folder))
			if err != nil {
				t.Fatal(err)
			}
			sentinels := map[string]int{"zh": 28, "zh-bytes": 28, "zh-fast": 4}[folder] // as many as fit
			if tok.Size() != goldens[name].Size+sentinels || len(tok.Sentinels()) != sentinels {
				t.Errorf("%d ids, %d sentinels", tok.Size(), len(tok.Sentinels()))
			}
			for _, row := range goldens[name].Rows {
				if diff := cmp.Diff(row.IDs, tok.Encode(row.Text)); diff != "" {
					t.Errorf("%q (-want +got):\n%s", row.Text, diff)
				}
				decoded, err := tok.Decode(row.IDs)
				if want := strings.TrimSpace(row.Decoded); err != nil || decoded != want {
					t.Errorf("%q decodes to %q, %v; want %q", row.Text, decoded, err, want)
				}
			}
		})
	}
}

func TestStudentWithoutTokenizerHasT5s(t *testing.T) {
	own, empty := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(own, "spiece.model"), token.SentencePiece(), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(empty, "model.pt")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"", own, empty, file} {
		tok, err := token.OpenStudent(dir)
		if err != nil || tok.Size() != 32100 || len(tok.Files()) != 0 {
			t.Errorf("%q: %v", dir, err)
			continue
		}
		if err := tok.Save(filepath.Join(empty, "no such folder")); err != nil {
			t.Errorf("T5's own tokenizer is written: %v", err)
		}
	}
}

func TestStudentsTokenizerIsHandedOver(t *testing.T) {
	for _, folder := range []string{"zh", "zh-fast"} {
		tok, err := token.OpenStudent(filepath.Join("testdata", folder))
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		if err := tok.Save(dir); err != nil {
			t.Fatal(err)
		}
		again, err := token.OpenStudent(dir)
		if err != nil {
			t.Fatal(err)
		}
		const text = "这个表带很好用"
		if diff := cmp.Diff(tok.Encode(text), again.Encode(text)); diff != "" {
			t.Errorf("%s: %s", folder, diff)
		}
	}
}

func TestUnusableStudentTokenizersAreRefused(t *testing.T) {
	bpe, err := os.ReadFile("testdata/zh-bpe/spiece.model")
	if err != nil {
		t.Fatal(err)
	}
	zh, err := os.ReadFile("testdata/zh/spiece.model")
	if err != nil {
		t.Fatal(err)
	}
	letters := []piece{{"<pad>", 0, control}, {"</s>", 0, control}, {"<unk>", 0, unknown}}
	for _, letter := range strings.Split("abcdefghijklmnopqrstuvwxyz0123456789_▁", "") {
		letters = append(letters, piece{letter, -1, normal})
	}
	withoutNine := append(append([]piece{}, letters[:38]...), letters[39:]...)
	const pieces, settings = "spiece.model", "tokenizer_config.json"
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"BPE": {map[string]string{pieces: string(bpe)}, "not a unigram model"},
		"other ends": {
			map[string]string{pieces: string(model(letters[1:]...))}, `piece 1 is "<unk>", want "</s>"`,
		},
		"no padding": {
			map[string]string{pieces: string(model(letters[2:]...))}, `piece 0 is "<unk>", want the padding`,
		},
		"no digits": {map[string]string{pieces: string(model(withoutNine...))}, "cannot be written"},
		"no model":  {map[string]string{pieces: "x"}, "read SentencePiece model"},
		"bytes": {
			map[string]string{settings: `{"tokenizer_class": "ByT5Tokenizer"}`}, `class "ByT5Tokenizer" is not T5's`,
		},
		"another fast": {
			map[string]string{"tokenizer.json": `{"model": {"type": "BPE"}}`}, `its model is "BPE", want "Unigram"`,
		},
		"too large": {
			map[string]string{pieces: string(zh), "config.json": `{"vocab_size": 100}`},
			"it has 140 pieces, the model 100",
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, text := range c.files {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			_, err := token.OpenStudent(dir)
			if !errors.Is(err, token.ErrTokenizer) || !strings.Contains(err.Error(), c.want) ||
				!strings.Contains(err.Error(), dir) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "spiece.model"), model(letters...), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := token.OpenStudent(dir); err != nil {
		t.Errorf("a small vocabulary: %v", err)
	}
}

func TestCountUnknown(t *testing.T) {
	tok := newT5(t)
	for text, want := range map[string][2]int{
		"soft hair":   {0, 2},
		"这个表带":        {4, 5}, // and the blank before the text
		"soft 表带.":    {2, 5},
		"":            {0, 0},
		"Größe 表 gut": {1, 4},
	} {
		if unknown, tokens := tok.CountUnknown(text); unknown != want[0] || tokens != want[1] {
			t.Errorf("%q: %d of %d unknown, want %d of %d", text, unknown, tokens, want[0], want[1])
		}
	}
}

// FuzzStudent reads any tokenizer.json of a student: an error, or a tokenizer that encodes.
func FuzzStudent(f *testing.F) {
	f.Add(`{"model": {"type": "Unigram", "unk_id": 2, "vocab": [["<pad>", 0], ["</s>", 0], ["<unk>", 0], ["a", -1]]},
		"normalizer": {"normalizers": [{"precompiled_charsmap": "AAAA"}]}, "added_tokens": [{"id": 0, "special": true}]}`)
	f.Fuzz(func(_ *testing.T, text string) {
		if tokenizer, err := token.ParseStudent([]byte(text)); err == nil {
			tokenizer.Encode("user_1 item_22 é")
		}
	})
}
