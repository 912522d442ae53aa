package teacher

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// The modes of parsing a reply.
const (
	modePaper  = "paper"
	modeStrict = "strict"
)

// parsed is the content of a reply.
type parsed struct {
	preference, attribution string
	fellBack                bool // the reference's fallback: the explanation itself
}

// parsePaper parses a reply as the reference does: the second and third lines without their first
// three characters, whatever these are. With fewer lines both fields become the explanation; the
// reference's repair of one-line replies never runs, because Python's str has no contains.
func parsePaper(reply, explanation string) parsed {
	lines := strings.Split(reply, "\n")
	if len(lines) < 3 {
		return parsed{explanation, explanation, true}
	}
	return parsed{preference: afterThree(lines[1]), attribution: afterThree(lines[2])}
}

// afterThree returns a line without its first three characters.
func afterThree(line string) string {
	runes := []rune(line)
	return string(runes[min(3, len(runes)):])
}

// paperAnswer returns a reply without thoughts for [parsePaper]. Thoughts take the place of the
// line before the sentences, which the reference expects. A reply that ends within its thoughts has
// no lines.
func paperAnswer(reply string) string {
	answer, thinking := Answer(reply)
	if thinking || answer == reply {
		return answer
	}
	lines := nonBlankLines(answer)
	if len(lines) > 0 && isFirst(lines[0]) {
		lines = slices.Insert(lines, 0, "")
	}
	return strings.Join(lines, "\n")
}

// Reasons why a reply cannot be used.
var (
	errReasoning = errors.New("all tokens of the reply went into reasoning: " +
		"raise teacher.max_tokens, or switch reasoning off in teacher.request")
	errThinking   = errors.New("the reply ends within its thoughts")
	errNoText     = errors.New("the reply has no text")
	errNoFirst    = errors.New("no line begins with number 1")
	errNoSecond   = errors.New("the line after the first does not begin with number 2")
	errUnfinished = errors.New("the reply reached its maximum length")
	errEmpty      = errors.New("a sentence is empty")
	errTemplate   = errors.New("the reply repeats the template")
	errSame       = errors.New("both sentences are identical")
	errLeaked     = errors.New("the reply leaks words of the prompt's examples")
)

// maxGreeting is the maximum length of the text before the sentences of a truncated reply, in
// bytes. A longer text may be thoughts without tags.
const maxGreeting = 300

// parseStrict parses two numbered sentences, each on its own line. Text before them (thoughts, a
// greeting) and after them is ignored. truncated means that the reply has the maximum number of
// tokens.
func parseStrict(reply string, truncated bool) (parsed, error) {
	answer, thinking := Answer(reply)
	if thinking || strings.TrimSpace(answer) == "" {
		return parsed{}, noAnswer(thinking, truncated)
	}
	lines, greeting := numberedLines(answer)
	second := len(lines) > 1 && strings.HasPrefix(lines[1], "2.")
	switch {
	case len(lines) == 0:
		return parsed{}, errNoFirst
	case truncated && (len(lines) < 2 || greeting > maxGreeting):
		return parsed{}, errUnfinished
	case !second:
		return parsed{}, errNoSecond
	}
	p := parsed{preference: sentence(lines[0]), attribution: sentence(lines[1])}
	if truncated && len(lines) == 2 && !strings.ContainsAny(p.attribution, ".!") {
		return parsed{}, errUnfinished
	}
	return p, p.check()
}

// noAnswer returns the reason why a reply has no answer.
func noAnswer(thinking, truncated bool) error {
	switch {
	case truncated:
		return errReasoning
	case thinking:
		return errThinking
	default:
		return errNoText
	}
}

// numberedLines returns the non-blank lines of a reply from the one with number 1 on, trimmed, and
// the number of bytes before them.
func numberedLines(reply string) (lines []string, before int) {
	all := nonBlankLines(reply)
	for i, line := range all {
		if isFirst(line) {
			return all[i:], before
		}
		before += len(line)
	}
	return nil, before
}

// nonBlankLines returns the lines of a text that are not blank, trimmed.
func nonBlankLines(text string) []string {
	var out []string
	for line := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == '\n' || r == '\r' }) {
		if line = strings.TrimSpace(line); line != "" {
			out = append(out, line)
		}
	}
	return out
}

// check rejects sentences without usable content.
func (p parsed) check() error {
	switch {
	case len(contentWords(p.preference)) == 0 || len(contentWords(p.attribution)) == 0:
		return errEmpty
	case isTemplate(p.preference) || isTemplate(p.attribution):
		return errTemplate
	case strings.EqualFold(p.preference, p.attribution):
		return errSame
	default:
		return nil
	}
}

// sentence returns a numbered line without its number.
func sentence(line string) string {
	return strings.TrimSpace(line[len("1."):])
}

// isTemplate reports whether a sentence still contains the template's placeholders.
func isTemplate(sentence string) bool {
	return strings.Contains(strings.ToLower(sentence), "xxx") || strings.ContainsAny(sentence, "[]<>{}")
}

// leakedWord returns the first of the examples' own words in a rationale that its explanation does
// not contain, or "".
func leakedWord(p parsed, explanation string, exampleWords map[string]bool) string {
	generated := stemSet(explanation)
	for _, word := range contentWords(p.preference + " " + p.attribution) {
		if s := stem(word); exampleWords[s] && !generated[s] {
			return word
		}
	}
	return ""
}

// parse parses a reply in the given mode; the error is the reason why the reply cannot be used.
func parse(mode string, reply Reply, explanation string, settings parseSettings) (parsed, error) {
	if mode == modePaper {
		return parsePaper(paperAnswer(reply.Text), explanation), nil
	}
	p, err := parseStrict(reply.Text, reply.Truncated || reply.Tokens >= settings.maxTokens)
	if err != nil {
		return p, err
	}
	if word := leakedWord(p, explanation, settings.exampleWords); word != "" {
		return p, fmt.Errorf("%w: %s", errLeaked, word)
	}
	return p, nil
}

// parseSettings are the settings that parsing depends on.
type parseSettings struct {
	maxTokens    int
	exampleWords map[string]bool // stems of the examples' own words
}
