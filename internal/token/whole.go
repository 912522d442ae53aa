package token

import (
	"bytes"
	"unicode"
	"unicode/utf8"
)

// Words is a rule that says which tokens are one whole word.
type Words int

// The rules.
const (
	// IDWords counts users and items only, `user_12` or `item_7`: a piece `_`, the piece before it, and the digit pieces that follow.
	IDWords Words = iota
	// BlankWords counts every word that follows a blank, as P5 does.
	BlankWords
)

// number writes each piece's word number to whole, which is zero before.
func (w Words) number(whole []int32, s *scratch) {
	count := int32(0)
	for i := range whole {
		if w == BlankWords {
			if bytes.HasPrefix(s.piece(i), []byte(underline)) {
				count++
			}
			whole[i] = count
			continue
		}
		if piece := s.piece(i); len(piece) != 1 || piece[0] != '_' {
			continue
		}
		count++
		end := i + 1
		for end < len(whole) && isDigits(s.piece(end)) {
			end++
		}
		for at := max(i-1, 0); at < end; at++ {
			whole[at] = count
		}
	}
}

// isDigits is Python's str.isdigit: decimal digits of any script, and digits in circles and the like, which are not numbers.
func isDigits(piece []byte) bool {
	for rest := piece; len(rest) > 0; {
		r, size := utf8.DecodeRune(rest)
		if !unicode.Is(unicode.Nd, r) && !unicode.Is(digitSigns, r) {
			return false
		}
		rest = rest[size:]
	}
	return len(piece) > 0
}

// digitSigns are Unicode's characters of numeric type Digit that are not decimal digits.
var digitSigns = &unicode.RangeTable{
	R16: []unicode.Range16{
		{Lo: 0x00b2, Hi: 0x00b3, Stride: 1},
		{Lo: 0x00b9, Hi: 0x00b9, Stride: 1},
		{Lo: 0x1369, Hi: 0x1371, Stride: 1},
		{Lo: 0x19da, Hi: 0x19da, Stride: 1},
		{Lo: 0x2070, Hi: 0x2070, Stride: 1},
		{Lo: 0x2074, Hi: 0x2079, Stride: 1},
		{Lo: 0x2080, Hi: 0x2089, Stride: 1},
		{Lo: 0x2460, Hi: 0x2468, Stride: 1},
		{Lo: 0x2474, Hi: 0x247c, Stride: 1},
		{Lo: 0x2488, Hi: 0x2490, Stride: 1},
		{Lo: 0x24ea, Hi: 0x24ea, Stride: 1},
		{Lo: 0x24f5, Hi: 0x24fd, Stride: 1},
		{Lo: 0x24ff, Hi: 0x24ff, Stride: 1},
		{Lo: 0x2776, Hi: 0x277e, Stride: 1},
		{Lo: 0x2780, Hi: 0x2788, Stride: 1},
		{Lo: 0x278a, Hi: 0x2792, Stride: 1},
	},
	R32: []unicode.Range32{
		{Lo: 0x10a40, Hi: 0x10a43, Stride: 1},
		{Lo: 0x10e60, Hi: 0x10e68, Stride: 1},
		{Lo: 0x11052, Hi: 0x1105a, Stride: 1},
		{Lo: 0x1f100, Hi: 0x1f10a, Stride: 1},
	},
	LatinOffset: 2,
}
