package llama

import (
	"bytes"
	"math/rand/v2"
	"strings"

	"rdrec/internal/teacher"
)

// row is one prompt on its way to a reply.
type row struct {
	index   int // of the prompt
	prompt  *teacher.Prompt
	length  int     // tokens of the whole prompt
	limit   int     // how many tokens the reply may have
	own     []int32 // tokens after the prefix, then those written
	read    int     // how many of own the memory holds
	written int     // how many of own are the reply's
	text    []byte  // the reply so far
	lines   int
	form    form           // how far the reply has come, where it is held to two lines
	cut     bool           // the reply has no more room
	before  []int32        // tokens of the prefix
	used    map[int32]bool // tokens that the repetition penalty weakens
	random  *rand.Rand
}

// newRow prepares a prompt whose tokens after the prefix are own.
func newRow(index int, prompt *teacher.Prompt, length int, own []int32, used []int32) *row {
	r := &row{
		index: index, prompt: prompt, length: length, own: own, before: used, text: []byte(prompt.Begin), used: map[int32]bool{},
		random: rand.New(rand.NewPCG(prompt.Sampling.Seed, 0)), limit: prompt.Sampling.MaxTokens,
	}
	if prompt.TwoLines {
		r.form = beginForm(prompt.Begin)
	}
	for _, id := range used {
		r.used[id] = true
	}
	return r
}

// afresh is the row as it was before anything was written.
func (r *row) afresh() *row {
	again := newRow(r.index, r.prompt, r.length, r.own[:len(r.own)-r.written], r.before)
	again.limit = r.limit
	return again
}

// need is how many tokens of its own the row may come to have.
func (r *row) need() int { return len(r.own) - r.written + r.limit }

// next is the token that the model reads now; it stands at position read.
func (r *row) next() int64 { return int64(r.own[r.read]) }

// take adds a token to the reply and says whether the reply is complete.
func (r *row) take(v *vocabulary, id int32) bool {
	r.read++
	if v.ends[id] {
		return true
	}
	r.own = append(r.own, id)
	r.written++
	r.used[id] = true
	piece := v.Piece(id)
	r.text = append(r.text, piece...)
	r.form = r.form.after(piece)
	r.lines += strings.Count(piece, "\n")
	r.cut = r.written == r.limit
	return r.cut || r.prompt.Lines > 0 && r.lines >= r.prompt.Lines
}

// reply is the row's answer, cut behind its last line.
func (r *row) reply() teacher.Reply {
	text := r.text
	if n := r.prompt.Lines; n > 0 && r.lines >= n {
		at := 0
		for range n {
			at += bytes.IndexByte(text[at:], '\n') + 1
		}
		text = text[:at]
	}
	return teacher.Reply{Text: strings.ToValidUTF8(string(text), "\uFFFD"), PromptTokens: r.length, Tokens: r.written, Cut: r.cut}
}
