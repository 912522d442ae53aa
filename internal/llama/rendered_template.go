package llama

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"rdrec/internal/jinja"
	"rdrec/internal/teacher"
)

// renderedTemplate renders the model's own chat template.
type renderedTemplate struct {
	template *jinja.Template
	pieces   []string // control tokens, the longest first
	// withoutSystem: the template rejects system messages; they become part of the first user
	// message.
	withoutSystem bool
}

// newRenderedTemplate parses the template and renders the kinds of conversations that prompts have.
func newRenderedTemplate(v *vocabulary) (chatTemplate, error) {
	parsed, err := jinja.Parse(v.template)
	if err != nil {
		return nil, fmt.Errorf("%w (well known are ChatML, Llama 3, Llama 2 and Zephyr)", err)
	}
	r := renderedTemplate{template: parsed}
	for piece := range v.ids {
		if piece != "" {
			r.pieces = append(r.pieces, piece)
		}
	}
	slices.SortFunc(r.pieces, func(a, b string) int {
		return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b))
	})
	if _, err = r.tokens(v, allRoles()); err != nil {
		r.withoutSystem = true
		_, err = r.tokens(v, allRoles())
	}
	if err != nil {
		return nil, err
	}
	return r.tokens, nil
}

// guard splits control tokens that occur in a message, so that a review cannot pose as another
// role. It is a noncharacter of Unicode.
const guard = "\uFDD0"

// tokens returns the tokens of a rendered conversation.
func (r renderedTemplate) tokens(v *vocabulary, messages []teacher.Message) ([]int32, error) {
	if r.withoutSystem {
		messages = withoutSystem(messages)
	}
	values := make([]any, len(messages))
	for i, m := range messages {
		values[i] = map[string]any{"role": string(m.Role), "content": r.guarded(m.Content)}
	}
	text, err := r.template.Render(map[string]any{
		"messages": values, "bos_token": v.begin, "eos_token": v.end, "add_generation_prompt": true,
	})
	if err != nil {
		return nil, err
	}
	var ids []int32
	for text != "" {
		at, piece := r.next(text)
		if plain := strings.ReplaceAll(text[:at], guard, ""); plain != "" {
			ids = append(ids, v.Encode(plain)...)
		}
		if piece != "" {
			ids = append(ids, v.ids[piece])
		}
		text = text[at+len(piece):]
	}
	return ids, nil
}

// guarded returns a text without control tokens.
func (r renderedTemplate) guarded(text string) string {
	for _, piece := range r.pieces {
		if strings.Contains(text, piece) {
			_, size := utf8.DecodeRuneInString(piece)
			text = strings.ReplaceAll(text, piece, piece[:size]+guard+piece[size:])
		}
	}
	return text
}

// next returns the first control token in a text and where it is; the text's end if there is none.
func (r renderedTemplate) next(text string) (at int, piece string) {
	at = len(text)
	for _, one := range r.pieces {
		if i := strings.Index(text, one); i >= 0 && i < at {
			at, piece = i, one
		}
	}
	return at, piece
}

// withoutSystem returns messages whose system message is part of the user message after it.
func withoutSystem(messages []teacher.Message) []teacher.Message {
	if len(messages) < 2 || messages[0].Role != teacher.System {
		return messages
	}
	out := slices.Clone(messages[1:])
	out[0].Content = messages[0].Content + "\n\n" + out[0].Content
	return out
}
