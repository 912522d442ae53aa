package openai

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"rdrec/internal/teacher"
)

// serverReply is a reply with what the server says about its end.
type serverReply struct {
	teacher.Reply

	finish   string // the reason why it ended
	reasoned bool   // the server returned thoughts beside the text
}

// request sends a prompt in one mode and returns the server's reply.
func (e *Engine) request(ctx context.Context, p *teacher.Prompt, w mode, adjusted adjustments) (serverReply, error) {
	// A reply of many tokens takes proportionally longer.
	timeout := e.options.Timeout * time.Duration(1+p.Sampling.MaxTokens/1024)
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	params, extra := e.params(p, w)
	extra = append(extra, adjusted.options(p)...)
	for _, field := range slices.Sorted(maps.Keys(e.options.Request)) {
		extra = append(extra, option.WithJSONSet(field, e.options.Request[field]))
	}
	completion, err := e.chat.New(ctx, params, extra...)
	if err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		if errors.Is(err, context.DeadlineExceeded) {
			err = &requestError{class: transient, reason: fmt.Sprintf("no reply in time: %v", timeout)}
		}
		return serverReply{}, err
	}
	if completion == nil || len(completion.Choices) == 0 {
		failure := &requestError{class: malformed, reason: "the reply has no choices"}
		if completion != nil {
			failure.message = redact(parseError([]byte(completion.RawJSON())).Message, string(e.options.Key))
		}
		return serverReply{}, failure
	}
	choice := &completion.Choices[0]
	reply := serverReply{
		Reply: teacher.Reply{
			Text:         content(&choice.Message),
			PromptTokens: int(completion.Usage.PromptTokens), Tokens: int(completion.Usage.CompletionTokens),
		},
		finish: choice.FinishReason, reasoned: reasoned(&choice.Message),
	}
	if choice.FinishReason == "length" {
		reply.Tokens = max(reply.Tokens, p.Sampling.MaxTokens) // a lower bound for servers that do not count
	}
	return reply, nil
}

// content returns the text of a message. Some servers return a list of parts, of which thoughts
// have another type.
func content(m *openai.ChatCompletionMessage) string {
	var parts []struct {
		Type string `json:"type"`
		Text string `json:"text"`
	}
	if json.Unmarshal([]byte(m.JSON.Content.Raw()), &parts) != nil {
		return m.Content
	}
	var text strings.Builder
	for _, part := range parts {
		if part.Type == "text" {
			text.WriteString(part.Text)
		}
	}
	return text.String()
}

// reasoned reports whether a server returned thoughts beside the text, under any of the names in
// use.
func reasoned(m *openai.ChatCompletionMessage) bool {
	for _, field := range []string{"reasoning_content", "reasoning", "thinking"} {
		if f, ok := m.JSON.ExtraFields[field]; ok && f.Raw() != "null" && f.Raw() != `""` {
			return true
		}
	}
	return false
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

// joinContinuation returns a reply with its prefix. A server that started over instead of
// continuing wrote a prefix of its own, as the prompt's examples do: one of its lines starts like
// begin.
func joinContinuation(begin, text string) string {
	first, rest, _ := strings.Cut(begin, " ")
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimSpace(line), first) {
			return text
		}
	}
	if trimmed := strings.TrimLeft(text, "\r\n"); trimmed != text {
		text = " " + strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(trimmed), rest)) // a line of its own
	}
	last, _ := utf8.DecodeLastRuneInString(begin)
	next, _ := utf8.DecodeRuneInString(text)
	if unicode.IsLetter(last) && unicode.IsLetter(next) {
		return begin + " " + text
	}
	return begin + text
}
