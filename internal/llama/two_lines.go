package llama

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"rdrec/internal/torch"
)

// lineState is how far a reply that is held to two numbered lines has come: "1. ", words, a new
// line, "2. ", words, the end. Its values are the rows of a table of masks: what may come next.
type lineState int

// The forms. Of those whose time is up only the way on is left.
const (
	stateFree       lineState = iota // a reply that is held to nothing
	stateWantOne                     // the 1
	stateWantDotOne                  // the dot behind it
	stateEmptyOne                    // the first line, no word yet
	stateWordDueOne                  // the same, and its time is up: a word must come
	stateInOne                       // the first line, with words
	stateEndDueOne                   // the same, and its time is up: the line must end
	stateWantTwo                     // the 2
	stateWantDotTwo                  // the dot behind it
	stateEmptyTwo                    // the second line, no word yet
	stateWordDueTwo                  // the same, and its time is up
	stateInTwo                       // the second line, with words: the model may end here
	stateStopDueTwo                  // the same, and there is room for a full stop only
	stateEndDueTwo                   // the same, and there is room for nothing
	stateComplete                    // the second line has ended
	stateInvalid                     // what no reply may come to
)

// next is where a byte leads.
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
		return f // what comes behind the second line is cut off
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

// nextInLine is where a byte leads within a line. What strict parsing takes for the template's
// placeholders leads nowhere.
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

// advance is where a text leads.
func (f lineState) advance(text string) lineState {
	for i := range len(text) {
		f = f.next(text[i])
	}
	return f
}

// withDeadline is the form of a reply of which so many tokens of its limit are written: line 1 ends
// at the latest by half of them, so that line 2 has room, and line 2 has room for a word, a full
// stop and the model's end.
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

// withoutDeadline is the form without its hurry.
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

// allows says whether a piece may come next.
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
		return false // only the model's end
	default:
		return to != stateInvalid
	}
}

// partOfPlaceholder says whether a piece could be part of the template's xxx: without these no
// pieces make it together.
func partOfPlaceholder(low string) bool { return low == "x" || strings.Contains(low, "xx") }

// allowsToken says whether a token may come next: a piece, or the model's end behind the second
// line's words.
func (f lineState) allowsToken(v *vocabulary, id int32) bool {
	if v.endTokens[id] {
		return f.withoutDeadline() == stateInTwo
	}
	return f.allows(v.Piece(id))
}

// twoLineMasks holds replies to two numbered lines.
type twoLineMasks struct {
	vocab *vocabulary
	masks *torch.Tensor // [formats, vocabulary]: 0 or -inf
}

// errNoTwoLines marks a vocabulary that can't write two lines.
var errNoTwoLines = errors.New("the tokenizer has no piece")

// newTwoLineMasks makes the table of masks for a vocabulary of which the model knows size pieces.
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

// stateFree frees the table.
func (l *twoLineMasks) free() {
	if l != nil {
		l.masks.Free()
	}
}

// initialState is the form of a reply that begins with a given text: a word must still come behind
// it.
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

// apply adds the rows' masks to their logits [sequences, vocabulary].
func (l *twoLineMasks) apply(logits *torch.Tensor, rows []*sequence) {
	if l == nil {
		return
	}
	states := make([]int64, len(rows))
	for i, r := range rows {
		if r != nil {
			states[i] = int64(r.state.withDeadline(r.generated, r.maxNewTokens))
		}
	}
	s := logits.Scope()
	logits.AddTo(s.Use(l.masks).IndexSelect(0, s.FromInt64(states, int64(len(states))).ToDevice(logits.Device())))
}
