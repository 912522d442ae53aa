package llama

import (
	"rdrec/internal/teacher"
	"rdrec/internal/token"
	"rdrec/internal/torch"
)

// Logits are the model's for the token that follows each of the last n ids.
func (e *Engine) Logits(ids []int32, n int) (out [][]float32, err error) {
	err = torch.Run(func(s *torch.Scope) error {
		torch.NoGrad(func() {
			p := &prefix{groups: int64(e.model.config.Groups)}
			defer p.free()
			all, positions := make([]int64, len(ids)), make([]int64, len(ids))
			for i, id := range ids {
				all[i], positions[i] = int64(id), int64(i)
			}
			w := &forwardPass{rows: 1, tokens: int64(len(ids)), rope: e.model.ropeAt(s, positions), cache: p}
			x := e.model.prefill(s, all, w)
			logits := e.model.logits(x.Narrow(0, int64(len(ids)-n), int64(n)))
			for i := range n {
				out = append(out, logits.Select(0, int64(i)).Float32s())
			}
		})
		return nil
	})
	return out, err
}

// Llama2Tokens are a chat's as Meta's code writes it for Llama 2.
func Llama2Tokens(tok *token.SentencePieceBPE, messages []teacher.Message) []int32 {
	v := &vocabulary{tokenizer: tok, ids: map[string]int32{"<s>": tok.Begin(), "</s>": tok.End()}, beginToken: tok.Begin()}
	return llama2(v, messages)
}

// Draws counts the tokens that n draws give.
func Draws(logits []float32, temperature, p float64, n int, prompt *teacher.Prompt) map[int32]int {
	r := newSequence(0, prompt, 0, nil, nil)
	out := map[int32]int{}
	for range n {
		out[sample(logits, temperature, p, r.random)]++
	}
	return out
}

// SharedPrefixLength is how many tokens of a prompt all prompts of its kind begin with.
func (e *Engine) SharedPrefixLength(p teacher.Prompt) int {
	return len(e.sharedPrefix(sharedPrefixes{}, &p, e.render(p.Messages)))
}

// pieces is a tokenizer that only knows what its tokens stand for.
type pieces []string

func (pieces) Encode(string) []int32   { return nil }
func (p pieces) Piece(id int32) string { return p[id] }
func (p pieces) Size() int             { return len(p) }

// GenerateTwoLines writes a reply of pieces, the last of which is the model's end; pick chooses
// among those allowed. It answers the text and whether it had to be cut.
func GenerateTwoLines(all []string, begin string, limit int, pick func(n int) int) (text string, cut bool) {
	v := &vocabulary{tokenizer: pieces(all), endTokens: map[int32]bool{int32(len(all) - 1): true}}
	prompt := &teacher.Prompt{ReplyPrefix: begin, MaxLines: 2, TwoLines: true, Sampling: teacher.Sampling{MaxTokens: limit}}
	for r := newSequence(0, prompt, 0, nil, nil); ; {
		var allowed []int32
		for id := range all {
			if r.state.withDeadline(r.generated, r.maxNewTokens).allowsToken(v, int32(id)) {
				allowed = append(allowed, int32(id))
			}
		}
		if r.append(v, allowed[pick(len(allowed))]) {
			return r.reply().Text, r.truncated
		}
	}
}
