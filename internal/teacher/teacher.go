// Package teacher distils explanations into rationales: it asks a language model what the user
// prefers and what the item is like. In: explanations and an [Engine] that answers prompts; out:
// one [Rationale] for each, as soon as it is done, and what they are worth ([Quality]). The steps:
// write the prompt (prompt.go), let the engine answer many together, read the two sentences out of
// each answer (paper.go, strict.go), ask again what failed in another way, and hand over with a
// reason what keeps failing (distill.go).
package teacher

import "context"

// Role is who speaks in a message.
type Role string

// The roles that chat models know.
const (
	System    Role = "system"
	User      Role = "user"
	Assistant Role = "assistant"
)

// Message is one turn of a talk.
type Message struct {
	Role    Role   `json:"role"`
	Content string `json:"content"`
}

// Prompt is what an engine is asked.
type Prompt struct {
	// Messages end with a user's.
	Messages []Message `json:"messages"`
	// SharedPrefix is how many bytes of the last message are the same in all prompts of its kind,
	// as are the messages before it: engines may read that part once.
	SharedPrefix int `json:"shared_prefix"`
	// ReplyPrefix is what the reply begins with, given beforehand; engines that can't do so ignore
	// it.
	ReplyPrefix string `json:"reply_prefix"`
	// MaxLines is after how many lines a reply is complete; 0 means that only the model ends it.
	MaxLines int `json:"max_lines"`
	// TwoLines has the engine hold the reply to two numbered lines, each with a word; engines that
	// can't do so ignore it.
	TwoLines bool `json:"two_lines"`
	// Sampling says how the reply is drawn.
	Sampling Sampling `json:"sampling"`
}

// Sampling says how a reply's tokens are chosen.
type Sampling struct {
	// MaxTokens bounds the reply.
	MaxTokens int `json:"max_tokens"`
	// Temperature 0 takes the likeliest token; TopP is the share of probability that is drawn from
	// (1 means all of it).
	Temperature float64 `json:"temperature"`
	TopP        float64 `json:"top_p"`
	// RepetitionPenalty divides the weight of tokens that stand in the reply or in the prompt's
	// examples (1 means none).
	RepetitionPenalty float64 `json:"repetition_penalty"`
	// Seed makes what is drawn the same each time.
	Seed uint64 `json:"seed"`
}

// Reply is an engine's answer.
type Reply struct {
	// Text begins with the prompt's Begin.
	Text string
	// PromptTokens were read and Tokens written for it.
	PromptTokens, Tokens int
	// Truncated says that the reply ended where its room did, not where the model ended it.
	Truncated bool
	// Failed says why there is no answer; empty means that there is one.
	Failed string
}

// Engine answers prompts. It calls emit once for each prompt, in any order, one call at a time,
// with the prompt's index; emit's error ends the work. What concerns one prompt only is said in its
// reply; an error means that the engine itself can't go on.
type Engine interface {
	Complete(ctx context.Context, prompts []Prompt, emit func(index int, reply Reply) error) error
}
