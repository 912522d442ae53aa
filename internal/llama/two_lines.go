package llama

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"rdrec/internal/torch"
)

// lineState is the state of a reply that is constrained to two numbered lines: "1. ", words, a new
// line, "2. ", words, the end. Its values are the rows of a table of masks of the allowed tokens.
type lineState int

// The states. In a "due" state, the token budget allows only the next transition.
const (
	stateFree       lineState = iota // a reply without constraints
	stateWantOne                     // the 1
	stateWantDotOne                  // the dot after it
	stateEmptyOne                    // the first line, without a word
	stateWordDueOne                  // the same, and a word must follow
	stateInOne                       // the first line, with words
	stateEndDueOne                   // the same, and the line must end
	stateWantTwo                     // the 2
	stateWantDotTwo                  // the dot after it
	stateEmptyTwo                    // the second line, without a word
	stateWordDueTwo                  // the same, and a word must follow
	stateInTwo                       // the second line, with words: the model may end here
	stateStopDueTwo                  // the same, and only a period fits
	stateEndDueTwo                   // the same, and only the end token fits
	stateComplete                    // the second line has ended
	stateInvalid                     // not allowed
)

// next returns the state after a byte.
func (f lineState) next(b byte) lineState {
	switch f {
	case stateWantOne:
		return expect(b, '1', stateWantDotOne)
	case stateWantDotOne:
		return expect(b, '.', stateEmptyOne)
	case stateWantTwo:
		return expect(b, '2', stateWantDotTwo)
	case stateWantDotTwo:
		return expect(b, '.', stateEmptyTwo)
	case stateEmptyOne, stateInOne, stateEmptyTwo, stateInTwo:
		return f.nextInLine(b)
	case stateFree, stateComplete:
		return f // text after the second line is truncated
	default:
		return stateInvalid
	}
}

func expect(b, want byte, to lineState) lineState {
	if b != want {
		return stateInvalid
	}
	return to
}

// nextInLine returns the state after a byte within a line. Bytes that strict parsing takes for the
// template's placeholders are invalid.
func (f lineState) nextInLine(b byte) lineState {
	switch {
	case b == '\n' && f == stateInOne:
		return stateWantTwo
	case b == '\n' && f == stateInTwo:
		return stateComplete
	case strings.IndexByte("\n\r[]<>{}", b) >= 0:
		return stateInvalid
	case f == stateEmptyOne && isWord(b):
		return stateInOne
	case f == stateEmptyTwo && isWord(b):
		return stateInTwo
	default:
		return f
	}
}

func isWord(b byte) bool {
	return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' || b >= 0x80
}

// advance returns the state after a text.
func (f lineState) advance(text string) lineState {
	for i := range len(text) {
		f = f.next(text[i])
	}
	return f
}

// withDeadline returns the state, or its due state, of a reply with written tokens of a limit. Line
// 1 ends by half of the limit, so that line 2 fits, and line 2 reserves tokens for a word, a period
// and the end token.
func (f lineState) withDeadline(written, limit int) lineState {
	late := written >= limit/2
	switch {
	case f == stateEmptyOne && late:
		return stateWordDueOne
	case f == stateInOne && late:
		return stateEndDueOne
	case f == stateEmptyTwo && written >= limit-3:
		return stateWordDueTwo
	case f == stateInTwo && written >= limit-1:
		return stateEndDueTwo
	case f == stateInTwo && written >= limit-2:
		return stateStopDueTwo
	default:
		return f
	}
}

// withoutDeadline returns the state without its deadline.
func (f lineState) withoutDeadline() lineState {
	switch f {
	case stateWordDueOne:
		return stateEmptyOne
	case stateEndDueOne:
		return stateInOne
	case stateWordDueTwo:
		return stateEmptyTwo
	case stateStopDueTwo, stateEndDueTwo:
		return stateInTwo
	default:
		return f
	}
}

// allows reports whether a piece may follow.
func (f lineState) allows(piece string) bool {
	if piece == "" || partOfPlaceholder(strings.ToLower(piece)) {
		return false
	}
	to := f.withoutDeadline().advance(piece)
	switch f {
	case stateWordDueOne:
		return to == stateInOne
	case stateEndDueOne:
		return to >= stateWantTwo && to < stateInvalid
	case stateWordDueTwo:
		return to == stateInTwo
	case stateStopDueTwo:
		return to == stateComplete || piece == "." || piece == "!"
	case stateEndDueTwo, stateComplete:
		return false // only the end token
	default:
		return to != stateInvalid
	}
}

// partOfPlaceholder reports whether a piece could be part of the template's placeholder xxx, which
// no other pieces can form.
func partOfPlaceholder(low string) bool { return low == "x" || strings.Contains(low, "xx") }

// allowsToken reports whether a token may follow: a piece, or the end token after the second line's
// words.
func (f lineState) allowsToken(v *vocabulary, id int32) bool {
	if v.endTokens[id] {
		return f.withoutDeadline() == stateInTwo
	}
	return f.allows(v.Piece(id))
}

// twoLineMasks constrains replies to two numbered lines.
type twoLineMasks struct {
	vocab *vocabulary
	masks *torch.Tensor // [states, vocabulary]: 0 or -inf
}

// errNoTwoLines marks a vocabulary that cannot produce two lines.
var errNoTwoLines = errors.New("the tokenizer has no piece")

// newTwoLineMasks returns the masks for a vocabulary. size is the number of tokens in the model's
// embedding.
func newTwoLineMasks(s *torch.Scope, v *vocabulary, size int, device torch.Device) (*twoLineMasks, error) {
	table := make([]float32, int(stateComplete)*size)
	known := min(size, v.Size())
	for f := stateWantOne; f < stateComplete; f++ {
		allowed := 0
		for id := range size {
			if id < known && f.allowsToken(v, int32(id)) {
				allowed++
			} else {
				table[int(f)*size+id] = float32(math.Inf(-1))
			}
		}
		if allowed == 0 {
			return nil, fmt.Errorf("%w: for two numbered lines, at state %d of %d", errNoTwoLines, f, stateComplete-1)
		}
	}
	return &twoLineMasks{v, torch.Keep(s.FromFloat32(table, int64(stateComplete), int64(size)).ToDevice(device))}, nil
}

// free frees the masks.
func (l *twoLineMasks) free() {
	if l != nil {
		l.masks.Free()
	}
}

// initialState returns the state of a reply that begins with a text. A word must still follow it.
func initialState(text string) lineState {
	switch f := stateWantOne.advance(text); f {
	case stateInOne:
		return stateEmptyOne
	case stateInTwo:
		return stateEmptyTwo
	default:
		return f
	}
}

// apply adds the masks of the rows' states to their logits [sequences, vocabulary].
func (l *twoLineMasks) apply(logits, states *torch.Tensor) {
	logits.AddTo(logits.Scope().Use(l.masks).IndexSelect(0, states))
}
