package token

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// PreTokenizer is a way to cut a text into the words that a byte-level tokenizer then merges bytes
// in.
type PreTokenizer int

// The ways that are known.
const (
	// SmolLM cuts as SmolLM2's tokenizer: GPT-2's way, and digits one by one.
	SmolLM PreTokenizer = iota
	// Llama3 cuts as Llama 3's tokenizer: up to three digits together, line ends with the signs
	// before them, and words that the vocabulary has as they are (tokenizers calls it
	// ignore_merges).
	Llama3
)

// nextWord is how many bytes the first word of a text has; never 0 for a text that has something in
// it.
func (c PreTokenizer) nextWord(text string) int {
	if c == Llama3 {
		return llama3Len(text)
	}
	return wordLen(text)
}

// llama3Len is what the expression of Llama 3's tokenizer takes at the start of a text:
//
//	(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
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

// llama3Blanks is the length of leading white space: up to its last line end, else without the last
// blank when something follows.
func llama3Blanks(text string) int {
	blank := run(text, blanks)
	if end := strings.LastIndexAny(text[:blank], "\r\n"); end >= 0 {
		return end + 1
	}
	_, last := utf8.DecodeLastRuneInString(text[:blank])
	if blank == len(text) || blank == last {
		return blank
	}
	return blank - last // the last one belongs to the word that follows
}

// digits is the length of up to three leading numeric characters.
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

// signLen is the length of the signs behind the first bytes, these and the line ends after them
// included.
func signLen(text string, first int) int {
	n := first + run(text[first:], signs)
	return n + len(text[n:]) - len(strings.TrimLeft(text[n:], "\r\n"))
}

// anyCaseContraction is [contraction] in letters of either case.
func anyCaseContraction(text string) int {
	const longest = len("'re")
	return contraction(strings.ToLower(text[:min(longest, len(text))]))
}
