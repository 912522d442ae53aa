package review

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of an explanation, in words and bytes: the student trains on its first 20 tokens.
const (
	minWords   = 3
	maxWords   = 30
	maxBytes   = 240
	maxScanned = 8000 // bytes of a review that are scanned; good explanations come early
)

// sentences splits a cleaned text at full stops, question and exclamation marks, semicolons and
// line ends.
func sentences(text string) []string {
	if len(text) > maxScanned {
		text = strings.ToValidUTF8(text[:maxScanned], "")
	}
	var list []string
	start := 0
	for i, r := range text {
		if i < start || !endsSentence(text, i, r) {
			continue
		}
		list = appendSentence(list, text[start:i])
		start = i + utf8.RuneLen(r)
	}
	return appendSentence(list, text[start:])
}

// endsSentence reports whether the mark r at i ends a sentence; a full stop in a number or a web
// address or after an abbreviation does not.
func endsSentence(text string, i int, r rune) bool {
	switch r {
	case '\n', '!', '?', ';', '…', '。', '！', '？':
		return true
	case '.':
		after, _ := utf8.DecodeRuneInString(text[i+1:])
		if unicode.IsDigit(after) || unicode.IsLower(after) {
			return false
		}
		return !abbreviated(text[:i])
	default:
		return false
	}
}

func abbreviated(before string) bool {
	word := before[strings.LastIndexAny(before, " \n(")+1:]
	switch strings.ToLower(word) {
	case "mr", "mrs", "ms", "dr", "st", "oz", "fl", "vs", "approx", "e.g", "i.e":
		return true
	default:
		return false
	}
}

func appendSentence(list []string, s string) []string {
	s = strings.TrimLeft(s, " .,;:-*•–—)\n")
	s = strings.TrimRight(s, " .,;:-*–—(\n")
	if s == "" {
		return list
	}
	return append(list, s)
}

// wordsOf returns a sentence's words in lower case: letters and digits, cut at an apostrophe
// (don't, it's, husband's).
func wordsOf(s string) []string {
	s = strings.ToLower(s)
	list := make([]string, 0, 1+len(s)/5)
	start, cut := -1, -1 // start of the word, and its apostrophe
	for i, r := range s {
		switch {
		case wordRune(r):
			if start < 0 {
				start, cut = i, -1
			}
		case (r == '\'' || r == '’') && start >= 0:
			if cut < 0 {
				cut = i
			}
		case start >= 0:
			list = append(list, word(s[start:i], cut-start))
			start = -1
		}
	}
	if start >= 0 {
		list = append(list, word(s[start:], cut-start))
	}
	return list
}

func word(s string, cut int) string {
	if cut > 0 {
		return s[:cut]
	}
	return s
}

func wordRune(r rune) bool {
	if r < 0x80 {
		return (r >= 'a' && r <= 'z') || (r >= '0' && r <= '9')
	}
	return unicode.IsLetter(r) || unicode.IsDigit(r)
}

// usable reports whether a sentence is neither too short nor too long for an explanation.
func usable(s string, words []string) bool {
	return len(words) >= minWords && len(words) <= maxWords && len(s) <= maxBytes
}
