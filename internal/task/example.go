// Package task turns a dataset into what the student reads. In: users' histories, explanations,
// rationales and a method's family of templates; out: mixed training batches, and the validation
// and test lists, as texts and as padded arrays of token ids. The steps: [New] decides which kinds
// of examples the data allows, [Corpus.Mixer] samples training batches exactly as the reference
// does, [Corpus.Validation] and [Corpus.Test] list the examples to be judged, and [Encoder] makes
// ids of texts.
package task

// Prompt is what the student is asked for; it picks the prompt vectors that stand before the
// tokens.
type Prompt int

// The five tasks, in the order of the model's prompt vectors.
const (
	PromptExplanation Prompt = iota
	PromptSequential
	PromptTopN
	PromptPreference
	PromptAttribute
)

// Prompts is how many tasks there are.
const NumPrompts = 5

// String names the task.
func (t Prompt) String() string {
	return [NumPrompts]string{"explanation", "sequential", "topn", "preference", "attribute"}[t]
}

// Task is a source of examples with a sampler of its own. It differs from [Prompt] because a
// rationale is two examples.
type Task int

// The four kinds, in the order in which a mixed batch draws them.
const (
	Explanation Task = iota
	Sequential
	TopN
	Rationale
)

// Tasks lists all kinds in the order in which a mixed batch draws them.
func Tasks() []Task { return []Task{Explanation, Sequential, TopN, Rationale} }

// String names the kind.
func (k Task) String() string {
	return [...]string{"explanation", "sequential", "topn", "rationale"}[k]
}

// Example is a text to read and the text to answer.
type Example struct {
	Prompt Prompt `json:"prompt"`
	Source string `json:"source"`
	Target string `json:"target"`
	// User is whom it is about; Item is the item that is explained, described or to be found. 0
	// means none.
	User int `json:"user,omitempty"`
	Item int `json:"item,omitempty"`
	// Items are the history (sequential) or the candidates (top-N) that the source names, in its
	// order; nil for other tasks.
	Items []int `json:"items,omitempty"`
}

// Batch is examples as token ids, row-major and padded to the longest row with 0. Rows share
// nothing, so a batch may be cut by rows.
type Batch struct {
	Size, SourceLen, TargetLen int
	// Prompts picks the prompt vectors. [Size]
	Prompts []int64
	// SourceText is the token ids, Mask is 1 where a token stands, Whole is the number of the whole
	// word it belongs to (0 none).
	Source, Mask, Whole []int64 // [Size, SourceLen]
	// TargetText is the answer's token ids; padding is part of the loss in protocol paper.
	Target []int64 // [Size, TargetLen]
}

// Rows returns the rows from up to, but not including, to; it shares the batch's memory.
func (b Batch) Rows(from, to int) Batch {
	source, target := b.SourceLen, b.TargetLen
	return Batch{
		Size: to - from, SourceLen: source, TargetLen: target,
		Prompts: b.Prompts[from:to],
		Source:  b.Source[from*source : to*source],
		Mask:    b.Mask[from*source : to*source],
		Whole:   b.Whole[from*source : to*source],
		Target:  b.Target[from*target : to*target],
	}
}
