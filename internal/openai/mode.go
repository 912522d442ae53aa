package openai

import (
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"rdrec/internal/teacher"
)

// mode is a way to ask. Servers differ in which they know; what one refuses or does not heed is not
// tried again.
type mode int

const (
	modeGrammar      mode = iota // twoLinePrompts to two lines by a grammar of llama.cpp's or a regular expression of vLLM's
	modeSchema                   // twoLinePrompts to two sentences by a JSON schema, as OpenAI and Ollama do
	modeContinuation             // the reply is begun beforehand, for the server to go on from there
	modePlain
	numModes
)

// numModes are those in which a prompt may be asked, the best one first.
func (e *Engine) modes(p *teacher.Prompt) []mode {
	return slices.DeleteFunc([]mode{modeGrammar, modeSchema, modeContinuation, modePlain}, func(w mode) bool {
		return w < modeContinuation && !p.TwoLines || w == modeContinuation && p.ReplyPrefix == "" || e.unsupported[w].Load()
	})
}

// parse is the text of what a server said, and whether it has the form that was asked for. What has
// no room left has it if it began so.
func (w mode) parse(p *teacher.Prompt, answered teacher.Reply) (text string, conforms bool) {
	text, truncated := answered.Text, answered.Tokens >= p.Sampling.MaxTokens
	switch w {
	case modeGrammar:
		return text, twoLines(p).MatchString(strings.TrimRight(text, "\r\n")) || truncated && strings.HasPrefix(text, replyPrefix(p))
	case modeSchema:
		lines, ok := fromSchema(text)
		return lines, ok || truncated && strings.HasPrefix(strings.TrimSpace(text), "{")
	case modeContinuation:
		return joinContinuation(p.ReplyPrefix, text), true
	default:
		return text, true
	}
}

// The lines' numbers.
const firstPrefix, secondPrefix = "1. ", "2. "

// maxSentenceChars is how many characters a sentence may have behind what it begins with: both are
// to have room within the reply's tokens, which are some four characters each.
func maxSentenceChars(p *teacher.Prompt) int { return max(p.Sampling.MaxTokens*3/2, 32) }

func replyPrefix(p *teacher.Prompt) string { return cmp.Or(p.ReplyPrefix, firstPrefix) }

// A sentence's characters, its dot within a number, and its end, in regular expressions and in
// llama.cpp's grammars. The template's placeholders are none of them.
const (
	sentenceChar = `[^\n\r\[\]<>{}.!?]`
	decimalDigit = `[0-9]`
	sentenceEnd  = `[.!?]`
)

// pattern is two lines of a sentence each as a regular expression that all dialects know.
func pattern(p *teacher.Prompt) string {
	sentencePattern := fmt.Sprintf(`(%s|\.%s){1,%d}%s`, sentenceChar, decimalDigit, maxSentenceChars(p), sentenceEnd)
	return regexp.QuoteMeta(replyPrefix(p)) + sentencePattern + `\n` + regexp.QuoteMeta(secondPrefix) + sentencePattern
}

// twoLines matches what the pattern is for.
func twoLines(p *teacher.Prompt) *regexp.Regexp { return regexp.MustCompile("^" + pattern(p) + "$") }

// grammar is the same in llama.cpp's notation.
func grammar(p *teacher.Prompt) string {
	return fmt.Sprintf("root ::= %q sentence %q sentence\nsentence ::= (%s | \".\" %s){1,%d} %s\n",
		replyPrefix(p), "\n"+secondPrefix, sentenceChar, decimalDigit, maxSentenceChars(p), sentenceEnd)
}

// grammarOptions are the pattern in the words of llama.cpp, of vLLM since 0.12 and of vLLM before.
func grammarOptions(p *teacher.Prompt) []option.RequestOption {
	return []option.RequestOption{
		option.WithJSONSet("grammar", grammar(p)), option.WithJSONSet("structured_outputs", map[string]any{"regex": pattern(p)}),
		option.WithJSONSet("guided_regex", pattern(p)),
	}
}

// schemaReply is a reply that is held to a JSON schema.
type schemaReply struct {
	Preference string `json:"user_preference"`
	Attributes string `json:"item_attributes"`
}

// schema is that of [schemaReply].
func schema() openai.ChatCompletionNewParamsResponseFormatUnion {
	text := func(about string) map[string]any { return map[string]any{"type": "string", "description": about} }
	return openai.ChatCompletionNewParamsResponseFormatUnion{OfJSONSchema: &openai.ResponseFormatJSONSchemaParam{
		JSONSchema: openai.ResponseFormatJSONSchemaJSONSchemaParam{
			Name: "rationale", Strict: openai.Bool(true),
			Schema: map[string]any{
				"type": "object", "additionalProperties": false, "required": []string{"user_preference", "item_attributes"},
				"properties": map[string]any{
					"user_preference": text("the first sentence: The user prefers ..."),
					"item_attributes": text("the second sentence: The item's attributes are ..."),
				},
			},
		},
	}}
}

// fromSchema is such a reply as two numbered lines; of another one what came.
func fromSchema(reply string) (string, bool) {
	var parsed schemaReply
	if json.Unmarshal([]byte(reply), &parsed) != nil || parsed.Preference == "" || parsed.Attributes == "" {
		return reply, false
	}
	line := func(number, text string) string {
		text = strings.Join(strings.FieldsFunc(text, unicode.IsSpace), " ")
		return number + strings.TrimSpace(strings.TrimPrefix(text, strings.TrimSpace(number)))
	}
	return line(firstPrefix, parsed.Preference) + "\n" + line(secondPrefix, parsed.Attributes) + "\n", true
}
