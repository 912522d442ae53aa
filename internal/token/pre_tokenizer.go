package token

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// PreTokenizer splits a text into the words inside which a byte-level tokenizer merges bytes.
type PreTokenizer int

// The supported pre-tokenizers.
const (
	// SmolLM is SmolLM2's: GPT-2's, with single digits.
	SmolLM PreTokenizer = iota
	// Llama3 is Llama 3's: up to three digits together, line ends with the signs before them, and
	// words of the vocabulary without merging (tokenizers calls it ignore_merges).
	Llama3
)

// nextWord returns the length of a text's first word in bytes; it is 0 only for an empty text.
func (c PreTokenizer) nextWord(text string) int {
	if c == Llama3 {
		return llama3Len(text)
	}
	return wordLen(text)
}

// llama3Len returns the length of the match of the regular expression in Llama 3's tokenizer:
//
//	(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|
//	 ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
//
// (It is one line there.)
func llama3Len(text string) int {
	if n := anyCaseContraction(text); n > 0 {
		return n
	}
	first, size := utf8.DecodeRuneInString(text)
	switch kind := kindOf(first); {
	case kind == letters:
		return run(text, letters)
	case kind == numbers:
		return digits(text)
	case first != '\r' && first != '\n' && run(text[size:], letters) > 0:
		return size + run(text[size:], letters)
	case kind == signs:
		return signLen(text, 0)
	case first == ' ' && run(text[1:], signs) > 0:
		return signLen(text, 1)
	default:
		return llama3Blanks(text)
	}
}

// llama3Blanks returns the length of leading white space: up to its last line end, otherwise
// without the last blank if text follows.
func llama3Blanks(text string) int {
	blank := run(text, blanks)
	if end := strings.LastIndexAny(text[:blank], "\r\n"); end >= 0 {
		return end + 1
	}
	_, last := utf8.DecodeLastRuneInString(text[:blank])
	if blank == len(text) || blank == last {
		return blank
	}
	return blank - last // the last blank belongs to the next word
}

// digits returns the length of up to three leading numeric characters.
func digits(text string) int {
	n := 0
	for range 3 {
		char, size := utf8.DecodeRuneInString(text[n:])
		if size == 0 || !unicode.IsNumber(char) {
			break
		}
		n += size
	}
	return n
}

// signLen returns the length of the first bytes, the signs after them and the line ends after
// these.
func signLen(text string, first int) int {
	n := first + run(text[first:], signs)
	return n + len(text[n:]) - len(strings.TrimLeft(text[n:], "\r\n"))
}

// anyCaseContraction is [contraction] for letters of either case.
func anyCaseContraction(text string) int {
	const longest = len("'re")
	return contraction(strings.ToLower(text[:min(longest, len(text))]))
}
