package review

import (
	"embed"
	"fmt"
	"strings"
	"unicode"

	"rdrec/internal/spec"
)

// wordLists has a folder of word lists for each language: opinion words, stop words, common words
// and determiners.
//
//go:embed words
var wordLists embed.FS

// language is a row of the table of languages with word lists.
type language struct {
	name string
	// adverb is an ending of words that name no feature; "" for none.
	adverb string
}

// languages is the table of the languages with word lists, the default first; spec.Languages has
// their names, too.
func languages() []language { return []language{{"en", "ly"}, {"de", ""}} }

// findLanguage returns a row of the table; the empty name is the default.
func findLanguage(name string) (language, bool) {
	for _, l := range languages() {
		if l.name == name || name == "" {
			return l, true
		}
	}
	return language{}, false
}

// checkLanguage rejects a language that has neither lists nor the fallback.
func checkLanguage(name string) error {
	if _, ok := findLanguage(name); !ok && name != spec.OtherLanguage {
		return fmt.Errorf("language %q is not one of %s", name, strings.Join(spec.Languages(), ", "))
	}
	return nil
}

// words returns one of the language's lists.
func (l language) words(list string) map[string]bool {
	text, err := wordLists.ReadFile("words/" + l.name + "/" + list + ".txt")
	if err != nil {
		panic(fmt.Sprintf("review: no list of %s words of language %q", list, l.name)) // the lists are embedded
	}
	return wordSet(string(text))
}

// itemWordExtractor works without word lists, in any language: it returns the first sentence with
// an item word, a word of the lexicon. The feature is the sentence's most frequent item word, of
// equals the first.
type itemWordExtractor struct {
	cleaner
	lexicon Lexicon
}

// Extract returns the first sentence with an item word.
func (x itemWordExtractor) Extract(text, _ string) (explanation, feature string, ok bool) {
	for _, s := range sentences(x.text(text)) {
		words, size := units(s)
		if size < minWords || size > maxWords || len(s) > maxBytes {
			continue
		}
		for _, w := range words {
			if x.lexicon[w] > x.lexicon[feature] {
				explanation, feature = s, w
			}
		}
		if feature != "" {
			return explanation, feature, true
		}
	}
	return "", "", false
}

// units returns the words of a sentence, and the sentence's length in words. In scripts without
// spaces, each pair of adjacent characters counts as a word, and two characters have the length of
// one.
func units(s string) (words []string, size int) {
	chars := 0
	for _, w := range wordsOf(s) {
		spaced, last := "", rune(0)
		for _, r := range w {
			if !withoutSpaces(r) {
				spaced, last = spaced+string(r), 0
				continue
			}
			chars++
			if last != 0 {
				words = append(words, string(last)+string(r))
			}
			last = r
		}
		if spaced != "" {
			words, size = append(words, spaced), size+1
		}
	}
	return words, size + (chars+1)/2
}

// withoutSpaces reports whether a character belongs to a script that writes no spaces.
func withoutSpaces(r rune) bool {
	return r >= 0x0e00 && unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana,
		unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar)
}

// itemWords returns the words of a text that could be item words, each once.
func (c cleaner) itemWords(text string) []string {
	var list []string
	seen := map[string]bool{}
	for _, s := range sentences(c.text(text)) {
		words, _ := units(s)
		for _, w := range words {
			short := len(w) < 3 || len(w) > 60
			if digits := strings.IndexFunc(w, unicode.IsDigit) >= 0; !short && !digits && !seen[w] {
				seen[w] = true
				list = append(list, w)
			}
		}
	}
	return list
}

// stopCounts returns the number of words of a text, and how many of them are stop words of each
// language.
func stopCounts(c cleaner, stop []map[string]bool, text string) string {
	counts := make([]int, 1+len(stop))
	for _, s := range sentences(c.text(text)) {
		words, size := units(s)
		counts[0] += size
		for _, w := range words {
			for i, list := range stop {
				if list[w] {
					counts[1+i]++
				}
			}
		}
	}
	return strings.Trim(fmt.Sprint(counts), "[]")
}
