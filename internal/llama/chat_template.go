package llama

import (
	"errors"
	"strings"

	"rdrec/internal/teacher"
)

// chatTemplate writes messages as a model was taught to read them.
type chatTemplate func(v *vocabulary, messages []teacher.Message) []int32

// chatTemplates is the table of forms: a form is taken where the mark stands in the template that
// came with the model.
func chatTemplates() []struct {
	mark, piece string
	form        chatTemplate
} {
	return []struct {
		mark, piece string
		form        chatTemplate
	}{
		{"<|im_start|>", "<|im_start|>", chatML},
		{"<|start_header_id|>", "<|start_header_id|>", llama3},
		{"[INST]", "<s>", llama2},
		{"<|assistant|>", "", zephyr},
	}
}

// findChatTemplate picks the form by the model's template or, where it has none, by its control
// pieces.
func findChatTemplate(v *vocabulary) (chatTemplate, error) {
	for _, c := range chatTemplates() {
		_, known := v.ids[c.piece]
		if v.template == "" && known || v.template != "" && strings.Contains(v.template, c.mark) && (known || c.piece == "") {
			return c.form, nil
		}
	}
	return nil, errors.New("unknown chat template (supported: ChatML, Llama 3, Llama 2, Zephyr)")
}

// zephyr frames each message with its role in a line of its own and </s>, as TinyLlama's template
// does. The roles are plain text.
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

// chatML frames each message with <|im_start|> and <|im_end|>. SmolLM2 was taught with a system
// message; it gets its own where there is none, but for other models of the form, whose templates
// say so.
func chatML(v *vocabulary, messages []teacher.Message) []int32 {
	start, end := v.ids["<|im_start|>"], v.ids["<|im_end|>"]
	needsSystem := v.template == "" || strings.Contains(v.template, "named SmolLM")
	if needsSystem && (len(messages) == 0 || messages[0].Role != teacher.System) {
		system := teacher.Message{Role: teacher.System, Content: "You are a helpful AI assistant named SmolLM, trained by Hugging Face"}
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

// llama3 frames each message's role with header pieces and ends it with <|eot_id|>.
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

// llama2 is Meta's own way for Llama 2: the system message stands inside the first user's, [INST]
// and [/INST] are plain text, and each question with its answer is a text of its own.
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
