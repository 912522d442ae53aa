package recommend_test

import (
	"encoding/json"
	"math"
	"math/big"
	"strings"
	"testing"
	"unicode"

	"rdrec/internal/golden"
	"rdrec/internal/recommend"
)

// TestGoldenParseItem reads every text of metrics.json as the reference does.
func TestGoldenParseItem(t *testing.T) {
	var file struct {
		Cases [][2]json.RawMessage `json:"parse_item"`
	}
	golden.Load(t, "metrics.json", &file)
	if len(file.Cases) == 0 {
		t.Fatal("no cases")
	}
	for _, c := range file.Cases {
		var text string
		if err := json.Unmarshal(c[0], &text); err != nil {
			t.Fatal(err)
		}
		number := strings.Trim(string(c[1]), `"`) // null, a number, or a large number as a string
		item, ok := recommend.ParseItem(text)
		if ok != (number != "null") {
			t.Errorf("ParseItem(%q) = %d, %v; the reference has %s", text, item, ok, number)
		}
		if ok && item != clamp(t, number) {
			t.Errorf("ParseItem(%q) = %d, the reference has %s", text, item, number)
		}
	}
}

func clamp(t *testing.T, number string) int {
	t.Helper()
	n, ok := new(big.Int).SetString(number, 10)
	if !ok {
		t.Fatalf("golden number %q", number)
	}
	switch {
	case n.IsInt64():
		return int(n.Int64())
	case n.Sign() < 0:
		return -math.MaxInt
	}
	return math.MaxInt
}

// TestParseItem has what Python 3.11 gives beyond the golden cases.
func TestParseItem(t *testing.T) {
	for _, c := range []struct {
		text string
		item int
		ok   bool
	}{
		{"\x1c12", 0, false},
		{"\x1f12", 0, false},
		{"\u008512", 12, true},
		{"\u00a012", 12, true},
		{"\u300012", 12, true},
		{"\u168012\u2028", 12, true},
		{"\ufeff12", 0, false},
		{"+_1", 0, false},
		{"+ 1", 0, false},
		{"++1", 0, false},
		{"-", 0, false},
		{"-0", 0, true},
		{"00_0", 0, true},
		{"\U0001d7d812", 12, true},
		{"12\x00", 0, false},
		{"\uff11_\uff12", 12, true},
		{"\u22125", 0, false},
		{"\x0b12\x0c", 12, true},
		{"\xff12", 0, false},
		{"7 things", 7, true},
		{"9223372036854775799", 9223372036854775799, true}, // around the largest int, which stands for all beyond
		{"9223372036854775800", 9223372036854775800, true},
		{"9223372036854775807", 9223372036854775807, true},
		{"9223372036854775808", 9223372036854775807, true},
		{"9223372036854775810", 9223372036854775807, true},
		{"-9223372036854775808", -9223372036854775807, true},
	} {
		if item, ok := recommend.ParseItem(c.text); ok != c.ok || ok && item != c.item {
			t.Errorf("ParseItem(%q) = %d, %v, want %d, %v", c.text, item, ok, c.item, c.ok)
		}
	}
}

// TestParseItemScripts checks that the ten digits of every script count from 0 to 9.
func TestParseItemScripts(t *testing.T) {
	previous := 9
	for letter := rune(0); letter <= unicode.MaxRune; letter++ {
		if !unicode.Is(unicode.Nd, letter) {
			continue
		}
		digit, ok := recommend.ParseItem(string(letter))
		if !ok || digit != (previous+1)%10 {
			t.Fatalf("ParseItem(%q) = %d, %v after %d", letter, digit, ok, previous)
		}
		previous = digit
	}
}

func FuzzParseItem(f *testing.F) {
	for _, text := range []string{"12", "1_000", "+7", "\u0661\u0662", "item_3", "-", "1 2"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		item, ok := recommend.ParseItem(text)
		if !ok && item != 0 {
			t.Errorf("ParseItem(%q) = %d without ok", text, item)
		}
	})
}
