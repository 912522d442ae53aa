package recommend

import (
	"math"
	"strings"
	"unicode"
)

// ParseItem parses an item id as the reference's scripts do: Python's int() of the text before the
// first space. It accepts signs, single underscores between digits and decimal digits of any
// script, such as "+7", "1_000" and Arabic digits, but not "12.0" or "item_12". Ids beyond an int
// are clamped: no item has them, so they are misses either way.
func ParseItem(text string) (int, bool) {
	word, _, _ := strings.Cut(text, " ")
	return pythonInt(strings.TrimFunc(word, unicode.IsSpace))
}

// pythonInt returns Python's int(text) for text without surrounding spaces.
func pythonInt(text string) (int, bool) {
	sign := 1
	switch {
	case strings.HasPrefix(text, "-"):
		sign, text = -1, text[1:]
	case strings.HasPrefix(text, "+"):
		text = text[1:]
	}
	value, afterDigit := 0, false
	for _, letter := range text {
		if letter == '_' && afterDigit {
			afterDigit = false
			continue
		}
		digit, ok := decimal(letter)
		if !ok {
			return 0, false
		}
		value, afterDigit = appendDigit(value, digit), true
	}
	if !afterDigit {
		return 0, false
	}
	return sign * value, true
}

// appendDigit returns 10*value + digit, or the largest int if that overflows.
func appendDigit(value, digit int) int {
	if value > (math.MaxInt-digit)/10 {
		return math.MaxInt
	}
	return 10*value + digit
}

// decimal returns the value of a decimal digit of any script. Unicode encodes each script's ten
// digits consecutively, 0 first, and a range of the table contains one or more such runs, so a
// digit's value is its distance from the start of the range, modulo 10.
func decimal(letter rune) (int, bool) {
	if '0' <= letter && letter <= '9' {
		return int(letter - '0'), true
	}
	for _, run := range unicode.Nd.R16 {
		if rune(run.Lo) <= letter && letter <= rune(run.Hi) {
			return int(letter-rune(run.Lo)) % 10, true
		}
	}
	for _, run := range unicode.Nd.R32 {
		if rune(run.Lo) <= letter && letter <= rune(run.Hi) {
			return int(letter-rune(run.Lo)) % 10, true
		}
	}
	return 0, false
}
