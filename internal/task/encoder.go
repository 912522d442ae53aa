package task

import (
	"fmt"
	"strings"

	"rdrec/internal/token"
)

// Encoder converts examples to arrays of token ids. It is safe for concurrent use.
type Encoder struct {
	tokenizer       *token.T5
	words           token.WordRule
	items           ItemTokens
	maxTargetTokens int
	keepEnd         bool
}

// NewEncoder returns the encoder of a method's examples; targets are truncated to maxTargetTokens
// tokens. The reference loses the end token of a truncated target; a protocol that skips pads keeps
// it.
func NewEncoder(tokenizer *token.T5, settings Settings, maxTargetTokens int) (*Encoder, error) {
	set, err := settings.templateSet()
	if err != nil {
		return nil, err
	}
	if maxTargetTokens < 1 {
		return nil, fmt.Errorf("truncate targets to %d tokens: at least 1 is needed", maxTargetTokens)
	}
	return &Encoder{
		tokenizer: tokenizer, words: set.Words, items: settings.Items, maxTargetTokens: maxTargetTokens,
		keepEnd: settings.Protocol.SkipPads,
	}, nil
}

// Encode pads sources and targets to the longest of the examples.
func (e *Encoder) Encode(examples []Example) Batch {
	n := len(examples)
	sources, words, targets := make([][]int32, n), make([][]int32, n), make([][]int32, n)
	b := Batch{Size: n, Prompts: make([]int64, n)}
	for i, example := range examples {
		b.Prompts[i] = int64(example.Prompt)
		sources[i], words[i] = e.source(example)
		targets[i] = e.truncate(e.target(example))
		b.SourceLen, b.TargetLen = max(b.SourceLen, len(sources[i])), max(b.TargetLen, len(targets[i]))
	}
	b.Source, b.Whole = pad(sources, b.SourceLen), pad(words, b.SourceLen)
	b.Target = pad(targets, b.TargetLen)
	b.Mask = make([]int64, len(b.Source))
	for i, source := range sources {
		for j := range source {
			b.Mask[i*b.SourceLen+j] = 1
		}
	}
	if e.items.Codes != nil {
		b.addNextItems(examples, sources)
	}
	return b
}

// source returns the tokens of the source and the number of each token's whole word.
func (e *Encoder) source(x Example) (ids, whole []int32) {
	if e.items.Codes == nil {
		return e.tokenizer.EncodeWords(x.Source, e.words)
	}
	return e.items.source(e, x.Source)
}

// target returns the tokens of the target.
func (e *Encoder) target(x Example) []int32 {
	if e.items.Codes == nil || x.Prompt != PromptSequential && x.Prompt != PromptTopN {
		return e.tokenizer.Encode(x.Target)
	}
	if x.Item == 0 { // to predict
		return []int32{token.End}
	}
	return append(e.items.Target(x.Item), token.End)
}

func (e *Encoder) truncate(ids []int32) []int32 {
	if len(ids) <= e.maxTargetTokens {
		return ids
	}
	ids = ids[:e.maxTargetTokens]
	if e.keepEnd {
		ids[len(ids)-1] = token.End
	}
	return ids
}

// pad copies rows into one array of the given width.
func pad(rows [][]int32, width int) []int64 {
	out := make([]int64, len(rows)*width)
	for i, row := range rows {
		for j, id := range row {
			out[i*width+j] = int64(id)
		}
	}
	return out
}

// Reference returns a reference text as BLEU and ROUGE see it: its words after truncating it to so
// many tokens (the reference's exp_len) and decoding it again, which drops unknown characters.
func Reference(tokenizer *token.T5, text string, tokens int) (string, error) {
	ids := tokenizer.Encode(text)
	text, err := tokenizer.Decode(ids[:min(len(ids), tokens)])
	if err != nil {
		return "", err
	}
	return strings.Join(token.Fields(text), " "), nil
}
