package metric

import (
	"slices"
	"strings"
	"unicode"
)

// Words returns the words of a text: it is split at blanks, and around each character of Chinese
// and Japanese, which write no blanks, as sacrebleu's tokenizer zh splits Chinese.
func Words(text string) []string {
	if !HasIdeographs(text) {
		return strings.Fields(text)
	}
	var spaced strings.Builder
	for _, r := range text {
		if isIdeograph(r) {
			spaced.WriteString(" " + string(r) + " ")
		} else {
			spaced.WriteRune(r)
		}
	}
	return strings.Fields(spaced.String())
}

// PlainWords returns the words of a text in lower case: letters and digits.
func PlainWords(text string) []string {
	words := strings.FieldsFunc(strings.ToLower(text), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r)
	})
	if !slices.ContainsFunc(words, HasIdeographs) {
		return words
	}
	var split []string
	for _, word := range words {
		split = append(split, Words(word)...)
	}
	return split
}

// HasIdeographs reports whether [Words] splits a text around its characters.
func HasIdeographs(text string) bool { return strings.ContainsFunc(text, isIdeograph) }

// isIdeograph reports whether a character is a word of its own: an ideograph, a kana, or
// punctuation of full width.
func isIdeograph(r rune) bool {
	const cjk, punctuation, afterPunctuation, wide, afterWide = 0x2e80, 0x3001, 0x3040, 0xff01, 0xff66
	return r >= cjk && (unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana) ||
		r >= punctuation && r < afterPunctuation || r >= wide && r < afterWide)
}
