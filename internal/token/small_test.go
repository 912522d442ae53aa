package token_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/protobuf/encoding/protowire"

	"rdrec/internal/token"
)

// Types of pieces, as in SentencePiece's sentencepiece_model.proto.
const (
	normal = iota + 1
	unknown
	control
	user
	unused
	single
)

// piece is a row of a small vocabulary.
type piece struct {
	text  string
	score float64
	kind  int64
}

func bpe(t *testing.T, blank bool, pieces ...piece) *token.SentencePieceBPE {
	t.Helper()
	var texts []string
	var scores []float64
	var kinds []int64
	for _, p := range pieces {
		texts, scores, kinds = append(texts, p.text), append(scores, p.score), append(kinds, p.kind)
	}
	tok, err := token.NewSentencePieceBPE(texts, scores, kinds, blank)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// alphabet has a normal piece as id 0, bytes for é, and blanks.
func alphabet() []piece {
	return []piece{
		{
			"a",
			0,
			normal,
		},
		{"b", 0, normal},
		{"ab", -1, normal},
		{"<unk>", 0, unknown},
		{"<s>", 0, control},
		{"</s>", 0, control},
		{
			"<0xC3>",
			0,
			single,
		},
		{"<0xA9>", 0, single},
		{"▁", -3, normal},
		{"▁a", -2, normal},
		{"ba", -1, normal},
		{"zz", 0, unused},
	}
}

func TestSmallSentencePieceBPE(t *testing.T) {
	for _, c := range []struct {
		blank bool
		text  string
		ids   []int32
	}{
		{false, "a", []int32{0}},
		{false, "ab", []int32{2}},
		{false, "aba", []int32{2, 0}}, // the left one of equal scores
		{false, "bab", []int32{10, 1}},
		{false, "é", []int32{6, 7}},
		{false, "z", []int32{3}},
		{false, "zz", []int32{3, 3}},
		{false, "a a", []int32{0, 9}},
		{false, "</s>", []int32{3, 3, 3, 3}},
		{true, "ab", []int32{8, 2}},
		{true, "a", []int32{9}},
		{true, "", nil},
	} {
		got := bpe(t, c.blank, alphabet()...).Encode(c.text)
		if diff := cmp.Diff(c.ids, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%q, blank %t (-want +got):\n%s", c.text, c.blank, diff)
		}
	}
	for _, c := range []struct {
		blank bool
		ids   []int32
		text  string
	}{
		{true, []int32{4, 8, 2, 5}, "ab"},
		{true, []int32{9, 9}, "a a"},
		{false, []int32{9, 9}, " a a"},
		{true, []int32{6, 7, 9}, "é a"},
		{true, []int32{0, 6, 9}, "a\ufffd a"},
		{true, []int32{3, 3}, "\u2047  \u2047 "},
		{true, []int32{-1, 0, 12}, "a"},
	} {
		if got := bpe(t, c.blank, alphabet()...).Decode(c.ids); got != c.text {
			t.Errorf("%v, blank %t: %q, want %q", c.ids, c.blank, got, c.text)
		}
	}
	tok := bpe(t, true, alphabet()...)
	if tok.Size() != 12 || tok.Begin() != 4 || tok.End() != 5 {
		t.Errorf("%d pieces, <s> %d, </s> %d", tok.Size(), tok.Begin(), tok.End())
	}
	bare := bpe(t, false, piece{"<0x61>", 0, single}, piece{"<unk>", 0, unknown})
	if diff := cmp.Diff([]int32{0, 1, 0}, bare.Encode("aba")); diff != "" || bare.Begin() != -1 || bare.End() != -1 {
		t.Errorf("only bytes: <s> %d, </s> %d (-want +got):\n%s", bare.Begin(), bare.End(), diff)
	}
}

func TestInvalidVocabularies(t *testing.T) {
	for want, arrays := range map[string]struct {
		pieces []string
		scores []float64
		kinds  []int64
	}{
		"the vocabulary has 1 pieces, 2 scores and 1 types": {[]string{"a"}, []float64{0, 0}, []int64{unknown}},
		"the vocabulary has 1 pieces, 1 scores and 0 types": {[]string{"a"}, []float64{0}, nil},
		"the BPE vocabulary has no unknown piece":           {[]string{"a"}, []float64{0}, []int64{normal}},
	} {
		_, err := token.NewSentencePieceBPE(arrays.pieces, arrays.scores, arrays.kinds, true)
		if err == nil || err.Error() != want {
			t.Errorf("error %v, want %s", err, want)
		}
	}
	for _, vocabulary := range [][]string{{"a", "ax"}, {"x", "ax"}, {"a", "x"}} {
		_, err := token.NewByteLevel(token.SmolLM, vocabulary, []string{"a x"}, nil)
		if err == nil || !strings.Contains(err.Error(), `merge 0, "a x"`) {
			t.Errorf("merge of %q: error %v", vocabulary, err)
		}
	}
}

// model returns a SentencePiece file with the given pieces and with unused fields.
func model(pieces ...piece) []byte {
	var out []byte
	for _, p := range pieces {
		var row []byte
		row = protowire.AppendString(protowire.AppendTag(row, 1, protowire.BytesType), p.text)
		row = protowire.AppendFixed32(
			protowire.AppendTag(row, 2, protowire.Fixed32Type),
			math.Float32bits(float32(p.score)),
		)
		row = protowire.AppendVarint(protowire.AppendTag(row, 3, protowire.VarintType), uint64(p.kind))
		out = protowire.AppendBytes(protowire.AppendTag(out, 1, protowire.BytesType), row)
		out = protowire.AppendFixed64(protowire.AppendTag(out, 9, protowire.Fixed64Type), 7)
	}
	return out
}

// TestSmallUnigram: the greatest sum of scores wins; an unknown character is 10 worse than the
// worst normal piece, whatever its sign.
func TestSmallUnigram(t *testing.T) {
	t5, err := token.ParseT5(model(
		piece{
			"▁x",
			6,
			normal,
		},
		piece{"<unk>", 0, unknown},
		piece{"y", 6, normal},
		piece{"▁xyz", 3, normal},
		piece{"▁", 4, normal},
		piece{"uv", 0, user},
		piece{"u", 50, normal},
		piece{"v", 3, normal},
		piece{"qqq", 0, unused},
	))
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string][]int32{
		"x":    {0, 1},
		"xyz":  {0, 2, 1}, // the unknown piece is 1, the id of the end token, which is not repeated
		"xyzz": {0, 2, 1}, // a run of unknown characters is one piece
		"xyzy": {0, 2, 1, 2, 1},
		"uv":   {4, 6, 7, 1},
		"qqq":  {4, 1},
	} {
		if diff := cmp.Diff(want, t5.Encode(text)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
	if _, err := token.ParseT5(
		model(piece{"<unk>", 0, unknown}, piece{"a", 0, normal}, piece{"a", 0, user}),
	); err == nil ||
		!strings.Contains(err.Error(), "model has duplicate piece a") {
		t.Errorf("duplicate piece: error %v", err)
	}
}

// TestCallsShareNothing: the scratch memory of one text does not affect the next one.
func TestCallsShareNothing(t *testing.T) {
	t5 := newT5(t)
	for range 3 {
		t5.Encode("a text of many more pieces than the one after it")
		if diff := cmp.Diff([]int32{1, 1, 1, 2, 2, 2}, t5.WholeWords("user_1 item_2")); diff != "" {
			t.Errorf("whole words (-want +got):\n%s", diff)
		}
		t5.Encode("a text of many more pieces than the one after it")
		if diff := cmp.Diff([]string{"▁user", "_", "1"}, t5.Pieces("user_1")); diff != "" {
			t.Errorf("pieces (-want +got):\n%s", diff)
		}
	}
}

// TestBlanksArePythons: the four separators are blanks, the characters around them are not.
func TestBlanksArePythons(t *testing.T) {
	want := []string{"a\x1bb", "c", "d", "e", "f", "g", "h"}
	if diff := cmp.Diff(want, token.Fields("a\x1bb\x1cc\x1dd\x1ee\x1ff\u0085g\u00a0h")); diff != "" {
		t.Errorf("words (-want +got):\n%s", diff)
	}
}

// TestTextBesideSpecialTokens expects it unchanged.
func TestTextBesideSpecialTokens(t *testing.T) {
	for text, want := range map[string][]string{
		"soap<extra_id_0>hair": {"▁soap", "<extra_id_0>", "▁hair"},
		"soap <extra_id_0> a":  {"▁soap", "<extra_id_0>", "▁", "a"},
		"<extra_id_0></s>soap": {"<extra_id_0>", "</s>", "▁soap"},
		"soap</s>":             {"▁soap", "</s>"},
	} {
		if diff := cmp.Diff(want, newT5(t).Pieces(text)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
}

// TestInvalidUTF8 becomes U+FFFD per byte; a U+FFFD in the text stays.
func TestInvalidUTF8(t *testing.T) {
	for text, want := range map[string]string{
		"a\x80": "▁a\ufffd", "a\xff\xffb": "▁a\ufffd\ufffdb", "a\u00e9": "▁aé", "a\x7fb": "▁ab",
	} {
		if got := strings.Join(newT5(t).Pieces(text), ""); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// smolLMWords and llama3Words are the pre-tokenizers in a tokenizer.json.
const (
	smolLMWords = `{"pretokenizers":[{"type":"Digits","individual_digits":true},{"type":"ByteLevel","use_regex":true}]}`
	llama3Words = `{"pattern":{"Regex":"x|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"}}`
)

func parse(t *testing.T, model, words, normalizer string) *token.HuggingFace {
	t.Helper()
	const text = `{"model":{"type":"BPE",%s},"added_tokens":[{"id":9,"content":"</s>","special":true},` +
		`{"id":8,"content":"d","special":false}],"pre_tokenizer":%s,"normalizer":%s}`
	out, err := token.ParseHuggingFace(fmt.Appendf(nil, text, model, words, normalizer))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestSmallHuggingFaceByteLevel covers merges in both forms, unused ids, control pieces, and both
// pre-tokenizers.
func TestSmallHuggingFaceByteLevel(t *testing.T) {
	for _, merges := range []string{`["a b","1 2"]`, `[["a","b"],["1","2"]]`} {
		model := `"vocab":{"a":0,"b":1,"ab":3,"1":4,"2":5,"12":6},"merges":` + merges
		for words, want := range map[string][]int32{smolLMWords: {3, 4, 5, 8}, llama3Words: {3, 6, 8}} {
			read := parse(t, model, words, "null")
			if diff := cmp.Diff(want, read.Tokenizer.Encode("ab12d")); diff != "" {
				t.Errorf("merges %s (-want +got):\n%s", merges, diff)
			}
			if diff := cmp.Diff(map[string]int32{"</s>": 9}, read.Control); diff != "" || read.Tokenizer.Size() != 10 {
				t.Errorf("%d pieces, control (-want +got):\n%s", read.Tokenizer.Size(), diff)
			}
			if got := read.Tokenizer.Piece(3) + read.Tokenizer.Piece(8) + read.Tokenizer.Piece(9); got != "abd" {
				t.Errorf("pieces 3, 8 and 9 are %q", got)
			}
		}
	}
	for _, words := range []string{
		strings.Replace(smolLMWords, "true", "false", 1), strings.Replace(smolLMWords, "use_regex", "regex", 1),
	} {
		_, err := token.ParseHuggingFace(
			[]byte(`{"model":{"type":"BPE","vocab":{"a":0}},"pre_tokenizer":` + words + `}`),
		)
		if err == nil || !strings.Contains(err.Error(), "is not known") {
			t.Errorf("%s: error %v", words, err)
		}
	}
}

// TestSmallHuggingFaceSentencePiece: the first of two merges that produce a piece counts, pieces
// without a merge are not found, and each way to add a blank before a text.
func TestSmallHuggingFaceSentencePiece(t *testing.T) {
	const model = `"byte_fallback":true,"vocab":{"<unk>":0,"a":1,"b":2,"c":3,"ab":4,"cd":5,"abc":6,"dd":7,` +
		`"▁":10,"▁a":11,"<0x0A>":12},"merges":["a b","ab c","c d","▁ a","a bc"]`
	plain := parse(t, model, "null", "null")
	for text, want := range map[string][]int32{
		"abcd": {6, 8}, "cd": {5}, "dd": {8, 8}, "\n": {12}, "</s>": {0, 0, 0, 0}, "a": {1}, "z": {0},
	} {
		if diff := cmp.Diff(want, plain.Tokenizer.Encode(text)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
	for _, c := range []struct {
		words, normalizer string
		want              int32
	}{
		{"null", `{"type":"Prepend","prepend":"▁"}`, 11},
		{`{"type":"Metaspace","prepend_scheme":"first"}`, "null", 11},
		{`{"type":"Metaspace","prepend_scheme":"never"}`, "null", 1},
		{`{"type":"Metaspace","add_prefix_space":true}`, "null", 11},
		{`{"type":"Metaspace","add_prefix_space":false}`, "null", 1},
	} {
		if diff := cmp.Diff([]int32{c.want}, parse(t, model, c.words, c.normalizer).Tokenizer.Encode("a")); diff != "" {
			t.Errorf("%s, %s (-want +got):\n%s", c.words, c.normalizer, diff)
		}
	}
}

// TestLongPiecesAreRefused reads a model with a piece of 10 MB: the search recurses along pieces.
func TestLongPiecesAreRefused(t *testing.T) {
	for _, size := range []int{4097, 10 << 20} {
		piece := protowire.AppendTag(nil, 1, protowire.BytesType)
		piece = protowire.AppendString(piece, strings.Repeat("a", size))
		model := protowire.AppendTag(nil, 1, protowire.BytesType)
		model = protowire.AppendBytes(model, piece)
		_, err := token.ParseSentencePieceBPE(model)
		want := fmt.Sprintf("piece 0: the piece has %d bytes, at most 4096 are possible", size)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %.200v, want %q", err, want)
		}
	}
}
