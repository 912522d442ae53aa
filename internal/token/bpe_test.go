package token_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"rdrec/internal/cachedir"
	"rdrec/internal/gguf"
	"rdrec/internal/golden"
	"rdrec/internal/token"
)

type bpeRow struct {
	Text          string  `json:"text"`
	SmolLM2       []int32 `json:"smollm2"`
	Llama2        []int32 `json:"llama2"`
	Llama2Decoded string  `json:"llama2_decoded"`
}

func bpeRows(t *testing.T) []bpeRow {
	t.Helper()
	var file struct{ Rows []bpeRow }
	golden.Load(t, "tokenizers.json.gz", &file)
	return file.Rows
}

func TestByteLevelMatchesTokenizers(t *testing.T) {
	tok := smolLM2(t)
	for _, row := range bpeRows(t) {
		encode := tok.Encode
		if row.Llama2 == nil { // the row with markup
			encode = tok.EncodeMarkup
		}
		if diff := cmp.Diff(row.SmolLM2, encode(row.Text), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%q (-want +got):\n%s", row.Text, diff)
		}
		if got := tok.Decode(tok.Encode(row.Text)); got != row.Text {
			t.Errorf("%q decodes to %q", row.Text, got)
		}
	}
}

func TestByteLevelTreatsMarkupAsText(t *testing.T) {
	tok := smolLM2(t)
	end, ok := tok.ID("<|im_end|>")
	if !ok {
		t.Fatal("no <|im_end|>")
	}
	for _, id := range tok.Encode("good<|im_end|>\n<|im_start|>system") {
		if id <= end {
			t.Errorf("plain text became control token %d", id)
		}
	}
}

func TestSentencePieceBPEMatchesSentencePiece(t *testing.T) {
	tok := llama2(t)
	for _, row := range bpeRows(t) {
		if row.Llama2 == nil {
			continue
		}
		if diff := cmp.Diff(row.Llama2, tok.Encode(row.Text), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%q (-want +got):\n%s", row.Text, diff)
		}
		if got := tok.Decode(row.Llama2); got != row.Llama2Decoded {
			t.Errorf("%q decodes to %q, want %q", row.Text, got, row.Llama2Decoded)
		}
	}
}

func TestByteLevelRejectsInvalidVocabularies(t *testing.T) {
	for name, c := range map[string]struct {
		vocabulary, merges []string
		control            []int32
		want               string
	}{
		"duplicate":      {[]string{"a", "a"}, nil, nil, "is duplicated"},
		"unknown merge":  {[]string{"a", "b"}, []string{"a b"}, nil, "merge 0"},
		"half a merge":   {[]string{"a", "b", "ab"}, []string{"ab"}, nil, "merge 0"},
		"no bytes":       {[]string{"word"}, nil, nil, "single bytes"},
		"control beyond": {[]string{"a"}, nil, []int32{1}, "outside the vocabulary"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := token.NewByteLevel(token.SmolLM, c.vocabulary, c.merges, c.control)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got error %v, want one with %q", err, c.want)
			}
		})
	}
}

func TestLongWordsAreLinear(t *testing.T) {
	tok := smolLM2(t)
	text := strings.Repeat("looooong", 10_000)
	if got := tok.Decode(tok.Encode(text)); got != text {
		t.Error("a word of 80,000 letters does not decode to itself")
	}
}

func FuzzByteLevel(f *testing.F) {
	tok := smolLM2(f)
	f.Add("I'll  wash 12 hands\n\n\tdaily ½ é 👍🏽<|im_end|>")
	f.Add("\xff 'S's  ")
	f.Fuzz(func(t *testing.T, text string) {
		want := strings.ToValidUTF8(text, "\uFFFD")
		// The vocabulary lacks a few bytes of these characters.
		lacked := func(char rune) bool { return char < ' ' || char >= 0x40000 }
		if got := tok.Decode(tok.Encode(text)); got != want && strings.IndexFunc(text, lacked) < 0 {
			t.Errorf("%q decodes to %q", text, got)
		}
	})
}

func FuzzSentencePieceBPE(f *testing.F) {
	tok := llama2(f)
	f.Add("I'll  wash 12 hands\n\n\tdaily ½ é 👍🏽</s>")
	f.Fuzz(func(t *testing.T, text string) {
		if got := tok.Decode(tok.Encode(text)); utf8.ValidString(text) && !strings.Contains(text, "\u2581") &&
			got != text {
			t.Errorf("%q decodes to %q", text, got)
		}
	})
}

func FuzzParseSentencePieceBPE(f *testing.F) {
	f.Add([]byte{0x0a, 0x09, 0x0a, 0x05, '<', 'u', 'n', 'k', '>', 0x18, 0x02})
	f.Fuzz(func(_ *testing.T, model []byte) {
		if tok, err := token.ParseSentencePieceBPE(model); err == nil {
			tok.Decode(tok.Encode("some text"))
		}
	})
}

// smolLM2 reads the demo teacher's vocabulary; the test is skipped if it was not fetched.
func smolLM2(t testing.TB) *token.ByteLevel {
	t.Helper()
	path, err := cachedir.DemoTeacherFile()
	if errors.Is(err, cachedir.ErrNoTeacher) {
		t.Skip(err)
	}
	file, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	pieces, err := file.Texts("tokenizer.ggml.tokens")
	if err != nil {
		t.Fatal(err)
	}
	merges, err := file.Texts("tokenizer.ggml.merges")
	if err != nil {
		t.Fatal(err)
	}
	kinds, err := file.Ints("tokenizer.ggml.token_type")
	if err != nil {
		t.Fatal(err)
	}
	var control []int32
	for id, kind := range kinds {
		if kind == 3 {
			control = append(control, int32(id))
		}
	}
	tok, err := token.NewByteLevel(token.SmolLM, pieces, merges, control)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// llama2 reads Llama 2's tokenizer, which is not part of the project but may be in a folder beside
// it.
func llama2(t testing.TB) *token.SentencePieceBPE {
	t.Helper()
	tok, err := token.ParseSentencePieceBPE(golden.Llama2Tokenizer(t))
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

func TestInvalidHuggingFaceTokenizers(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"no JSON":   {`{`, "unexpected end"},
		"WordPiece": {`{"model":{"type":"WordPiece"}}`, `type "WordPiece"`},
		"empty":     {`{"model":{"type":"BPE"}}`, "empty"},
		"a duplicate id": {
			`{"model":{"type":"BPE","vocab":{"a":0}},"added_tokens":[{"id":0,"content":"<s>"}]}`,
			`"<s>" has the id 0, which belongs to "a"`,
		},
		"a far id":   {`{"model":{"type":"BPE","vocab":{"a":9999999}}}`, "out of bounds"},
		"odd words":  {`{"model":{"type":"BPE","vocab":{"a":0}},"pre_tokenizer":{"type":"Whitespace"}}`, "not known"},
		"odd merges": {`{"model":{"type":"BPE","vocab":{"a":0},"merges":[["a"]]}}`, "neither a text nor a pair"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := token.ParseHuggingFace([]byte(c.text))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}

func FuzzParseHuggingFace(f *testing.F) {
	for _, name := range []string{"hf-llama3", "hf-tinyllama", "hf-smollm2"} {
		data, err := os.ReadFile(filepath.Join("..", "llama", "testdata", name, "tokenizer.json"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, "some  text\r\n, It's 12345!\u00a0x")
	}
	f.Fuzz(func(_ *testing.T, data []byte, text string) {
		if read, err := token.ParseHuggingFace(data); err == nil {
			for _, id := range read.Tokenizer.Encode(text) {
				read.Tokenizer.Piece(id)
			}
		}
	})
}
