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
	maxTargetTokens int
	keepEnd         bool
}

// NewEncoder returns the encoder of a method's examples; targets are truncated to maxTargetTokens
// tokens. The reference loses the end token of a truncated target; a protocol that skips pads keeps
// it.
func NewEncoder(tokenizer *token.T5, settings Settings, maxTargetTokens int) (*Encoder, error) {
	set, err := TemplateSetNamed(settings.Method.TemplateSet)
	if err != nil {
		return nil, fmt.Errorf("method %q: %w", settings.Method.Name, err)
	}
	if maxTargetTokens < 1 {
		return nil, fmt.Errorf("truncate targets to %d tokens: at least 1 is needed", maxTargetTokens)
	}
	return &Encoder{
		tokenizer: tokenizer, words: set.Words, maxTargetTokens: maxTargetTokens, keepEnd: settings.Protocol.SkipPads,
	}, nil
}

// Encode pads sources and targets to the longest of the examples.
func (e *Encoder) Encode(examples []Example) Batch {
	n := len(examples)
	sources, words, targets := make([][]int32, n), make([][]int32, n), make([][]int32, n)
	b := Batch{Size: n, Prompts: make([]int64, n)}
	for i, example := range examples {
		b.Prompts[i] = int64(example.Prompt)
		sources[i], words[i] = e.tokenizer.EncodeWords(example.Source, e.words)
		targets[i] = e.truncate(e.tokenizer.Encode(example.Target))
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
	return b
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
