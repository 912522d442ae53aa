package token_test

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/golden"
	"rdrec/internal/token"
)

func newT5(t testing.TB) *token.T5 {
	t.Helper()
	t5, err := token.NewT5()
	if err != nil {
		t.Fatal(err)
	}
	return t5
}

// tokenization is tokenization.json.
type tokenization struct {
	Encode []struct {
		Text    string   `json:"text"`
		Tokens  []string `json:"tokens"`
		IDs     []int32  `json:"ids"`
		Decoded string   `json:"decoded"`
		Words   []string `json:"decoded_words"`
		Whole   []int32  `json:"whole_word_ids"`
	} `json:"encode"`
	Decode []struct {
		IDs   []int32  `json:"ids"`
		Text  string   `json:"text"`
		Words []string `json:"words"`
	} `json:"decode"`
	OutOfRange [][2]json.RawMessage `json:"out_of_range"` // id, and the text or the exception
	Vocab      int                  `json:"vocab"`
}

func TestT5EncodeMatchesTransformers(t *testing.T) {
	var want tokenization
	golden.Load(t, "tokenization.json", &want)
	t5 := newT5(t)
	if got := t5.Size(); got != want.Vocab {
		t.Errorf("size %d, want %d", got, want.Vocab)
	}
	for _, c := range want.Encode {
		if diff := cmp.Diff(c.Tokens, t5.Pieces(c.Text)); diff != "" {
			t.Errorf("pieces of %q (-want +got):\n%s", c.Text, diff)
		}
		if diff := cmp.Diff(c.IDs, t5.Encode(c.Text)); diff != "" {
			t.Errorf("ids of %q (-want +got):\n%s", c.Text, diff)
		}
		ids, whole := t5.EncodeWords(c.Text, token.IDWords)
		if diff := cmp.Diff(c.IDs, ids); diff != "" {
			t.Errorf("ids with words of %q (-want +got):\n%s", c.Text, diff)
		}
		if diff := cmp.Diff(c.Whole, whole); diff != "" {
			t.Errorf("whole words of %q (-want +got):\n%s", c.Text, diff)
		}
		if diff := cmp.Diff(c.Whole[:len(c.Tokens)], t5.WholeWords(c.Text)); diff != "" {
			t.Errorf("whole words of the pieces of %q (-want +got):\n%s", c.Text, diff)
		}
		checkDecode(t, t5, c.IDs, c.Decoded, c.Words)
	}
}

func TestT5DecodeMatchesTransformers(t *testing.T) {
	var want tokenization
	golden.Load(t, "tokenization.json", &want)
	t5 := newT5(t)
	for _, c := range want.Decode {
		checkDecode(t, t5, c.IDs, c.Text, c.Words)
	}
}

func checkDecode(t *testing.T, t5 *token.T5, ids []int32, text string, words []string) {
	t.Helper()
	got, err := t5.Decode(ids)
	if err != nil {
		t.Errorf("decode %v: %v", ids, err)
	}
	if got != text {
		t.Errorf("decode %v: %q, want %q", ids, got, text)
	}
	if diff := cmp.Diff(words, token.Fields(got)); diff != "" && len(words) > 0 {
		t.Errorf("words of %v (-want +got):\n%s", ids, diff)
	}
}

func TestT5RejectsIDsOutsideTheVocabulary(t *testing.T) {
	var want tokenization
	golden.Load(t, "tokenization.json", &want)
	t5 := newT5(t)
	for _, c := range want.OutOfRange {
		var id int32
		var answer string
		if err := errors.Join(json.Unmarshal(c[0], &id), json.Unmarshal(c[1], &answer)); err != nil {
			t.Fatal(err)
		}
		text, err := t5.Decode([]int32{id})
		if raises := strings.HasPrefix(answer, "raises"); raises != (err != nil) {
			t.Errorf("decode id %v: error %v, want %q", id, err, answer)
		} else if !raises && text != answer {
			t.Errorf("decode id %v: %q, want %q", id, text, answer)
		}
	}
	if _, err := t5.Decode([]int32{-1}); err == nil {
		t.Error("decode id -1: no error")
	}
}

func TestT5SegmentationMatchesSentencePiece(t *testing.T) {
	var want struct {
		Rows []struct {
			Text    string  `json:"text"`
			IDs     []int32 `json:"t5"`
			Decoded *string `json:"t5_decoded"`
		} `json:"rows"`
	}
	golden.Load(t, "tokenizers.json.gz", &want)
	t5 := newT5(t)
	for _, c := range want.Rows {
		if c.IDs == nil || hasSpecial(c.Text) {
			continue // SentencePiece has no special tokens; those of transformers are in tokenization.json
		}
		ids := t5.Encode(c.Text)
		if diff := cmp.Diff(c.IDs, ids[:len(ids)-1]); diff != "" && len(c.IDs)+len(ids) > 1 {
			t.Errorf("ids of %q (-want +got):\n%s", c.Text, diff)
		}
		if c.Decoded == nil || strings.Contains(*c.Decoded, "\u2047") {
			continue // SentencePiece writes unknown pieces, transformers drops them
		}
		got, err := t5.Decode(c.IDs)
		if err != nil {
			t.Errorf("decode %v: %v", c.IDs, err)
		}
		// Only transformers cleans up blanks.
		if diff := cmp.Diff(withoutBlanks(*c.Decoded), withoutBlanks(got)); diff != "" {
			t.Errorf("text of %v (-want +got):\n%s", c.IDs, diff)
		}
	}
}

func withoutBlanks(text string) string { return strings.Join(token.Fields(text), "") }

func hasSpecial(text string) bool {
	for _, special := range []string{"<pad>", "</s>", "<unk>", "<extra_id_"} {
		if strings.Contains(text, special) {
			return true
		}
	}
	return false
}

// TestT5TiesMatchSentencePiece: both segmentations of these dots have the same score; rounding
// decides, as in SentencePiece 0.2.3 (0.2.1 and float64 decide otherwise).
func TestT5TiesMatchSentencePiece(t *testing.T) {
	for text, want := range map[string][]string{
		"it............. BUT.": {"▁it", ".....", "........", "▁BUT", "."},
		"I've used this shampoo for years and loved it............. BUT.": {
			"▁I", "'", "ve", "▁used", "▁this", "▁shampoo", "▁for", "▁years", "▁and", "▁loved", "▁it", "........",
			".....", "▁BUT", ".",
		},
		"Very good product----I use it every day": {
			"▁Very", "▁good", "▁product", "-", "---", "I", "▁use", "▁it", "▁every", "▁day",
		},
	} {
		if diff := cmp.Diff(want, newT5(t).Pieces(text)); diff != "" {
			t.Errorf("pieces of %q (-want +got):\n%s", text, diff)
		}
	}
}

func TestBlankWordsMatchP5(t *testing.T) {
	_, whole := newT5(t).EncodeWords("user_12 likes 4567 , 8", token.BlankWords)
	want := []int32{1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 0}
	if pieces := newT5(t).Pieces("user_12 likes 4567 , 8"); len(pieces)+1 != len(whole) {
		t.Fatalf("%d numbers for %q", len(whole), pieces)
	} else if diff := cmp.Diff(want, whole); diff != "" {
		t.Errorf("words of %q (-want +got):\n%s", pieces, diff)
	}
}

func TestT5IsSafeForConcurrentUse(t *testing.T) {
	t5 := newT5(t)
	var group sync.WaitGroup
	for worker := range 8 {
		group.Go(func() {
			for i := range 200 {
				text := "user_" + strconv.Itoa(worker*1000+i) + " item_7 <extra_id_1> é"
				ids := t5.Encode(text)
				if diff := cmp.Diff(ids, t5.Encode(text)); diff != "" {
					t.Errorf("ids of %q differ between calls: %s", text, diff)
				}
			}
		})
	}
	group.Wait()
}

func TestParseT5Errors(t *testing.T) {
	for name, c := range map[string]struct {
		model []byte
		want  string
	}{
		"nothing":       {nil, "no pieces"},
		"truncated":     {[]byte{0x0a, 0x7f, 0x01}, "unexpected EOF"},
		"empty piece":   {[]byte{0x0a, 0x00}, "piece 0: the piece is empty"},
		"no unknown":    {[]byte{0x0a, 0x03, 0x0a, 0x01, 'a'}, "no piece for unknown text"},
		"one map byte":  {append(unknownPiece(), 0x1a, 0x03, 0x12, 0x01, 'x'), "character map: 1 bytes"},
		"no normal one": {unknownPiece(), "no normal piece"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := token.ParseT5(c.model)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}

func unknownPiece() []byte { return []byte{0x0a, 0x05, 0x0a, 0x01, 'u', 0x18, 0x02} }

func FuzzT5(f *testing.F) {
	for _, text := range []string{
		"user_1 item_22", "a_1_2", "<extra_id_5>  </s>", "½ ﬁ e\u0301 日本", "\xff\x00 x", "____",
	} {
		f.Add(text)
	}
	t5, err := token.NewT5()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		ids, whole := t5.EncodeWords(text, token.IDWords)
		if len(ids) != len(whole) || ids[len(ids)-1] != token.End {
			t.Fatalf("%q: ids %v, words %v", text, ids, whole)
		}
		for _, id := range ids {
			if id < 0 || int(id) >= t5.Size() {
				t.Fatalf("%q: id %d", text, id)
			}
		}
		if _, err := t5.Decode(ids); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if again := t5.Encode(text); cmp.Diff(ids, again) != "" {
			t.Fatalf("%q: %v, then %v", text, ids, again)
		}
	})
}

func FuzzParseT5(f *testing.F) {
	f.Add([]byte{})
	f.Add(append(unknownPiece(), 0x0a, 0x03, 0x0a, 0x01, 'a'))
	f.Add(append(
		unknownPiece(), 0x0a, 0x03, 0x0a, 0x01, 'a', 0x1a, 0x0b, 0x12, 0x09, 4, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0,
	))
	f.Fuzz(func(_ *testing.T, model []byte) {
		if t5, err := token.ParseT5(model); err == nil {
			t5.Encode("user_1 item_22 é")
		}
	})
}

func BenchmarkT5Encode(b *testing.B) {
	t5 := newT5(b)
	for name, text := range map[string]string{
		"explanation": "I love the scent of this shampoo, it leaves my hair soft and shiny.",
		"history": "Here is the purchase history of user_123: item_1 item_22 item_333 item_4444 item_55. " +
			"What to recommend next for the user?",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				t5.EncodeWords(text, token.IDWords)
			}
		})
	}
}
