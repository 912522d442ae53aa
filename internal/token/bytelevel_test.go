package token_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/token"
)

// TestWordsOfSmolLM: the matches of GPT-2's regular expression after splitting off single digits.
func TestWordsOfSmolLM(t *testing.T) {
	for text, want := range map[string][]string{
		"I'll go":       {"I", "'ll", " go"},
		"it's 12 5":     {"it", "'s", " ", "1", "2", " ", "5"},
		"'t're've'm'd":  {"'t", "'re", "'ve", "'m", "'d"},
		"'S'x":          {"'", "S", "'", "x"},
		" 's":           {" '", "s"},
		"a b":           {"a", " b"},
		"a  b":          {"a", " ", " b"},
		"a   b":         {"a", "  ", " b"},
		"a  1":          {"a", "  ", "1"},
		"a \n b":        {"a", " \n", " b"},
		"a\tb":          {"a", "\t", "b"},
		"a  ":           {"a", "  "},
		" ":             {" "},
		"a !?b":         {"a", " !?", "b"},
		"!! ?":          {"!!", " ?"},
		"½a²":           {"½", "a", "²"},
		"\u00a0a\u00a0": {"\u00a0", "a", "\u00a0"},
		"é ü":           {"é", " ü"},
	} {
		if diff := cmp.Diff(want, token.SmolLM.Words(text)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
}

// TestWordsOfLlama3: the matches of the regular expression in its tokenizer.json.
func TestWordsOfLlama3(t *testing.T) {
	for text, want := range map[string][]string{
		"I'LL go":         {"I", "'LL", " go"},
		"'Sx'Re":          {"'S", "x", "'Re"},
		"'REx'llx'":       {"'RE", "x", "'ll", "x", "'"},
		"'":               {"'"},
		"1":               {"1"},
		"123":             {"123"},
		"1234567":         {"123", "456", "7"},
		"12a":             {"12", "a"},
		"a 1":             {"a", " ", "1"},
		"a  1":            {"a", " ", " ", "1"},
		"!a":              {"!a"},
		"!!a":             {"!!", "a"},
		" !a":             {" !", "a"},
		"!\n\nb":          {"!\n\n", "b"},
		" !\r\nb":         {" !\r\n", "b"},
		"! \n":            {"!", " \n"},
		"\ta":             {"\ta"},
		"\na\rb":          {"\n", "a", "\r", "b"},
		"a \n\n b":        {"a", " \n\n", " b"},
		"a  \n  b":        {"a", "  \n", " ", " b"},
		"a   ":            {"a", "   "},
		"a   b":           {"a", "  ", " b"},
		"a\t\tb":          {"a", "\t", "\tb"},
		"\u00a0\u00a0é b": {"\u00a0", "\u00a0é", " b"},
	} {
		if diff := cmp.Diff(want, token.Llama3.Words(text)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
}

// TestIsDigits compares with Python's str.isdigit at and around the ends of ranges.
func TestIsDigits(t *testing.T) {
	for text, want := range map[string]bool{
		"": false, "0": true, "9": true, "12": true, "1a": false, "a1": false, "/": false, ":": false, "½": false,
		"Ⅷ":                  false,
		"\u00b2\u00b3\u00b9": true, "\u00b1": false, "\u00b4": false, "\u00b8": false, "\u00ba": false,
		"\u1369": true, "\u1371": true, "\u1368": false, "\u1372": false, "\u2070": true, "\u2071": false,
		"\u2073": false,
		"\u2074": true, "\u2079": true, "\u207a": false, "\u2460": true, "\u2468": true, "\u2469": false,
		"\u0660\u0669": true, "\U0001d7ce": true, "\U0001f10a": true, "\U0001f10b": false, "\U0001f0ff": false,
		"\U0001f100": true,
	} {
		if got := token.IsDigits(text); got != want {
			t.Errorf("%q: %t, want %t", text, got, want)
		}
	}
}

// letters returns a tokenizer of the letters a to d, a blank, signs, and the given merges and
// control pieces; z has no token.
func letters(t *testing.T, preTokenizer token.PreTokenizer, merges, control []string) *token.ByteLevel {
	t.Helper()
	vocabulary := []string{"a", "b", "c", "d", "Ġ", "<", ">", "Ċ"} // 0 to 7
	for _, merge := range merges {
		piece := strings.ReplaceAll(merge, " ", "")
		known := false
		for _, other := range vocabulary {
			known = known || other == piece
		}
		if !known {
			vocabulary = append(vocabulary, piece)
		}
	}
	var ids []int32
	for _, piece := range control {
		ids = append(ids, int32(len(vocabulary)))
		vocabulary = append(vocabulary, piece)
	}
	tok, err := token.NewByteLevel(preTokenizer, vocabulary, merges, ids)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// pieces returns the texts of tokens.
func pieces(tok *token.ByteLevel, ids []int32) []string {
	out := []string{}
	for _, id := range ids {
		out = append(out, tok.Piece(id))
	}
	return out
}

// TestMergeOrder: earlier merges before later ones, equal ranks from the left, and of a duplicate
// merge the first counts.
func TestMergeOrder(t *testing.T) {
	for text, c := range map[string]struct{ merges, want []string }{
		"aaa":    {[]string{"a a"}, []string{"aa", "a"}},
		"aaaa":   {[]string{"a a"}, []string{"aa", "aa"}},
		"aaaaa":  {[]string{"a a", "aa aa"}, []string{"aaaa", "a"}},
		"abc":    {[]string{"a b", "b c"}, []string{"ab", "c"}},
		"abcd":   {[]string{"b c", "a b", "c d"}, []string{"a", "bc", "d"}},
		"abcab":  {[]string{"a b", "b c", "a b"}, []string{"ab", "c", "ab"}},
		"bcabc":  {[]string{"b c", "a b", "a bc"}, []string{"bc", "abc"}},
		"ab ab":  {[]string{"Ġ a", "a b"}, []string{"ab", " a", "b"}},
		"azb":    {[]string{"a b"}, []string{"ab"}}, // z has no token and is dropped
		"d\nd":   {[]string{"d Ċ"}, []string{"d", "\n", "d"}},
		"":       {nil, []string{}},
		"c\xffd": {nil, []string{"c", "d"}},
	} {
		tok := letters(t, token.SmolLM, c.merges, nil)
		if diff := cmp.Diff(c.want, pieces(tok, tok.Encode(text))); diff != "" {
			t.Errorf("%q with %q (-want +got):\n%s", text, c.merges, diff)
		}
	}
}

// TestLlama3TakesWordsOfTheVocabulary without merging.
func TestLlama3TakesWordsOfTheVocabulary(t *testing.T) {
	tok := letters(t, token.Llama3, []string{"a b"}, nil)
	if diff := cmp.Diff([]string{"ab", "d"}, pieces(tok, tok.Encode("abd"))); diff != "" {
		t.Errorf("a word outside the vocabulary (-want +got):\n%s", diff)
	}
	vocabulary := []string{"a", "b", "c", "ab", "bc", "abc"} // no merge produces abc, as b and c are joined first
	merges := []string{"b c", "a b", "ab c"}
	for preTokenizer, want := range map[token.PreTokenizer][]string{token.Llama3: {"abc"}, token.SmolLM: {"a", "bc"}} {
		tok, err := token.NewByteLevel(preTokenizer, vocabulary, merges, nil)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, pieces(tok, tok.Encode("abc"))); diff != "" {
			t.Errorf("pre-tokenizer %d (-want +got):\n%s", preTokenizer, diff)
		}
	}
}

// TestControlPieces: in markup they are tokens, the earliest first and the longest of several at
// one position; in a text they are letters.
func TestControlPieces(t *testing.T) {
	tok := letters(t, token.SmolLM, nil, []string{"<a>", "<a>b", "<Ġ>", "<b>"}) // 8 to 11
	for text, want := range map[string][]int32{
		"c<a>d":       {2, 8, 3},
		"<a>b":        {9},
		"<a><a>b":     {8, 9},
		"<b><a>bc<b>": {11, 9, 2, 11},
		"d<a":         {3, 5, 0},
		"<Ġ>":         {10},
		"":            nil,
	} {
		if diff := cmp.Diff(want, tok.EncodeMarkup(text)); diff != "" {
			t.Errorf("markup %q (-want +got):\n%s", text, diff)
		}
	}
	if diff := cmp.Diff([]int32{2, 5, 0, 6, 1}, tok.Encode("c<a>b")); diff != "" {
		t.Errorf("text (-want +got):\n%s", diff)
	}
	if got := tok.Decode([]int32{2, 8, 4, 0, -1, 12, 11}); got != "c a" {
		t.Errorf("decoded %q", got)
	}
	for id, want := range map[int32]string{-1: "", 0: "a", 4: " ", 7: "\n", 8: "", 11: "", 12: ""} {
		if got := tok.Piece(id); got != want {
			t.Errorf("piece %d is %q, want %q", id, got, want)
		}
	}
	if id, ok := tok.ID("<a>b"); id != 9 || !ok {
		t.Errorf("<a>b is %d, %t", id, ok)
	}
	if _, ok := tok.ID("e"); ok {
		t.Error("e is a piece")
	}
	if got := tok.Size(); got != 12 {
		t.Errorf("%d pieces, want 12", got)
	}
}

// TestControlPiecesAtTheBorders has the first and last id of the vocabulary and their neighbors.
func TestControlPiecesAtTheBorders(t *testing.T) {
	for id, rejected := range map[int32]bool{-1: true, 0: false, 1: false, 2: true} {
		if _, err := token.NewByteLevel(token.SmolLM, []string{"a", "b"}, nil, []int32{id}); rejected != (err != nil) {
			t.Errorf("control piece %d of 2: error %v", id, err)
		}
	}
}
