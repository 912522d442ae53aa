package token

import (
	"bytes"
	"unicode"
	"unicode/utf8"
)

// WordRule decides which tokens form one whole word.
type WordRule int

// The rules.
const (
	// IDWords counts users and items only, `user_12` or `item_7`: a piece `_`, the piece before it,
	// and the digit pieces that follow.
	IDWords WordRule = iota
	// BlankWords counts every word that follows a blank, as P5 does.
	BlankWords
)

// number writes each piece's word number to whole, which must be zero.
func (w WordRule) number(whole []int32, s *scratch) {
	count := int32(0)
	for i := range whole {
		if w == BlankWords {
			if bytes.HasPrefix(s.piece(i), []byte(spaceSymbol)) {
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

// isDigits is Python's str.isdigit: decimal digits of any script, and other digits such as circled
// ones, which are not numbers.
func isDigits(piece []byte) bool {
	for rest := piece; len(rest) > 0; {
		r, size := utf8.DecodeRune(rest)
		if !unicode.Is(unicode.Nd, r) && !isDigitSign(r) {
			return false
		}
		rest = rest[size:]
	}
	return len(piece) > 0
}

// digitSigns are Unicode's characters of numeric type Digit that are not decimal digits: the first
// and last of each range.
const digitSigns = "" +
	"\u00b2\u00b3\u00b9\u00b9\u1369\u1371\u19da\u19da\u2070\u2070" +
	"\u2074\u2079\u2080\u2089\u2460\u2468\u2474\u247c\u2488\u2490" +
	"\u24ea\u24ea\u24f5\u24fd\u24ff\u24ff\u2776\u277e\u2780\u2788" +
	"\u278a\u2792\U00010a40\U00010a43\U00010e60\U00010e68\U00011052\U0001105a\U0001f100\U0001f10a"

func isDigitSign(r rune) bool {
	if r < 0x80 {
		return false
	}
	first, low := true, rune(0)
	for _, bound := range digitSigns {
		if first {
			low = bound
		} else if r >= low && r <= bound {
			return true
		}
		first = !first
	}
	return false
}
