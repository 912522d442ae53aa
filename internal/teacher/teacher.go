// Package teacher distills explanations into rationales: it asks a language model what the user
// prefers and what the item is like. In: explanations and an [Engine] that completes prompts; out:
// one [Rationale] for each, as soon as it is final, and a summary ([Quality]). The steps: write the
// prompt (prompt.go), let the engine complete many together, parse the two sentences of each reply
// (parse.go), retry failed replies with sampling, and quarantine what keeps failing with a reason
// (distill.go).
package teacher

import "context"

// Role is the author of a message.
type Role string

// The roles that chat models know.
const (
	System    Role = "system"
	User      Role = "user"
	Assistant Role = "assistant"
)

// Message is one turn of a conversation.
type Message struct {
	Role    Role   `json:"role"`
	Content string `json:"content"`
}

// Prompt is a request to an engine.
type Prompt struct {
	// Messages end with a user's message.
	Messages []Message `json:"messages"`
	// SharedPrefix is the number of bytes of the last message that are the same in all prompts of
	// this style, as are the messages before it: engines may process that part once.
	SharedPrefix int `json:"shared_prefix"`
	// ReplyPrefix is a given start of the reply; engines that do not support it ignore it.
	ReplyPrefix string `json:"reply_prefix"`
	// MaxLines is the number of lines after which a reply is complete; 0 means that only the model
	// ends it. See [Prompt.Limit].
	MaxLines int `json:"max_lines"`
	// Numbered means that MaxLines counts the non-blank lines from the one with number 1 on.
	Numbered bool `json:"-"`
	// TwoLines constrains the reply to two numbered lines, each with a word; engines that do not
	// support it ignore it.
	TwoLines bool `json:"two_lines"`
	// Sampling configures how the reply is sampled.
	Sampling Sampling `json:"sampling"`
}

// Sampling configures how a reply's tokens are chosen.
type Sampling struct {
	// MaxTokens is the maximum length of the reply.
	MaxTokens int `json:"max_tokens"`
	// Temperature 0 takes the most likely token; TopP is the probability mass of nucleus sampling
	// (1 means all of it).
	Temperature float64 `json:"temperature"`
	TopP        float64 `json:"top_p"`
	// RepetitionPenalty penalizes the logits of tokens that occur in the reply or in the prompt's
	// examples (1 means none).
	RepetitionPenalty float64 `json:"repetition_penalty"`
	// Seed makes sampling reproducible.
	Seed uint64 `json:"seed"`
}

// Reply is an engine's reply to a prompt.
type Reply struct {
	// Text begins with the prompt's ReplyPrefix, unless the model began anew.
	Text string
	// PromptTokens are the tokens read, Tokens the tokens generated.
	PromptTokens, Tokens int
	// Truncated reports that the reply reached its maximum length before the model ended it.
	Truncated bool
	// Failed is the reason why there is no reply; empty means that there is one.
	Failed string
}

// Engine completes prompts. It calls emit once for each prompt, in any order, one call at a time,
// with the prompt's index; an error of emit ends the work. Problems of a single prompt are reported
// in its reply; an error means that the engine itself cannot continue.
type Engine interface {
	Complete(ctx context.Context, prompts []Prompt, emit func(index int, reply Reply) error) error
}
