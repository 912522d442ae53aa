package openai

import (
	"context"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"rdrec/internal/teacher"
)

// request sends a prompt in one mode and returns the server's reply.
func (e *Engine) request(ctx context.Context, p *teacher.Prompt, w mode) (teacher.Reply, error) {
	ctx, cancel := context.WithTimeout(ctx, e.options.Timeout)
	defer cancel()
	params, extra := e.params(p, w)
	completion, err := e.chat.New(ctx, params, extra...)
	if err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return teacher.Reply{}, err
	}
	if completion == nil || len(completion.Choices) == 0 {
		return teacher.Reply{}, &requestError{class: malformed, reason: "the reply has no choices"}
	}
	choice := &completion.Choices[0]
	reply := teacher.Reply{
		Text:         choice.Message.Content,
		PromptTokens: int(completion.Usage.PromptTokens), Tokens: int(completion.Usage.CompletionTokens),
	}
	if choice.FinishReason == "length" {
		reply.Tokens = max(reply.Tokens, p.Sampling.MaxTokens) // a lower bound for servers that do not count
	}
	return reply, nil
}

// params returns a prompt as parameters of the protocol. Parameters that only some servers know are
// sent only if needed, because OpenAI's own server rejects unknown ones: the repetition penalty
// under the names of vLLM and llama.cpp, and vLLM's parameters for continuing a started reply,
// which llama.cpp and Ollama do by default.
func (e *Engine) params(p *teacher.Prompt, w mode) (openai.ChatCompletionNewParams, []option.RequestOption) {
	s := p.Sampling
	params := openai.ChatCompletionNewParams{
		Model: e.server.Model, Messages: messages(p.Messages),
		Temperature: openai.Float(s.Temperature), TopP: openai.Float(s.TopP),
		MaxTokens: openai.Int(int64(s.MaxTokens)),
		Seed:      openai.Int(int64(s.Seed >> 33)), // llama.cpp's seeds have 32 bits; all ones means a random seed
	}
	if p.MaxLines > 0 && w != modeSchema {
		params.Stop.OfString = openai.String(stopSequence(p.MaxLines))
	}
	var extra []option.RequestOption
	if s.RepetitionPenalty != 1 && s.RepetitionPenalty != 0 {
		extra = append(
			extra,
			option.WithJSONSet("repetition_penalty", s.RepetitionPenalty),
			option.WithJSONSet("repeat_penalty", s.RepetitionPenalty),
		)
	}
	switch w { //nolint:exhaustive // modePlain adds nothing
	case modeGrammar:
		extra = append(extra, grammarOptions(p)...)
	case modeSchema:
		params.ResponseFormat = schema()
	case modeContinuation:
		params.Messages = append(params.Messages, openai.AssistantMessage(p.ReplyPrefix))
		extra = append(
			extra, option.WithJSONSet("continue_final_message", true),
			option.WithJSONSet("add_generation_prompt", false),
		)
	}
	return params, extra
}

func messages(all []teacher.Message) []openai.ChatCompletionMessageParamUnion {
	out := make([]openai.ChatCompletionMessageParamUnion, 0, len(all)+1)
	for _, m := range all {
		switch m.Role {
		case teacher.System:
			out = append(out, openai.SystemMessage(m.Content))
		case teacher.Assistant:
			out = append(out, openai.AssistantMessage(m.Content))
		default:
			out = append(out, openai.UserMessage(m.Content))
		}
	}
	return out
}

// stopSequence returns the text before which the server ends a reply. The protocol cannot count
// lines: for more than one, the only sign is the number that would begin the next line.
func stopSequence(lines int) string {
	if lines == 1 {
		return "\n"
	}
	return fmt.Sprintf("\n%d.", lines+1)
}

// firstLines truncates a text after its n-th line; 0 means no limit.
func firstLines(text string, n int) string {
	end := 0
	for range n {
		at := strings.IndexByte(text[end:], '\n')
		if at < 0 {
			return text
		}
		end += at + 1
	}
	if n == 0 {
		return text
	}
	return text[:end]
}

// joinContinuation returns a reply with its prefix. A server that started over instead of
// continuing wrote a prefix of its own, as the prompt's examples do: one of its lines starts like
// begin.
func joinContinuation(begin, text string) string {
	first, _, _ := strings.Cut(begin, " ")
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimSpace(line), first) {
			return text
		}
	}
	last, _ := utf8.DecodeLastRuneInString(begin)
	next, _ := utf8.DecodeRuneInString(text)
	if unicode.IsLetter(last) && unicode.IsLetter(next) {
		return begin + " " + text
	}
	return begin + text
}
