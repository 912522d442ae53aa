package llama

import (
	"math/rand/v2"
	"strings"

	"rdrec/internal/teacher"
)

// sequence is a prompt and its reply so far.
type sequence struct {
	index        int // of the prompt
	prompt       *teacher.Prompt
	length       int       // tokens of the whole prompt
	maxNewTokens int       // maximum length of the reply
	tokens       []int32   // the prompt after the prefix, then the reply
	cached       int       // number of tokens in the KV cache
	generated    int       // number of tokens of the reply
	text         []byte    // the reply so far
	complete     bool      // the reply has its maximum number of lines
	state        lineState // state of the reply if it is constrained to two lines
	truncated    bool      // the reply has reached its maximum length
	random       *rand.Rand
}

// newSequence returns the sequence of a prompt whose tokens after the prefix are own.
func newSequence(index int, prompt *teacher.Prompt, length int, own []int32) *sequence {
	r := &sequence{
		index: index, prompt: prompt, length: length, tokens: own, text: []byte(prompt.ReplyPrefix),
		random: rand.New(rand.NewPCG(prompt.Sampling.Seed, 0)), maxNewTokens: prompt.Sampling.MaxTokens,
	}
	if prompt.TwoLines {
		r.state = initialState(prompt.ReplyPrefix)
	}
	return r
}

// restarted returns the sequence without its reply.
func (r *sequence) restarted() *sequence {
	restarted := newSequence(r.index, r.prompt, r.length, r.tokens[:len(r.tokens)-r.generated])
	restarted.maxNewTokens = r.maxNewTokens
	return restarted
}

// cacheLength returns the maximum number of tokens of the sequence, without the prefix.
func (r *sequence) cacheLength() int { return len(r.tokens) - r.generated + r.maxNewTokens }

// next returns the token that the model reads next, at position cached.
func (r *sequence) next() int64 { return int64(r.tokens[r.cached]) }

// append adds a token to the reply and reports whether the reply is complete.
func (r *sequence) append(v *vocabulary, id int32) bool {
	r.cached++
	if v.endTokens[id] {
		return true
	}
	r.tokens = append(r.tokens, id)
	r.generated++
	piece := v.Piece(id)
	r.text = append(r.text, piece...)
	r.state = r.state.advance(piece)
	if strings.Contains(piece, "\n") {
		_, r.complete = r.prompt.Limit(string(r.text))
	}
	r.truncated = r.generated == r.maxNewTokens
	return r.truncated || r.complete
}

// reply returns the reply, truncated after its last line.
func (r *sequence) reply() teacher.Reply {
	text, _ := r.prompt.Limit(string(r.text))
	return teacher.Reply{
		Text:         strings.ToValidUTF8(text, "\uFFFD"),
		PromptTokens: r.length, Tokens: r.generated, Truncated: r.truncated,
	}
}
