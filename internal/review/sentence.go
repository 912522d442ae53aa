package review

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of an explanation, in words and bytes: the student learns 20 tokens of it.
const (
	minWords   = 3
	maxWords   = 30
	maxBytes   = 240
	maxScanned = 8000 // bytes of a review that are looked at; what explains stands early
)

// sentences splits a cleaned text at full stops, question and exclamation marks, semicolons and line ends.
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

// endsSentence says whether the mark at i ends a sentence; a stop inside a number, a web address or after an abbreviation does not.
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

// wordsOf are a sentence's words in lower case: letters, digits and the apostrophe inside a word.
func wordsOf(s string) []string {
	list := strings.FieldsFunc(strings.ToLower(s), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '\'' && r != '’'
	})
	for i, w := range list {
		w = strings.Trim(strings.ReplaceAll(w, "’", "'"), "'")
		if cut := strings.IndexByte(w, '\''); cut > 0 { // don't, it's, husband's
			w = w[:cut]
		}
		list[i] = w
	}
	return slices.DeleteFunc(list, func(w string) bool { return w == "" })
}

// usable says whether a sentence is of a length that can explain.
func usable(s string, words []string) bool {
	return len(words) >= minWords && len(words) <= maxWords && len(s) <= maxBytes
}
