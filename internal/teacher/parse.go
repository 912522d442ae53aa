package teacher

import (
	"errors"
	"fmt"
	"strings"
)

// Ways to parse a reply.
const (
	modePaper  = "paper"
	modeStrict = "strict"
)

// parsed is what was read out of a reply.
type parsed struct {
	preference, attribution string
	fellBack                bool // the reference's answer to what it can't read: the explanation itself
}

// parsePaper reads a reply as the reference does: the second and third lines without their first
// three characters, whatever these are. With fewer lines both fields become the explanation; its
// repair of one-line replies never runs, since Python's str has no contains.
func parsePaper(reply, explanation string) parsed {
	lines := strings.Split(reply, "\n")
	if len(lines) < 3 {
		return parsed{explanation, explanation, true}
	}
	return parsed{preference: afterThree(lines[1]), attribution: afterThree(lines[2])}
}

// afterThree drops a line's first three characters.
func afterThree(line string) string {
	runes := []rune(line)
	return string(runes[min(3, len(runes)):])
}

// Why a reply can't be used.
var (
	errNoFirst    = errors.New("no line begins with number 1")
	errNoSecond   = errors.New("the line after the first does not begin with number 2")
	errUnfinished = errors.New("the reply reached its maximum length")
	errEmpty      = errors.New("a sentence is empty")
	errTemplate   = errors.New("the reply repeats the template")
	errSame       = errors.New("both sentences are identical")
	errLeaked     = errors.New("the reply leaks words of the prompt's examples")
)

// parseStrict reads two numbered sentences on lines of their own; what stands before them (a
// greeting) or after is left out. cut says that the reply has as many tokens as it may.
func parseStrict(reply string, truncated bool) (parsed, error) {
	lines := numberedLines(reply)
	second := len(lines) > 1 && strings.HasPrefix(lines[1], "2.")
	switch {
	case len(lines) == 0:
		return parsed{}, errNoFirst
	case len(lines) < 2 && truncated:
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

// numberedLines are the lines of a reply that say something, from the one that begins with 1. on,
// without blanks at their ends.
func numberedLines(reply string) []string {
	var out []string
	for line := range strings.FieldsFuncSeq(reply, func(r rune) bool { return r == '\n' || r == '\r' }) {
		line = strings.TrimSpace(line)
		if line != "" && (len(out) > 0 || strings.HasPrefix(line, "1.")) {
			out = append(out, line)
		}
	}
	return out
}

// check refuses sentences that are none.
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

// sentence is a numbered line without its number.
func sentence(line string) string {
	return strings.TrimSpace(line[len("1."):])
}

// isTemplate says whether a sentence still has the template's placeholders.
func isTemplate(sentence string) bool {
	return strings.Contains(strings.ToLower(sentence), "xxx") || strings.ContainsAny(sentence, "[]<>{}")
}

// leakedWord names the first of the examples' own words in a rationale that its explanation doesn't
// have, or "".
func leakedWord(p parsed, explanation string, exampleWords map[string]bool) string {
	generated := stemSet(explanation)
	for _, word := range contentWords(p.preference + " " + p.attribution) {
		if s := stem(word); exampleWords[s] && !generated[s] {
			return word
		}
	}
	return ""
}

// parse parses a reply in the given way; the error says why it can't be used.
func parse(mode string, reply Reply, explanation string, settings parseSettings) (parsed, error) {
	if mode == modePaper {
		return parsePaper(reply.Text, explanation), nil
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

// parseSettings is what parsing a reply hangs on beside the reply.
type parseSettings struct {
	maxTokens    int
	exampleWords map[string]bool // stems of the examples' own words
}
