// Package task turns a dataset into what the student reads. In: users' histories, explanations,
// rationales and a method's template set; out: mixed training batches, and the validation and test
// lists, as texts and as padded arrays of token ids. The steps: [New] decides which tasks the data
// allows, [Corpus.Mixer] samples training batches exactly as the reference does,
// [Corpus.Validation] and [Corpus.Test] list the examples to evaluate, and [Encoder] converts texts
// to ids.
package task

// Prompt is what an example asks the student for; it selects the prompt vectors before the tokens.
type Prompt int

// The five prompts, in the order of the model's prompt vectors.
const (
	PromptExplanation Prompt = iota
	PromptSequential
	PromptTopN
	PromptPreference
	PromptAttribute
)

// NumPrompts is the number of prompts.
const NumPrompts = 5

// String returns the prompt's name.
func (t Prompt) String() string {
	return [NumPrompts]string{"explanation", "sequential", "topn", "preference", "attribute"}[t]
}

// Task is a source of examples with its own sampler. It differs from [Prompt] because a rationale
// is two examples.
type Task int

// The four tasks, in the order in which a mixed batch samples them.
const (
	Explanation Task = iota
	Sequential
	TopN
	Rationale
)

// Tasks returns all tasks in the order in which a mixed batch samples them.
func Tasks() []Task { return []Task{Explanation, Sequential, TopN, Rationale} }

// String returns the task's name.
func (k Task) String() string {
	return [...]string{"explanation", "sequential", "topn", "rationale"}[k]
}

// Example is an input text and a target text.
type Example struct {
	Prompt Prompt `json:"prompt"`
	Source string `json:"source"`
	Target string `json:"target"`
	// User is the user of the example; Item is the item to explain, describe or find. 0 means none.
	User int `json:"user,omitempty"`
	Item int `json:"item,omitempty"`
	// Items are the history (sequential) or the candidates (top-N) in the order of the source; nil
	// for other tasks.
	Items []int `json:"items,omitempty"`
}

// Batch is a batch of examples as token ids, row-major and padded to the longest row with 0. Rows
// are independent, so a batch may be split by rows.
type Batch struct {
	Size      int `json:"size"`
	SourceLen int `json:"source_len"`
	TargetLen int `json:"target_len"`
	// Prompts are the prompt ids. [Size]
	Prompts []int64 `json:"prompts"`
	// Source is the token ids, Mask is 1 at tokens and 0 at padding, Whole is the number of each
	// token's whole word (0 means none).
	Source []int64 `json:"source"`      // [Size, SourceLen]
	Mask   []int64 `json:"mask"`        // [Size, SourceLen]
	Whole  []int64 `json:"whole_words"` // [Size, SourceLen]
	// Target is the token ids of the target; padding is part of the loss in protocol paper.
	Target []int64 `json:"target"` // [Size, TargetLen]
	// Last is the source position of the last token of each row's history, and Next the item that
	// follows the history, if a student with item tokens is trained on the sequential task; -1 and
	// 0 in other rows. Both are nil without item tokens.
	Last []int64 `json:"last,omitempty"` // [Size]
	Next []int64 `json:"next,omitempty"` // [Size]
}

// Rows returns the rows from up to, but not including, to; it shares the batch's memory.
func (b Batch) Rows(from, to int) Batch {
	source, target := b.SourceLen, b.TargetLen
	rows := Batch{
		Size: to - from, SourceLen: source, TargetLen: target,
		Prompts: b.Prompts[from:to],
		Source:  b.Source[from*source : to*source],
		Mask:    b.Mask[from*source : to*source],
		Whole:   b.Whole[from*source : to*source],
		Target:  b.Target[from*target : to*target],
	}
	if b.Last != nil {
		rows.Last, rows.Next = b.Last[from:to], b.Next[from:to]
	}
	return rows
}
