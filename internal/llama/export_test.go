package llama

import (
	"encoding/json"
	"math"
	"slices"

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
			all, length := make([]int64, len(ids)), int64(len(ids))
			for i, id := range ids {
				all[i] = int64(id)
			}
			w := &forwardPass{
				rows: 1, tokens: length, rope: s.Use(e.model.ropeTable).Narrow(0, 0, length).Unsqueeze(1), cache: p,
			}
			x := e.model.prefill(s, e.model.int64s(s, all), w)
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

// Nucleus returns the distribution of top-p sampling.
func Nucleus(probabilities []float32, p float64) []float32 {
	s := torch.NewScope()
	defer s.Close()
	rows := s.FromFloat32(probabilities, 1, int64(len(probabilities)))
	kept, _ := nucleus(rows, s.Full(float64(float32(p)), torch.Float64, torch.CPU, 1, 1))
	return kept.Div(kept.SumAlong(1).Unsqueeze(1)).Float32s()
}

// SampleInput is how a token is sampled: the settings and a random number in [0, 1).
type SampleInput struct {
	Sampling teacher.Sampling
	Random   float64
}

// Sample returns a token of each row, as in one step of generation. candidates is the number of the
// most likely tokens that the step considers first.
func Sample(logits [][]float32, inputs []SampleInput, candidates int) []int64 {
	s := torch.NewScope()
	defer s.Close()
	rows := len(logits)
	in := &stepInput{rows: int64(rows), whole: true, sampled: make([]bool, rows)}
	data := make([]int64, rows*int(inputFields))
	for row, input := range inputs {
		r := &sequence{prompt: &teacher.Prompt{Sampling: input.Sampling}}
		in.include(r)
		in.sampled[row] = input.Sampling.Temperature > 0
		for field, value := range map[inputField]float64{
			inputTemperature: input.Sampling.Temperature, inputTopP: float64(float32(input.Sampling.TopP)),
			inputRandom: input.Random,
		} {
			data[int(field)*rows+row] = int64(math.Float64bits(value))
		}
	}
	in.data = s.FromInt64(data, int64(len(data)))
	p := sampler{candidates: int64(candidates)}
	_, ids := p.choose(s.FromFloat32(slices.Concat(logits...), int64(rows), int64(len(logits[0]))), in)
	return ids
}

// RandomNumbers returns the first n random numbers of a prompt.
func RandomNumbers(prompt *teacher.Prompt, n int) []float64 {
	r, out := newSequence(0, prompt, 0, nil), make([]float64, n)
	for i := range out {
		out[i] = r.random.Float64()
	}
	return out
}

// SharedPrefixLength returns the length of the shared prefix of a prompt in tokens.
func (e *Engine) SharedPrefixLength(p teacher.Prompt) int {
	return len(e.sharedPrefix(sharedPrefixes{}, &p, e.ChatTokens(p.Messages)))
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
	for r := newSequence(0, prompt, 0, nil); ; {
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

// ParseConfig returns the configuration in a Hugging Face config.json.
func ParseConfig(data []byte) (Config, error) {
	read := hfConfig{Epsilon: 1e-6, RopeBase: 10_000, Context: 2048, Activation: "silu"}
	if err := json.Unmarshal(data, &read); err != nil {
		return Config{}, err
	}
	return read.shape()
}

// CheckSize reports whether a configuration's weights fit into files of so many bytes.
func (c *Config) CheckSize(bytes int64) error { return c.checkSize(bytes) }
