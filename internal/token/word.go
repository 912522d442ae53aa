package token

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// wordLen returns the length of a text's first word in bytes, as SmolLM2's pre-tokenizer splits
// words: a single numeric character; otherwise an English contraction, a run of letters or of other
// signs with the one space before it, or white space without the last blank if a word follows. It
// is 0 only for an empty text.
func wordLen(text string) int {
	if n := contraction(text); n > 0 {
		return n
	}
	first, n := utf8.DecodeRuneInString(text)
	if unicode.IsNumber(first) {
		return n
	}
	if first == ' ' {
		second, _ := utf8.DecodeRuneInString(text[1:])
		if kind := kindOf(second); len(text) > 1 && (kind == letters || kind == signs) {
			return 1 + run(text[1:], kind)
		}
	}
	if kind := kindOf(first); kind != blanks {
		return run(text, kind)
	}
	return blankLen(text)
}

// Classes of characters.
const (
	letters = iota
	numbers
	blanks
	signs
)

func kindOf(char rune) int {
	switch {
	case unicode.IsLetter(char):
		return letters
	case unicode.IsNumber(char):
		return numbers
	case unicode.IsSpace(char):
		return blanks
	default:
		return signs
	}
}

// run returns the length in bytes of the leading characters of one class.
func run(text string, kind int) int {
	for i, char := range text {
		if kindOf(char) != kind {
			return i
		}
	}
	return len(text)
}

// blankLen returns the length of leading white space. Its last character belongs to the next word,
// unless a number or nothing follows: numbers are split off first, so the white space ends its part
// of the text.
func blankLen(text string) int {
	n := run(text, blanks)
	_, last := utf8.DecodeLastRuneInString(text[:n])
	after, _ := utf8.DecodeRuneInString(text[n:])
	if n == len(text) || n == last || unicode.IsNumber(after) {
		return n
	}
	return n - last
}

// contraction returns the length of an English contraction such as 's or 'll at the start of a
// text, otherwise 0.
func contraction(text string) int {
	if !strings.HasPrefix(text, "'") {
		return 0
	}
	for _, ending := range [...]string{"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"} {
		if strings.HasPrefix(text, ending) {
			return len(ending)
		}
	}
	return 0
}

// firstOf returns the position and the text of the first of the pieces in a text, the longest of
// several at one position; otherwise the text's length and "".
func firstOf(text string, pieces []string) (int, string) {
	at, found := len(text), ""
	for _, piece := range pieces {
		if i := strings.Index(text[:min(len(text), at+len(piece))], piece); i >= 0 && i < at {
			at, found = i, piece
		}
	}
	return at, found
}

// sortLongest sorts the longest pieces first, so that no piece is hidden by its own prefix.
func sortLongest(pieces []string) {
	slices.SortFunc(pieces, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
}
