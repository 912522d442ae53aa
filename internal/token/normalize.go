package token

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf8"
)

// spaceSymbol is SentencePiece's space inside a piece: U+2581.
const spaceSymbol = "\u2581"

// normalizer rewrites text as SentencePiece does before the search: the longest match in the
// compiled map is replaced, blanks are merged and written as U+2581, and invalid UTF-8 becomes
// U+FFFD.
type normalizer struct {
	units                     []uint32 // double-array trie of the texts to replace
	texts                     []byte   // their replacements, each ending in a zero byte
	dummyPrefix, removeBlanks bool
}

func newNormalizer(model sentencePiece) (normalizer, error) {
	n := normalizer{dummyPrefix: model.dummyPrefix, removeBlanks: model.removeBlanks}
	if len(model.charsmap) == 0 {
		return n, nil
	}
	if len(model.charsmap) < 4 {
		return n, fmt.Errorf("character map: %d bytes, want at least 4", len(model.charsmap))
	}
	size := uint64(binary.LittleEndian.Uint32(model.charsmap))
	rest := model.charsmap[4:]
	if size > uint64(len(rest)) || size%4 != 0 || size == 0 {
		return n, fmt.Errorf("character map: trie of %d bytes in %d", size, len(rest))
	}
	n.units = make([]uint32, size/4)
	for i := range n.units {
		n.units[i] = binary.LittleEndian.Uint32(rest[4*i:])
	}
	n.texts = rest[size:]
	return n, nil
}

// normalize returns the normalized text.
func (n *normalizer) normalize(text string) string {
	return string(n.appendTo(make([]byte, 0, len(text)+len(spaceSymbol)), text))
}

// appendTo appends the normalized text to out.
func (n *normalizer) appendTo(out []byte, text string) []byte {
	from := len(out)
	afterBlank := n.removeBlanks // blanks at the start are dropped
	for len(text) > 0 {
		size, chunk, plain := n.prefix(text)
		if plain {
			chunk = text[:size]
		}
		text = text[size:]
		if afterBlank {
			chunk = strings.TrimLeft(chunk, " ")
		}
		if chunk == "" {
			continue
		}
		if len(out) == from && n.dummyPrefix { // no prefix without text
			out = append(out, spaceSymbol...)
		}
		out = appendBlanks(out, chunk)
		afterBlank = n.removeBlanks && chunk[len(chunk)-1] == ' '
	}
	if n.removeBlanks {
		for bytes.HasSuffix(out[from:], []byte(spaceSymbol)) {
			out = out[:len(out)-len(spaceSymbol)]
		}
	}
	return out
}

// appendBlanks appends text with its blanks as U+2581.
func appendBlanks(out []byte, text string) []byte {
	for i := range len(text) {
		if text[i] == ' ' {
			out = append(out, spaceSymbol...)
		} else {
			out = append(out, text[i])
		}
	}
	return out
}

// prefix returns the number of bytes to take from the start of text and their replacement; plain
// means that they stay unchanged.
func (n *normalizer) prefix(text string) (size int, replaced string, plain bool) {
	if value, length := n.longest(text); length > 0 {
		if value < len(n.texts) {
			tail := n.texts[value:]
			if end := bytes.IndexByte(tail, 0); end >= 0 {
				tail = tail[:end]
			}
			return length, string(tail), false
		}
	}
	if text[0] < utf8.RuneSelf {
		return 1, "", true
	}
	r, size := utf8.DecodeRuneInString(text)
	if r == utf8.RuneError && size == 1 {
		return 1, "\uFFFD", false
	}
	return size, "", true
}

// longest returns the longest key of the trie at the start of text. The layout is darts-clone's: a
// unit contains a label, an offset to its children, and whether child 0 is a value.
func (n *normalizer) longest(text string) (value, length int) {
	if len(n.units) == 0 {
		return 0, 0
	}
	at := offset(n.units[0])
	for i := range len(text) {
		at ^= uint32(text[i])
		if at >= uint32(len(n.units)) {
			break
		}
		unit := n.units[at]
		if unit&(1<<31|0xFF) != uint32(text[i]) {
			break
		}
		at ^= offset(unit)
		if unit>>8&1 == 1 && at < uint32(len(n.units)) {
			value, length = int(n.units[at]&(1<<31-1)), i+1
		}
	}
	return value, length
}

func offset(unit uint32) uint32 { return (unit >> 10) << ((unit & (1 << 9)) >> 6) }
