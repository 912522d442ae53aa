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

// way is a way to ask. Servers differ in which they know; what one refuses or does not heed is not tried again.
type way int

const (
	byGrammar way = iota // held to two lines by a grammar of llama.cpp's or a regular expression of vLLM's
	bySchema             // held to two sentences by a JSON schema, as OpenAI and Ollama do
	begun                // the reply is begun beforehand, for the server to go on from there
	plain
	ways
)

// ways are those in which a prompt may be asked, the best one first.
func (e *Engine) ways(p *teacher.Prompt) []way {
	return slices.DeleteFunc([]way{byGrammar, bySchema, begun, plain}, func(w way) bool {
		return w < begun && !p.TwoLines || w == begun && p.Begin == "" || e.unknown[w].Load()
	})
}

// read is the text of what a server said, and whether it has the form that was asked for. What has no room left has it if it began so.
func (w way) read(p *teacher.Prompt, said teacher.Reply) (text string, heeded bool) {
	text, cut := said.Text, said.Tokens >= p.Sampling.MaxTokens
	switch w {
	case byGrammar:
		return text, twoLines(p).MatchString(strings.TrimRight(text, "\r\n")) || cut && strings.HasPrefix(text, beginning(p))
	case bySchema:
		lines, ok := fromSchema(text)
		return lines, ok || cut && strings.HasPrefix(strings.TrimSpace(text), "{")
	case begun:
		return goneOn(p.Begin, text), true
	default:
		return text, true
	}
}

// The lines' numbers.
const firstNumber, secondNumber = "1. ", "2. "

// longest is how many characters a sentence may have behind what it begins with: both are to have room within the reply's tokens, which are
// some four characters each.
func longest(p *teacher.Prompt) int { return max(p.Sampling.MaxTokens*3/2, 32) }

func beginning(p *teacher.Prompt) string { return cmp.Or(p.Begin, firstNumber) }

// A sentence's characters, its dot within a number, and its end, in regular expressions and in llama.cpp's grammars. The template's
// placeholders are none of them.
const (
	inSentence = `[^\n\r\[\]<>{}.!?]`
	inNumber   = `[0-9]`
	endOfIt    = `[.!?]`
)

// pattern is two lines of a sentence each as a regular expression that all dialects know.
func pattern(p *teacher.Prompt) string {
	sentence := fmt.Sprintf(`(%s|\.%s){1,%d}%s`, inSentence, inNumber, longest(p), endOfIt)
	return regexp.QuoteMeta(beginning(p)) + sentence + `\n` + regexp.QuoteMeta(secondNumber) + sentence
}

// twoLines matches what the pattern is for.
func twoLines(p *teacher.Prompt) *regexp.Regexp { return regexp.MustCompile("^" + pattern(p) + "$") }

// grammar is the same in llama.cpp's notation.
func grammar(p *teacher.Prompt) string {
	return fmt.Sprintf("root ::= %q sentence %q sentence\nsentence ::= (%s | \".\" %s){1,%d} %s\n",
		beginning(p), "\n"+secondNumber, inSentence, inNumber, longest(p), endOfIt)
}

// grammarOptions are the pattern in the words of llama.cpp, of vLLM since 0.12 and of vLLM before.
func grammarOptions(p *teacher.Prompt) []option.RequestOption {
	return []option.RequestOption{
		option.WithJSONSet("grammar", grammar(p)), option.WithJSONSet("structured_outputs", map[string]any{"regex": pattern(p)}),
		option.WithJSONSet("guided_regex", pattern(p)),
	}
}

// sentences is a reply that is held to a JSON schema.
type sentences struct {
	Preference string `json:"user_preference"`
	Attributes string `json:"item_attributes"`
}

// schema is that of [sentences].
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
	var said sentences
	if json.Unmarshal([]byte(reply), &said) != nil || said.Preference == "" || said.Attributes == "" {
		return reply, false
	}
	line := func(number, text string) string {
		text = strings.Join(strings.FieldsFunc(text, unicode.IsSpace), " ")
		return number + strings.TrimSpace(strings.TrimPrefix(text, strings.TrimSpace(number)))
	}
	return line(firstNumber, said.Preference) + "\n" + line(secondNumber, said.Attributes) + "\n", true
}
