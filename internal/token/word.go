package token

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// wordLen is how many bytes the first word of a text has, as SmolLM2's tokenizer cuts words: a
// numeric character is a word of its own; else English contractions, a run of letters or of other
// signs with the one space before it, or white space without the last blank when a word follows. It
// never answers 0 for a text that has something in it.
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

// Kinds of characters.
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

// run is the bytes of the leading characters of one kind.
func run(text string, kind int) int {
	for i, char := range text {
		if kindOf(char) != kind {
			return i
		}
	}
	return len(text)
}

// blankLen is the length of leading white space. Its last character is left to the word that
// follows; where a number or nothing follows it belongs to the white space, since numbers are cut
// out first and the white space then ends its piece of text.
func blankLen(text string) int {
	n := run(text, blanks)
	_, last := utf8.DecodeLastRuneInString(text[:n])
	after, _ := utf8.DecodeRuneInString(text[n:])
	if n == len(text) || n == last || unicode.IsNumber(after) {
		return n
	}
	return n - last
}

// contraction is the length of an English ending such as 's or 'll at the start of a text, else 0.
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

// firstOf finds the first place where one of the pieces stands, the longest where several do: its
// place and the piece, or the text's length and "".
func firstOf(text string, pieces []string) (int, string) {
	at, found := len(text), ""
	for _, piece := range pieces {
		if i := strings.Index(text[:min(len(text), at+len(piece))], piece); i >= 0 && i < at {
			at, found = i, piece
		}
	}
	return at, found
}

// sortLongest sorts the longest first, so that no piece hides behind its own beginning.
func sortLongest(pieces []string) {
	slices.SortFunc(pieces, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
}
