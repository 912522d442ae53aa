package llama

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"rdrec/internal/torch"
)

// form is how far a reply that is held to two numbered lines has come: "1. ", words, a new line, "2. ", words, the end. Its values are
// the rows of a table of masks: what may come next.
type form int

// The forms. Of those whose time is up only the way on is left.
const (
	free       form = iota // a reply that is held to nothing
	wantOne                // the 1
	wantDotOne             // the dot behind it
	emptyOne               // the first line, no word yet
	lateOne                // the same, and its time is up: a word must come
	inOne                  // the first line, with words
	fullOne                // the same, and its time is up: the line must end
	wantTwo                // the 2
	wantDotTwo             // the dot behind it
	emptyTwo               // the second line, no word yet
	lateTwo                // the same, and its time is up
	inTwo                  // the second line, with words: the model may end here
	closingTwo             // the same, and there is room for a full stop only
	fullTwo                // the same, and there is room for nothing
	complete               // the second line has ended
	nowhere                // what no reply may come to
)

// next is where a byte leads.
func (f form) next(b byte) form {
	switch f {
	case wantOne:
		return expect(b, '1', wantDotOne)
	case wantDotOne:
		return expect(b, '.', emptyOne)
	case wantTwo:
		return expect(b, '2', wantDotTwo)
	case wantDotTwo:
		return expect(b, '.', emptyTwo)
	case emptyOne, inOne, emptyTwo, inTwo:
		return f.nextInLine(b)
	case free, complete:
		return f // what comes behind the second line is cut off
	default:
		return nowhere
	}
}

func expect(b, want byte, to form) form {
	if b != want {
		return nowhere
	}
	return to
}

// nextInLine is where a byte leads within a line. What strict parsing takes for the template's placeholders leads nowhere.
func (f form) nextInLine(b byte) form {
	switch {
	case b == '\n' && f == inOne:
		return wantTwo
	case b == '\n' && f == inTwo:
		return complete
	case strings.IndexByte("\n\r[]<>{}", b) >= 0:
		return nowhere
	case f == emptyOne && isWord(b):
		return inOne
	case f == emptyTwo && isWord(b):
		return inTwo
	default:
		return f
	}
}

func isWord(b byte) bool {
	return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' || b >= 0x80
}

// after is where a text leads.
func (f form) after(text string) form {
	for i := range len(text) {
		f = f.next(text[i])
	}
	return f
}

// hurried is the form of a reply of which so many tokens of its limit are written: line 1 ends at the latest by half of them, so that
// line 2 has room, and line 2 has room for a word, a full stop and the model's end.
func (f form) hurried(written, limit int) form {
	late := written >= limit/2
	switch {
	case f == emptyOne && late:
		return lateOne
	case f == inOne && late:
		return fullOne
	case f == emptyTwo && written >= limit-3:
		return lateTwo
	case f == inTwo && written >= limit-1:
		return fullTwo
	case f == inTwo && written >= limit-2:
		return closingTwo
	default:
		return f
	}
}

// calm is the form without its hurry.
func (f form) calm() form {
	switch f {
	case lateOne:
		return emptyOne
	case fullOne:
		return inOne
	case lateTwo:
		return emptyTwo
	case closingTwo, fullTwo:
		return inTwo
	default:
		return f
	}
}

// allows says whether a piece may come next.
func (f form) allows(piece string) bool {
	if piece == "" || makesTemplate(strings.ToLower(piece)) {
		return false
	}
	to := f.calm().after(piece)
	switch f {
	case lateOne:
		return to == inOne
	case fullOne:
		return to >= wantTwo && to < nowhere
	case lateTwo:
		return to == inTwo
	case closingTwo:
		return to == complete || piece == "." || piece == "!"
	case fullTwo, complete:
		return false // only the model's end
	default:
		return to != nowhere
	}
}

// makesTemplate says whether a piece could be part of the template's xxx: without these no pieces make it together.
func makesTemplate(low string) bool { return low == "x" || strings.Contains(low, "xx") }

// allowsToken says whether a token may come next: a piece, or the model's end behind the second line's words.
func (f form) allowsToken(v *vocabulary, id int32) bool {
	if v.ends[id] {
		return f.calm() == inTwo
	}
	return f.allows(v.Piece(id))
}

// lines holds replies to two numbered lines.
type lines struct {
	vocab *vocabulary
	masks *torch.Tensor // [forms, vocabulary]: 0 or -inf
}

// errForm marks a vocabulary that can't write two lines.
var errForm = errors.New("the tokenizer has no piece")

// newLines makes the table of masks for a vocabulary of which the model knows size pieces.
func newLines(s *torch.Scope, v *vocabulary, size int, device torch.Device) (*lines, error) {
	table := make([]float32, int(complete)*size)
	known := min(size, v.Size())
	for f := wantOne; f < complete; f++ {
		allowed := 0
		for id := range size {
			if id < known && f.allowsToken(v, int32(id)) {
				allowed++
			} else {
				table[int(f)*size+id] = float32(math.Inf(-1))
			}
		}
		if allowed == 0 {
			return nil, fmt.Errorf("%w: for two numbered lines, at state %d of %d", errForm, f, complete-1)
		}
	}
	return &lines{v, torch.Keep(s.FromFloat32(table, int64(complete), int64(size)).On(device))}, nil
}

// free frees the table.
func (l *lines) free() {
	if l != nil {
		l.masks.Free()
	}
}

// beginForm is the form of a reply that begins with a given text: a word must still come behind it.
func beginForm(text string) form {
	switch f := wantOne.after(text); f {
	case inOne:
		return emptyOne
	case inTwo:
		return emptyTwo
	default:
		return f
	}
}

// hold adds the rows' masks to their logits [rows, vocabulary].
func (l *lines) hold(logits *torch.Tensor, rows []*row) {
	if l == nil {
		return
	}
	forms := make([]int64, len(rows))
	for i, r := range rows {
		if r != nil {
			forms[i] = int64(r.form.hurried(r.written, r.limit))
		}
	}
	s := logits.Scope()
	logits.AddTo(s.Use(l.masks).IndexSelect(0, s.FromInt64(forms, int64(len(forms))).On(logits.Device())))
}
