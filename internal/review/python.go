package review

import (
	"bytes"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// fromPython converts a printed Python dict of strings, numbers, lists and dicts into JSON (the
// dumps of 2014 have such lines), and JSON with Python's NaN and Infinity, which become null. It
// changes the quotes and the constants; the JSON parser checks the rest.
func fromPython(text []byte) ([]byte, bool) {
	out := make([]byte, 0, len(text)+len(text)/8)
	for i := 0; i < len(text); {
		c := text[i]
		switch {
		case c == '\'' || c == '"':
			var end int
			var ok bool
			out, end, ok = pythonString(out, text, i)
			if !ok {
				return nil, false
			}
			i = end
		case isWord(c):
			end := i
			for end < len(text) && isWord(text[end]) {
				end++
			}
			word, ok := pythonWord(text[i:end], end < len(text) && (text[end] == '\'' || text[end] == '"'))
			if !ok {
				return nil, false
			}
			out = append(out, word...)
			i = end
		default:
			out = append(out, c)
			i++
		}
	}
	return out, true
}

func isWord(c byte) bool {
	return isLetter(c) || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '+' || c == '-'
}

// constants has JSON's word for each constant of Python and of JSON. Numbers that are not finite
// are absent.
var constants = map[string]string{
	"None": "null", "True": "true", "False": "false", "null": "null", "true": "true", "false": "false",
	"NaN": "null", "Infinity": "null", "-Infinity": "null", "nan": "null", "inf": "null", "-inf": "null",
}

// pythonWord converts a bare word: the constants, a number to itself, the u of u'...' to nothing.
func pythonWord(word []byte, quoteFollows bool) ([]byte, bool) {
	if constant, ok := constants[string(word)]; ok {
		return []byte(constant), true
	}
	switch {
	case quoteFollows && bytes.Equal(word, []byte("u")):
		return nil, true
	case word[0] >= '0' && word[0] <= '9' || word[0] == '-' || word[0] == '.':
		return word, true
	default:
		return nil, false
	}
}

// pythonString appends the string at text[at] as JSON and returns the index after its end.
func pythonString(out, text []byte, at int) ([]byte, int, bool) {
	quote := text[at]
	out = append(out, '"')
	for i := at + 1; i < len(text); {
		c := text[i]
		switch {
		case c == quote:
			return append(out, '"'), i + 1, true
		case c == '\\':
			var width int
			out, width = pythonEscape(out, text[i:])
			if width == 0 {
				return nil, 0, false
			}
			i += width
		case c == '"':
			out = append(out, '\\', '"')
			i++
		case c < ' ':
			out = fmt.Appendf(out, `\u%04x`, c)
			i++
		default:
			out = append(out, c)
			i++
		}
	}
	return nil, 0, false
}

// pythonEscape appends one escape as JSON and returns its length; 0 if it is incomplete.
func pythonEscape(out, text []byte) ([]byte, int) {
	if len(text) < 2 {
		return out, 0
	}
	switch c := text[1]; c {
	case 'n', 'r', 't', 'b', 'f', '\\', '"':
		return append(out, '\\', c), 2
	case '\'', '/': // JSON may escape the slash
		return append(out, c), 2
	case 'x':
		return pythonHex(out, text, 2)
	case 'u':
		return pythonHex(out, text, 4)
	case 'U':
		return pythonHex(out, text, 8)
	default: // Python keeps the backslash of an unknown escape
		return append(out, '\\', '\\'), 1
	}
}

func pythonHex(out, text []byte, digits int) ([]byte, int) {
	if len(text) < 2+digits {
		return out, 0
	}
	code, err := strconv.ParseUint(string(text[2:2+digits]), 16, 32)
	if err != nil {
		return out, 0
	}
	switch {
	case code < 0x10000: // JSON combines surrogate pairs itself
		return fmt.Appendf(out, `\u%04x`, code), 2 + digits
	case code > utf8.MaxRune:
		return out, 0
	default:
		return utf8.AppendRune(out, rune(code)), 2 + digits
	}
}
