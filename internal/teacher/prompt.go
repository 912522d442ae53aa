package teacher

import (
	"fmt"
	"strings"

	"rdrec/internal/spec"
)

// promptStyle is a way to ask: a row of the table of prompts.
type promptStyle struct {
	name string
	// write makes the prompt for an explanation, without its sampling.
	write func(explanation string) Prompt
	// lines is after how many lines a reply is complete for each way to parse it; 0 leaves the end
	// to the model.
	paperLines, strictLines int
	// forbiddenTags are texts that the style can't hold; an explanation with one of them is
	// answered with refusal and not asked.
	forbiddenTags []string
	rejection     string
	// examples are the prompt's own replies, whose words must not turn up in a rationale.
	examples []example
}

// promptStyles is the table of prompts.
func promptStyles() []promptStyle {
	return []promptStyle{
		{
			name: "paper", write: writePaper, paperLines: 3,
			forbiddenTags: []string{"[INST]", "[/INST]", "<<SYS>>", "<</SYS>>"},
			rejection:     "Error: special tags are not allowed as part of the prompt.",
		},
		{name: "few-shot", write: writeFewShot, paperLines: 3, strictLines: 2, examples: examples()},
	}
}

func findPromptStyle(name string) (promptStyle, error) {
	var names []string
	for _, s := range promptStyles() {
		if s.name == name {
			return s, nil
		}
		names = append(names, s.name)
	}
	return promptStyle{}, fmt.Errorf("prompt %q is not one of %s", name, strings.Join(names, ", "))
}

// rejects says whether the style can't ask about an explanation.
func (s *promptStyle) rejects(explanation string) bool {
	for _, tag := range s.forbiddenTags {
		if strings.Contains(explanation, tag) {
			return true
		}
	}
	return false
}

// prompt writes the whole prompt of an explanation.
func (s *promptStyle) prompt(explanation string, settings spec.Teacher, attempt int) Prompt {
	p := s.write(explanation)
	p.Sampling = sampling(explanation, settings, attempt)
	p.MaxLines = s.strictLines
	if settings.Parse == modePaper {
		p.MaxLines = s.paperLines
	}
	if settings.Constrain == spec.TwoLines {
		p.MaxLines, p.TwoLines = 2, true
	}
	return p
}

// Texts of the reference's prompt (data/*/distillation_*.py), blanks and all.
const (
	paperSystem = "Use two extremely short sentences to reply. The first one is '1. The user prefers xxx .'" +
		"The second one is '2. The item's attributes are xxx."
	paperLead = "A user bought an item and said \""
	paperTail = "\".  Use two sentences to explain the user's preference and the item's attributions, respectively. "
)

// writePaper is the reference's prompt, for big chat models.
func writePaper(explanation string) Prompt {
	return Prompt{
		Messages:     []Message{{System, paperSystem}, {User, paperLead + explanation + paperTail}},
		SharedPrefix: len(paperLead),
	}
}

// example is an explanation with the rationale that shows a small model what to write.
type example struct {
	explanation, preference, attribution string
}

// examples are far from what shops' reviews are mostly about, so that their words are known again
// where they leak; they take their words from the explanation, so that the model does.
func examples() []example {
	return []example{
		{
			"the stroller rolls smoothly over gravel and folds with one hand",
			"The user prefers a stroller that rolls smoothly over gravel.",
			"The item's attributes are smooth rolling and folding with one hand.",
		},
		{
			"my trumpet case has a broken zipper after a week",
			"The user prefers a trumpet case with a strong zipper.",
			"The item's attributes are a zipper that is broken after a week.",
		},
		{
			"keeps my coffee hot until noon and never leaks",
			"The user prefers coffee that stays hot until noon.",
			"The item's attributes are keeping coffee hot and never leaking.",
		},
		{
			"the tent pegs are too short , but my kids love camping in it",
			"The user prefers a tent that kids love for camping.",
			"The item's attributes are short tent pegs.",
		},
	}
}

const (
	fewShotSystem = "You read what a customer says about an item. Reply with two short sentences in the customer's own words: " +
		"what the user prefers, and what the item's attributes are."
	fewShotLead = "A user bought an item and said \""
	fewShotTail = "\"."
	// fewShotReplyPrefix begin each reply, so that it starts with the first of the two lines.
	fewShotReplyPrefix = "1. The user prefers"
)

// writeFewShot shows a small model four talks of the kind before it is asked: alone, SmolLM2 chats
// back.
func writeFewShot(explanation string) Prompt {
	shot := examples()
	messages := make([]Message, 0, 2+2*len(shot))
	messages = append(messages, Message{System, fewShotSystem})
	for _, e := range shot {
		messages = append(
			messages,
			Message{User, fewShotLead + e.explanation + fewShotTail},
			Message{Assistant, "1. " + e.preference + "\n2. " + e.attribution},
		)
	}
	messages = append(messages, Message{User, fewShotLead + explanation + fewShotTail})
	return Prompt{Messages: messages, SharedPrefix: len(fewShotLead), ReplyPrefix: fewShotReplyPrefix}
}
