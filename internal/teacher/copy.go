package teacher

import "context"

// Copy is no teacher at all: both sentences of a rationale are the explanation itself, which is
// what the reference falls back to. It is the ablation that tells what a language model adds.
type Copy struct{}

// Rationale is the explanation, twice.
func (Copy) Rationale(explanation string) (preference, attribution string) {
	return explanation, explanation
}

// Complete answers each prompt with what its last message adds to the lead that all prompts share.
func (Copy) Complete(ctx context.Context, prompts []Prompt, emit func(int, Reply) error) error {
	for i, p := range prompts {
		if err := ctx.Err(); err != nil {
			return err
		}
		last := p.Messages[len(p.Messages)-1].Content
		if err := emit(i, Reply{Text: last[p.SharedPrefix:]}); err != nil {
			return err
		}
	}
	return nil
}
