package llama

import (
	"rdrec/internal/teacher"
	"rdrec/internal/token"
	"rdrec/internal/torch"
)

// Logits returns the model's logits after each of the last n ids.
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

// Llama2Tokens returns the tokens of messages with Llama 2's chat template.
func Llama2Tokens(tok *token.SentencePieceBPE, messages []teacher.Message) []int32 {
	ids := map[string]int32{"<s>": tok.Begin(), "</s>": tok.End()}
	v := &vocabulary{tokenizer: tok, ids: ids, beginToken: tok.Begin()}
	return llama2(v, messages)
}

// SampleCounts returns the number of times each token is sampled in n samples.
func SampleCounts(logits []float32, temperature, p float64, n int, prompt *teacher.Prompt) map[int32]int {
	r := newSequence(0, prompt, 0, nil, nil)
	out := map[int32]int{}
	for range n {
		out[sample(logits, temperature, p, r.random)]++
	}
	return out
}

// SharedPrefixLength returns the length of the shared prefix of a prompt in tokens.
func (e *Engine) SharedPrefixLength(p teacher.Prompt) int {
	return len(e.sharedPrefix(sharedPrefixes{}, &p, e.render(p.Messages)))
}

// pieces is a tokenizer that only decodes: token i is piece i.
type pieces []string

func (pieces) Encode(string) []int32   { return nil }
func (p pieces) Piece(id int32) string { return p[id] }
func (p pieces) Size() int             { return len(p) }

// GenerateTwoLines generates a reply of pieces, the last of which is the end token. pick chooses
// among the allowed ones. It returns the text and whether it was truncated.
func GenerateTwoLines(all []string, begin string, limit int, pick func(n int) int) (text string, cut bool) {
	v := &vocabulary{tokenizer: pieces(all), endTokens: map[int32]bool{int32(len(all) - 1): true}}
	sampling := teacher.Sampling{MaxTokens: limit}
	prompt := &teacher.Prompt{ReplyPrefix: begin, MaxLines: 2, TwoLines: true, Sampling: sampling}
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
