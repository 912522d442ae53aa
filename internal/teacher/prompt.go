package teacher

import (
	"fmt"
	"strings"

	"rdrec/internal/spec"
)

// promptStyle is a row of the table of prompts.
type promptStyle struct {
	name string
	// write returns the prompt for an explanation, without its sampling.
	write func(explanation string) Prompt
	// paperLines and strictLines are the numbers of lines after which a reply is complete, per
	// parser; 0 lets the model decide.
	paperLines, strictLines int
	// forbiddenTags are texts that the style cannot contain; an explanation with one of them gets
	// the reply rejection without a request.
	forbiddenTags []string
	rejection     string
	// examples are the prompt's own replies, whose words must not occur in a rationale.
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

// rejects reports whether the style cannot contain an explanation.
func (s *promptStyle) rejects(explanation string) bool {
	for _, tag := range s.forbiddenTags {
		if strings.Contains(explanation, tag) {
			return true
		}
	}
	return false
}

// prompt returns the complete prompt for an explanation.
func (s *promptStyle) prompt(explanation string, settings spec.Teacher, attempt int) Prompt {
	p := s.write(explanation)
	p.Sampling = sampling(explanation, settings, attempt)
	p.MaxLines, p.Numbered = s.strictLines, true
	if settings.Parse == modePaper {
		p.MaxLines, p.Numbered = s.paperLines, false
	}
	if settings.Constrain == spec.TwoLines {
		p.MaxLines, p.TwoLines = 2, true
	}
	return p
}

// Texts of the reference's prompt (its data/*/distillation_*.py), including all blanks.
const (
	paperSystem = "Use two extremely short sentences to reply. The first one is '1. The user prefers xxx .'" +
		"The second one is '2. The item's attributes are xxx."
	paperLead = "A user bought an item and said \""
	paperTail = "\".  Use two sentences to explain the user's preference and the item's attributions, respectively. "
)

// writePaper returns the reference's prompt, for large chat models.
func writePaper(explanation string) Prompt {
	return Prompt{
		Messages:     []Message{{System, paperSystem}, {User, paperLead + explanation + paperTail}},
		SharedPrefix: len(paperLead),
	}
}

// example is an explanation and its rationale, shown to a small model.
type example struct {
	explanation, preference, attribution string
}

// examples are about unusual products, so that leaked words are recognized. Their rationales reuse
// the words of the explanation, so that the model does so too.
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
	fewShotSystem = "You read what a customer says about an item. " +
		"Reply with two short sentences in the customer's own words: " +
		"what the user prefers, and what the item's attributes are."
	fewShotLead = "A user bought an item and said \""
	fewShotTail = "\"."
	// fewShotReplyPrefix starts each reply, so that it begins with the first of the two lines.
	fewShotReplyPrefix = "1. The user prefers"
)

// writeFewShot shows a small model four example conversations first: without them, SmolLM2 chats
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
