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

// request sends a prompt in one of the ways to ask and returns what the server says.
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
		Text: choice.Message.Content, PromptTokens: int(completion.Usage.PromptTokens), Tokens: int(completion.Usage.CompletionTokens),
	}
	if choice.FinishReason == "length" {
		reply.Tokens = max(reply.Tokens, p.Sampling.MaxTokens) // servers that count nothing say at least this
	}
	return reply, nil
}

// params writes a prompt as the protocol has it. What only some servers know is sent only where it
// matters, as OpenAI's own server refuses what it does not know: the repetition penalty under the
// names that vLLM and llama.cpp have for it, and vLLM's words for going on with a begun reply,
// which llama.cpp and Ollama do unasked.
func (e *Engine) params(p *teacher.Prompt, w mode) (openai.ChatCompletionNewParams, []option.RequestOption) {
	s := p.Sampling
	params := openai.ChatCompletionNewParams{
		Model: e.server.Model, Messages: messages(p.Messages), Temperature: openai.Float(s.Temperature), TopP: openai.Float(s.TopP),
		MaxTokens: openai.Int(int64(s.MaxTokens)), Seed: openai.Int(int64(s.Seed >> 33)), // llama.cpp's seeds have 32 bits, and all ones mean chance
	}
	if p.MaxLines > 0 && w != modeSchema {
		params.Stop.OfString = openai.String(stopSequence(p.MaxLines))
	}
	var extra []option.RequestOption
	if s.RepetitionPenalty != 1 && s.RepetitionPenalty != 0 {
		extra = append(
			extra,
			option.WithJSONSet("repetition_penalty", s.RepetitionPenalty), option.WithJSONSet("repeat_penalty", s.RepetitionPenalty),
		)
	}
	switch w { //nolint:exhaustive // plain asks for nothing more
	case modeGrammar:
		extra = append(extra, grammarOptions(p)...)
	case modeSchema:
		params.ResponseFormat = schema()
	case modeContinuation:
		params.Messages = append(params.Messages, openai.AssistantMessage(p.ReplyPrefix))
		extra = append(extra, option.WithJSONSet("continue_final_message", true), option.WithJSONSet("add_generation_prompt", false))
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

// stopSequence is a text that the server ends a reply before. The protocol can't count lines: of
// more than one, only the number that would begin the next one is a sign.
func stopSequence(lines int) string {
	if lines == 1 {
		return "\n"
	}
	return fmt.Sprintf("\n%d.", lines+1)
}

// firstLines cuts a text behind its n-th line, where n is not 0.
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

// joinContinuation is a reply with what it was begun with. A server that did not go on from there
// but replied afresh began by itself, as the prompt's examples teach: one of its lines starts as
// begin does.
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
