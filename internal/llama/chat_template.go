package llama

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"rdrec/internal/teacher"
)

// chatTemplate renders messages in the format that a model was trained on.
type chatTemplate func(v *vocabulary, messages []teacher.Message) ([]int32, error)

// templateRule selects one of the well-known formats: it applies if the markers are in the model's
// template and the vocabulary has the control token.
type templateRule struct {
	markers  []string
	token    string // "" if the format needs none
	template func(v *vocabulary, messages []teacher.Message) []int32
}

// templateRules returns the rules of the well-known formats.
func templateRules() []templateRule {
	return []templateRule{
		{[]string{"<|im_start|>"}, "<|im_start|>", chatML},
		{[]string{"<|start_header_id|>"}, "<|start_header_id|>", llama3},
		{[]string{"[INST]", "<<SYS>>"}, "<s>", llama2},
		{[]string{"<|user|>", "<|assistant|>", "content'] + eos_token }}"}, "", zephyr},
	}
}

// chatPieces returns the pieces that the well-known formats and Mistral's write around messages.
// They are control tokens whatever type a vocabulary gives them: some conversions call them
// user-defined or normal.
func chatPieces() []string {
	return []string{
		"<|im_start|>", "<|im_end|>", "<|start_header_id|>", "<|end_header_id|>", "<|begin_of_text|>", "<|eot_id|>",
		"<s>", "</s>", "[INST]", "[/INST]",
	}
}

// allRoles returns a conversation with a message of each role.
func allRoles() []teacher.Message {
	return []teacher.Message{
		{Role: teacher.System, Content: "s"},
		{Role: teacher.User, Content: "a"},
		{Role: teacher.Assistant, Content: "b"},
		{Role: teacher.User, Content: "c"},
	}
}

// checkTokens rejects a model that has no weights for tokens of its chat template, such as one
// whose fine-tuning added tokens that its embedding lacks.
func checkTokens(v *vocabulary, chat chatTemplate, embedded int) error {
	ids, err := chat(v, allRoles())
	if err != nil {
		return err
	}
	for _, id := range ids {
		if int(id) < embedded {
			continue
		}
		for piece, known := range v.ids {
			if known == id {
				return fmt.Errorf("the chat template writes %q, token %d, but the embedding has %d tokens",
					piece, id, embedded)
			}
		}
	}
	return nil
}

// findChatTemplate returns the well-known format that the model's template shows or, if the model
// has none, its control tokens. Any other template is rendered.
func findChatTemplate(v *vocabulary) (chatTemplate, error) {
	for _, r := range templateRules() {
		_, known := v.ids[r.token]
		lacks := func(marker string) bool { return !strings.Contains(v.template, marker) }
		matches := v.template != "" && !slices.ContainsFunc(r.markers, lacks) && (known || r.token == "")
		if v.template == "" && known || matches {
			return func(v *vocabulary, messages []teacher.Message) ([]int32, error) {
				return r.template(v, messages), nil
			}, nil
		}
	}
	if v.template == "" {
		return nil, errors.New("no chat template, and no control token of ChatML, Llama 3 or Llama 2")
	}
	return newRenderedTemplate(v)
}

// zephyr writes each message's role on a line of its own and ends the message with </s>, as
// TinyLlama's template does. The roles are plain text.
func zephyr(v *vocabulary, messages []teacher.Message) []int32 {
	end, hasEnd := v.ids["</s>"]
	var ids []int32
	text := ""
	for _, m := range messages {
		text += "<|" + string(m.Role) + "|>\n" + m.Content
		ids = append(ids, v.Encode(text)...)
		if text = "\n"; hasEnd {
			ids = append(ids, end)
		}
	}
	return append(ids, v.Encode(text+"<|"+string(teacher.Assistant)+"|>\n")...)
}

// chatML encloses each message in <|im_start|> and <|im_end|>. SmolLM2 was trained with a system
// message, so conversations without one get its default. Other models with this template do not, if
// their template shows that they are not SmolLM.
func chatML(v *vocabulary, messages []teacher.Message) []int32 {
	start, end := v.ids["<|im_start|>"], v.ids["<|im_end|>"]
	needsSystem := v.template == "" || strings.Contains(v.template, "named SmolLM")
	if needsSystem && (len(messages) == 0 || messages[0].Role != teacher.System) {
		system := teacher.Message{
			Role:    teacher.System,
			Content: "You are a helpful AI assistant named SmolLM, trained by Hugging Face",
		}
		messages = append([]teacher.Message{system}, messages...)
	}
	var ids []int32
	newline := v.Encode("\n")
	for _, m := range messages {
		ids = append(ids, start)
		ids = append(ids, v.Encode(string(m.Role)+"\n"+m.Content)...)
		ids = append(append(ids, end), newline...)
	}
	ids = append(ids, start)
	return append(ids, v.Encode(string(teacher.Assistant)+"\n")...)
}

// llama3 encloses each message's role in header tokens and ends the message with <|eot_id|>.
func llama3(v *vocabulary, messages []teacher.Message) []int32 {
	ids := []int32{v.ids["<|begin_of_text|>"]}
	header := func(role teacher.Role) {
		ids = append(ids, v.ids["<|start_header_id|>"])
		ids = append(append(ids, v.Encode(string(role))...), v.ids["<|end_header_id|>"])
		ids = append(ids, v.Encode("\n\n")...)
	}
	for _, m := range messages {
		header(m.Role)
		ids = append(append(ids, v.Encode(strings.TrimSpace(m.Content))...), v.ids["<|eot_id|>"])
	}
	header(teacher.Assistant)
	return ids
}

// llama2 is Meta's format for Llama 2: the system message is inside the first user message, [INST]
// and [/INST] are plain text, and each pair of a question and its answer is a separate text.
func llama2(v *vocabulary, messages []teacher.Message) []int32 {
	if len(messages) > 1 && messages[0].Role == teacher.System {
		first := messages[1]
		first.Content = "<<SYS>>\n" + messages[0].Content + "\n<</SYS>>\n\n" + first.Content
		messages = append([]teacher.Message{first}, messages[2:]...)
	}
	begin, end := v.ids["<s>"], v.ids["</s>"]
	var ids []int32
	for i := 0; i < len(messages); i += 2 {
		text := "[INST] " + strings.TrimSpace(messages[i].Content) + " [/INST]"
		ids = append(ids, begin)
		if i+1 < len(messages) {
			text += " " + strings.TrimSpace(messages[i+1].Content) + " "
		}
		ids = append(ids, v.Encode(text)...)
		if i+1 < len(messages) {
			ids = append(ids, end)
		}
	}
	return ids
}
