package review

import (
	"fmt"
	"strings"

	"rdrec/internal/spec"
)

// Extractor finds the explanation of a review: a sentence, and the word of the sentence that names
// the feature. ok is false if the review has no usable sentence. An extractor is safe for
// concurrent use.
type Extractor interface {
	Extract(text, summary string) (explanation, feature string, ok bool)
}

// Lexicon maps the words that name features in this shop's reviews to the number of reviews in
// which they do.
type Lexicon map[string]int

// extractorMethod is a row of the table of extractors.
type extractorMethod struct {
	name string
	make func(language, Lexicon) Extractor
}

// methods is the table of extractors; spec.Extractors has their names. RDRec's data came from the
// Sentires tool, which parses sentences with a grammar; "sentence" replaces it and only counts
// words.
func methods() []extractorMethod {
	return []extractorMethod{
		{"sentence", func(in language, l Lexicon) Extractor { return sentenceExtractor{newScorer(in, l)} }},
		{"summary", func(in language, l Lexicon) Extractor { return summaryExtractor{newScorer(in, l)} }},
		{spec.NoExtractor, func(language, Lexicon) Extractor { return noExtractor{} }},
	}
}

func findExtractor(name string) (func(language, Lexicon) Extractor, error) {
	for _, m := range methods() {
		if m.name == name {
			return m.make, nil
		}
	}
	return nil, fmt.Errorf("extractor %q is not one of %s", name, strings.Join(spec.Extractors(), ", "))
}

// NewExtractor returns the named extractor for the features of a lexicon, with the word lists of a
// language; "" means English. [spec.OtherLanguage] has no lists, so that sentences are found by
// item words alone.
func NewExtractor(name, in string, lexicon Lexicon) (Extractor, error) {
	create, err := findExtractor(name)
	if err != nil {
		return nil, err
	}
	lists, ok := findLanguage(in)
	switch {
	case ok:
		return create(lists, lexicon), nil
	case name == "summary":
		return create(languages()[0], lexicon), nil // which needs words only for "five stars"
	default:
		return itemWordExtractor{newCleaner(), lexicon}, nil
	}
}

// noExtractor finds nothing.
type noExtractor struct{}

// Extract finds nothing.
func (noExtractor) Extract(string, string) (explanation, feature string, ok bool) {
	return "", "", false
}

// wordSet parses a list of words.
func wordSet(list string) map[string]bool {
	set := map[string]bool{}
	for line := range strings.Lines(list) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		for _, word := range strings.Fields(line) {
			set[word] = true
		}
	}
	return set
}

// scorer scores sentences.
type scorer struct {
	cleaner
	language
	lexicon              Lexicon
	opinion, stop, minor map[string]bool
	determiner           map[string]bool
}

func newScorer(in language, lexicon Lexicon) scorer {
	return scorer{
		newCleaner(), in, lexicon, in.words("opinion"), in.words("stop"), in.words("common"), in.words("determiner"),
	}
}

// sentenceExtractor returns the review's best sentence: one that names a feature and has an opinion
// about it. Scores: 4 for a feature, 1 for a second, minus 1 if all features are common words
// (price, box); 3 for an opinion word, 1 for a second; 1 for 5 to 16 words; minus 2 for a question.
// The first of equals wins. The feature is the word of the lexicon nearest to an opinion word; of
// equals, one that is not a common word, then the more frequent, then the first.
type sentenceExtractor struct{ scorer }

// Extract returns the sentence with the highest score.
func (x sentenceExtractor) Extract(text, _ string) (explanation, feature string, ok bool) {
	best := 0
	for _, s := range sentences(x.text(text)) {
		words := wordsOf(s)
		if !usable(s, words) {
			continue
		}
		found := x.score(words)
		if found.feature == "" {
			continue
		}
		if strings.Contains(text, s+"?") {
			found.score -= 2
		}
		if found.score > best {
			best, explanation, feature = found.score, s, found.feature
		}
	}
	return explanation, feature, best > 0
}

// summaryExtractor returns the review's headline, unless it only states the stars ("Five Stars");
// the feature may be missing.
type summaryExtractor struct{ scorer }

// Extract returns the headline.
func (x summaryExtractor) Extract(_, summary string) (explanation, feature string, ok bool) {
	list := sentences(strings.ReplaceAll(x.text(summary), "\n", " "))
	if len(list) == 0 {
		return "", "", false
	}
	s := strings.Join(list, ". ")
	words := wordsOf(s)
	if len(words) < 2 || len(words) > maxWords || len(s) > maxBytes || starsOnly(words) {
		return "", "", false
	}
	return s, x.score(words).feature, true
}

func starsOnly(words []string) bool {
	last := words[len(words)-1]
	return len(words) == 2 && (last == "stars" || last == "star")
}

// scoredSentence is a sentence's score and feature.
type scoredSentence struct {
	score   int
	feature string
}

// score returns the score and feature of a sentence.
func (s scorer) score(words []string) scoredSentence {
	var opinions, features []int
	major, several := false, 0
	for i, w := range words {
		if s.opinion[w] {
			opinions = append(opinions, i)
		}
		if s.lexicon[w] > 0 {
			features = append(features, i)
			major = major || !s.minor[w]
			if w != words[features[0]] {
				several = 1
			}
		}
	}
	if len(features) == 0 {
		return scoredSentence{}
	}
	score := 4 + several + min(len(opinions), 1)*3 + min(max(len(opinions)-1, 0), 1)
	if !major {
		score--
	}
	if len(words) >= 5 && len(words) <= 16 {
		score++
	}
	return scoredSentence{score, s.nearestFeature(words, features, opinions)}
}

// nearestFeature returns the feature nearest to an opinion word.
func (s scorer) nearestFeature(words []string, features, opinions []int) string {
	best, rank := "", [3]int{}
	for _, at := range features {
		w := words[at]
		far := len(words)
		for _, o := range opinions {
			far = min(far, max(at-o, o-at))
		}
		r := [3]int{far, 0, -s.lexicon[w]}
		if s.minor[w] {
			r[1] = 1
		}
		if best == "" || less(r, rank) {
			best, rank = w, r
		}
	}
	return best
}

func less(a, b [3]int) bool {
	for i := range a {
		if a[i] != b[i] {
			return a[i] < b[i]
		}
	}
	return false
}

// featureWords returns the words of a text that could name a feature, each once. A word that is
// used like a noun at least once is returned a second time, with the prefix "+": after an article,
// a possessive or an opinion word ("the smell", "my skin", "great smell") and before no content
// word.
func (s scorer) featureWords(text string) []string {
	var list []string
	seen := map[string]bool{}
	note := func(w string) {
		if !seen[w] {
			seen[w] = true
			list = append(list, w)
		}
	}
	for _, sentence := range sentences(s.text(text)) {
		words := wordsOf(sentence)
		for i, w := range words {
			if !s.candidate(w) {
				continue
			}
			note(w)
			before := i > 0 && (s.determiner[words[i-1]] || s.opinion[words[i-1]])
			after := i+1 == len(words) || !s.candidate(words[i+1])
			if before && after {
				note("+" + w)
			}
		}
	}
	return list
}

// candidate reports whether a word may name a feature at all.
func (s scorer) candidate(w string) bool {
	adverb := s.adverb != "" && strings.HasSuffix(w, s.adverb)
	if len(w) < 3 || len(w) > 30 || s.stop[w] || s.opinion[w] || adverb {
		return false
	}
	return strings.IndexFunc(w, func(r rune) bool { return r >= '0' && r <= '9' }) < 0
}
