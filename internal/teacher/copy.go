package teacher

import "context"

// Copy is a teacher without a model: both sentences of a rationale are the explanation itself, as
// in the reference's fallback. As an ablation it shows what a language model adds.
type Copy struct{}

// Rationale returns the explanation, twice.
func (Copy) Rationale(explanation string) (preference, attribution string) {
	return explanation, explanation
}

// Complete replies to each prompt with the part of its last message after the shared prefix.
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
