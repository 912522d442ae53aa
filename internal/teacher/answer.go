package teacher

import (
	"regexp"
	"strings"
)

// Reasoning models write their thoughts before the answer. These are the tags around thoughts that
// open models and their templates use; gpt-oss begins its answer with a channel of its own.
var (
	thoughtsBegin = regexp.MustCompile(`(?i)<(seed:)?(think|thinking|thought|thoughts|reasoning|reflection)>` +
		`|\[think\]|◁think▷|<\|begin_of_thought\|>|<\|channel\|>analysis<\|message\|>`)
	thoughtsEnd = regexp.MustCompile(`(?i)</(seed:)?(think|thinking|thought|thoughts|reasoning|reflection)>` +
		`|\[/think\]|◁/think▷|<\|end_of_thought\|>|<\|channel\|>final<\|message\|>`)
	answerTags = regexp.MustCompile(`(?i)</?answer>|<\|(begin|end)_of_solution\|>`)
)

// ThoughtsMark may stand for the thoughts before an answer.
const ThoughtsMark = "</think>"

// answerStart returns where the answer begins in a reply: after its thoughts, whose opening tag
// some templates give to the model instead of the model to the reply. thinking reports that the
// reply ends within its thoughts.
func answerStart(reply string) (start int, thinking bool) {
	if ends := thoughtsEnd.FindAllStringIndex(reply, -1); ends != nil {
		start = ends[len(ends)-1][1]
	}
	return start, thoughtsBegin.MatchString(reply[start:])
}

// Answer returns a reply without thoughts, and whether the reply ends within them: then it has no
// answer.
func Answer(reply string) (answer string, thinking bool) {
	start, thinking := answerStart(reply)
	switch {
	case thinking:
		return "", true
	case start > 0:
		return answerTags.ReplaceAllString(reply[start:], "\n"), false
	default:
		return reply, false
	}
}

// Limit returns the part of a reply that the prompt's MaxLines allow, and whether the reply has all
// of it. Thoughts do not count.
func (p *Prompt) Limit(reply string) (text string, complete bool) {
	at, thinking := answerStart(reply)
	if p.MaxLines == 0 || thinking {
		return reply, false
	}
	everyLine, numbered := at == 0 && !p.Numbered, !p.Numbered
	count := 0
	for line := range strings.Lines(reply[at:]) {
		at += len(line)
		numbered = numbered || isFirst(line)
		if !strings.HasSuffix(line, "\n") || !everyLine && (!numbered || strings.TrimSpace(line) == "") {
			continue
		}
		if count++; count == p.MaxLines {
			return reply[:at], true
		}
	}
	return reply, false
}

// isFirst reports whether a line has number 1.
func isFirst(line string) bool { return strings.HasPrefix(strings.TrimSpace(line), "1.") }
