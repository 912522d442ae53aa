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

// mode is a way to request a reply. Servers support different modes; a mode that the server rejects
// or ignores is not tried again.
type mode int

const (
	// modeGrammar constrains the reply to two lines with llama.cpp's grammars or vLLM's regular
	// expressions.
	modeGrammar mode = iota
	// modeSchema constrains the reply to two sentences with a JSON schema, as OpenAI and Ollama
	// support it.
	modeSchema
	// modeContinuation sends the reply's prefix, which the server continues.
	modeContinuation
	// modePlain sends only the messages.
	modePlain
	numModes
)

// modes returns the modes in which a prompt may be requested, the best one first.
func (e *Engine) modes(p *teacher.Prompt) []mode {
	return slices.DeleteFunc([]mode{modeGrammar, modeSchema, modeContinuation, modePlain}, func(w mode) bool {
		return w < modeContinuation && !p.TwoLines ||
			w == modeContinuation && p.ReplyPrefix == "" || e.unsupported[w].Load()
	})
}

// parse returns the text of a reply, with the mark of thoughts for thoughts, and whether it has the
// requested form.
func (w mode) parse(p *teacher.Prompt, reply teacher.Reply) (text string, conforms bool) {
	answer, thinking := teacher.Answer(reply.Text)
	truncated := reply.Tokens >= p.Sampling.MaxTokens
	if thinking || truncated && strings.TrimSpace(answer) == "" {
		return reply.Text, true // parsing names the reason
	}
	text, conforms = w.parseAnswer(p, answer, truncated)
	if answer != reply.Text {
		text = teacher.ThoughtsMark + text
	}
	return text, conforms
}

// parseAnswer returns the text of an answer and whether it has the requested form. A truncated
// answer has it if its beginning has.
func (w mode) parseAnswer(p *teacher.Prompt, text string, truncated bool) (string, bool) {
	switch w {
	case modeGrammar:
		complete := twoLines(p).MatchString(strings.TrimRight(text, "\r\n"))
		return text, complete || truncated && strings.HasPrefix(text, replyPrefix(p))
	case modeSchema:
		lines, ok := fromSchema(text)
		return lines, ok || truncated && strings.HasPrefix(strings.TrimSpace(text), "{")
	case modeContinuation:
		return joinContinuation(p.ReplyPrefix, text), true
	default:
		return text, true
	}
}

// The prefixes of the two lines.
const firstPrefix, secondPrefix = "1. ", "2. "

// maxSentenceChars returns the maximum length of a sentence after its prefix: both sentences must
// fit into the reply's tokens, which have about four characters each. Tokens beyond the reference's
// 511 are for thoughts; regular expressions limit repetitions, too.
func maxSentenceChars(p *teacher.Prompt) int { return max(min(p.Sampling.MaxTokens, 511)*3/2, 32) }

func replyPrefix(p *teacher.Prompt) string { return cmp.Or(p.ReplyPrefix, firstPrefix) }

// The characters of a sentence, a digit after a decimal point, and the end of a sentence, in
// regular expressions and in llama.cpp's grammars. They exclude the template's placeholders.
const (
	sentenceChar = `[^\n\r\[\]<>{}.!?]`
	decimalDigit = `[0-9]`
	sentenceEnd  = `[.!?]`
)

// pattern returns a regular expression, valid in all dialects, for two lines of a sentence each.
func pattern(p *teacher.Prompt) string {
	sentencePattern := fmt.Sprintf(`(%s|\.%s){1,%d}%s`, sentenceChar, decimalDigit, maxSentenceChars(p), sentenceEnd)
	return regexp.QuoteMeta(replyPrefix(p)) + sentencePattern + `\n` + regexp.QuoteMeta(secondPrefix) + sentencePattern
}

// twoLines returns the compiled pattern for a whole reply.
func twoLines(p *teacher.Prompt) *regexp.Regexp { return regexp.MustCompile("^" + pattern(p) + "$") }

// grammar returns the pattern in llama.cpp's notation.
func grammar(p *teacher.Prompt) string {
	return fmt.Sprintf("root ::= %q sentence %q sentence\nsentence ::= (%s | \".\" %s){1,%d} %s\n",
		replyPrefix(p), "\n"+secondPrefix, sentenceChar, decimalDigit, maxSentenceChars(p), sentenceEnd)
}

// grammarOptions returns the pattern in the parameters of llama.cpp, of vLLM since 0.12 and of
// earlier vLLM.
func grammarOptions(p *teacher.Prompt) []option.RequestOption {
	return []option.RequestOption{
		option.WithJSONSet("grammar", grammar(p)),
		option.WithJSONSet("structured_outputs", map[string]any{"regex": pattern(p)}),
		option.WithJSONSet("guided_regex", pattern(p)),
	}
}

// schemaReply is a reply in the JSON schema.
type schemaReply struct {
	Preference string `json:"user_preference"`
	Attributes string `json:"item_attributes"`
}

// schema returns the schema of [schemaReply].
func schema() openai.ChatCompletionNewParamsResponseFormatUnion {
	text := func(about string) map[string]any { return map[string]any{"type": "string", "description": about} }
	return openai.ChatCompletionNewParamsResponseFormatUnion{OfJSONSchema: &openai.ResponseFormatJSONSchemaParam{
		JSONSchema: openai.ResponseFormatJSONSchemaJSONSchemaParam{
			Name: "rationale", Strict: openai.Bool(true),
			Schema: map[string]any{
				"type": "object", "additionalProperties": false,
				"required": []string{"user_preference", "item_attributes"},
				"properties": map[string]any{
					"user_preference": text("the first sentence: The user prefers ..."),
					"item_attributes": text("the second sentence: The item's attributes are ..."),
				},
			},
		},
	}}
}

// fromSchema converts such a reply to two numbered lines; it returns any other reply unchanged.
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
