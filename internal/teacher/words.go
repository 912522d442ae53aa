package teacher

import (
	"strings"
	"sync"
	"unicode"
)

// functionWords carry no content: English grammar, and words of every rationale and of many
// reviews.
const functionWords = `
a about after all also am an and any are as at be because been being both but by can could did do does doing don down during each even
every few for from further get gets got had has have having he her here hers him his how i if in into is it its itself just like ll me
more most much must my myself no nor not now of off on once one only or other our ours out over own re really s same she should so some
such t than that the their theirs them then there these they this those through to too two under until up use used uses using ve very was
we were what when where which while who whom why will with without would you your yours
attribute attributes attribution customer item items prefer preferred preferring prefers product products user users
`

// functionWordSet returns functionWords as a set, built once.
//
//nolint:gochecknoglobals // a table
var functionWordSet = sync.OnceValue(func() map[string]bool {
	set := map[string]bool{}
	for _, word := range strings.Fields(functionWords) {
		set[word] = true
	}
	return set
})

// contentWords returns the words of a text that carry content, in lower case, in order.
func contentWords(text string) []string {
	skip := functionWordSet()
	separator := func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsNumber(r) }
	words := strings.FieldsFunc(strings.ToLower(text), separator)
	out := words[:0]
	for _, word := range words {
		if len(word) > 1 && !skip[word] {
			out = append(out, word)
		}
	}
	return out
}

// stemSet returns the stems of all words of a text.
func stemSet(text string) map[string]bool {
	set := map[string]bool{}
	for _, word := range contentWords(text) {
		set[stem(word)] = true
	}
	return set
}

// stem removes English endings, so that "smells", "smelled" and "smelling" count as one word. It is
// simple, and the same for all teachers.
func stem(word string) string {
	for _, ending := range []string{"ingly", "edly", "ing", "ed", "ies", "es", "ly", "s", "y", "e"} {
		if rest, ok := strings.CutSuffix(word, ending); ok && len(rest) >= 3 {
			word = rest
			break
		}
	}
	if n := len(word); n >= 4 && word[n-1] == word[n-2] && word[n-1] != 's' && word[n-1] != 'l' {
		word = word[:n-1] // stopped, stopping
	}
	return word
}

// exampleWords returns the stems of the words in a prompt's examples.
func exampleWords(all []example) map[string]bool {
	words := map[string]bool{}
	for _, e := range all {
		for s := range stemSet(e.explanation + " " + e.preference + " " + e.attribution) {
			words[s] = true
		}
	}
	return words
}

// grounded counts a rationale's content words, and those of them that its explanation contains.
func grounded(p parsed, explanation string) (words, found int) {
	generated := stemSet(explanation)
	for _, word := range contentWords(p.preference + " " + p.attribution) {
		words++
		if generated[stem(word)] {
			found++
		}
	}
	return words, found
}
