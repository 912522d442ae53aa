package review_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/review"
)

// extracted returns the explanation and feature of a method, "" if there is none.
func extracted(t *testing.T, method, text, summary string) (explanation, feature string) {
	t.Helper()
	lexicon := review.Lexicon{"scent": 90, "hair": 120, "price": 200, "skin": 90}
	extractor, err := review.NewExtractor(method, "", lexicon)
	if err != nil {
		t.Fatal(err)
	}
	explanation, feature, ok := extractor.Extract(text, summary)
	if ok != (explanation != "") {
		t.Errorf("%q: explanation %q, ok %t", text+summary, explanation, ok)
	}
	return explanation, feature
}

// TestTheBetterSentenceWins compares two sentences that differ in one respect. Their order matters
// only if their scores are equal.
func TestTheBetterSentenceWins(t *testing.T) {
	today := func(n int) string { return strings.Repeat(" today", n) }
	const first, second = true, false
	for _, c := range []struct {
		why, one, other string
		wins            bool
	}{
		{"equals", "The scent is so nice today.", "My hair is so nice today.", first},
		{"equals, the other way round", "My hair is so nice today.", "The scent is so nice today.", first},
		{"2 less for a question", "The scent is so nice today?", "My hair is so nice today.", second},
		{"a question is last", "My hair is so nice today.", "The scent is so nice today?", first},
		{
			"a question with two opinions is no better",
			"My hair is so nice today.", "The scent is nice and fresh?", first,
		},
		{"3 for an opinion", "The scent is so so today.", "My hair is so nice today.", second},
		{"1 for a second opinion", "The scent is so nice today.", "My hair is nice and fresh.", second},
		{"0 for a third", "My hair is nice and fresh.", "The scent is nice and fresh, perfect.", first},
		{"1 for a second feature", "The scent is so nice today.", "My hair and skin are nice.", second},
		{"0 for the same feature twice", "The scent is so nice today.", "My hair, hair is so nice.", first},
		{"1 less for a common word", "The price is so nice today.", "The scent is so nice today.", second},
		{"not with another feature", "The price and scent are nice.", "My hair and scent are nice.", first},
		{"whichever comes first", "The scent and price are nice.", "My hair and scent are nice.", first},
		{"1 for 5 words", "The scent is nice.", "My hair is so nice.", second},
		{"0 for 4 words", "So nice scent.", "My hair is nice.", first},
		{"1 for 16 words", "The scent is nice" + today(13) + ".", "My hair is nice" + today(12) + ".", second},
		{"0 for 17 words", "The scent is nice" + today(14) + ".", "My hair is nice" + today(13) + ".", first},
	} {
		got, _ := extracted(t, "sentence", c.one+" "+c.other, "")
		want := c.one
		if c.wins == second {
			want = c.other
		}
		if want = strings.TrimRight(want, ".?"); got != want {
			t.Errorf("%s: %q, want %q", c.why, got, want)
		}
	}
}

// TestLengthsOfExplanations: a sentence has 3 to 30 words, a headline 2 to 30, both at most 240
// bytes.
func TestLengthsOfExplanations(t *testing.T) {
	words := func(n int) string { return "Nice scent" + strings.Repeat(" today", n-2) }
	bytes := func(n int) string { return "Nice scent of " + strings.Repeat("x", n-14) }
	for _, c := range []struct {
		method, text string
		usable       bool
	}{
		{"sentence", words(2), false},
		{"sentence", words(3), true},
		{"sentence", words(30), true},
		{"sentence", words(31), false},
		{"sentence", bytes(240), true},
		{"sentence", bytes(241), false},
		{"summary", "Scent", false},
		{"summary", words(2), true},
		{"summary", words(30), true},
		{"summary", words(31), false},
		{"summary", bytes(240), true},
		{"summary", bytes(241), false},
		{"summary", "One star", false},
		{"summary", "4 stars", false},
		{"summary", "Stars everywhere", true},
		{"summary", "Three whole stars", true},
	} {
		text, summary := c.text, ""
		if c.method == "summary" {
			text, summary = "", c.text
		}
		want := ""
		if c.usable {
			want = c.text
		}
		if got, _ := extracted(t, c.method, text, summary); got != want {
			t.Errorf("%s of %d words and %d bytes: %q, want %q",
				c.method, len(strings.Fields(c.text)), len(c.text), got, want)
		}
	}
}

// TestTheFeatureNearestToAnOpinion: of equally near features, one that is not a common word wins,
// then the more frequent, then the first.
func TestTheFeatureNearestToAnOpinion(t *testing.T) {
	for text, want := range map[string]string{
		"The scent is for my soft hair":    "hair",
		"My hair is soft, with some scent": "hair",
		"Scent nice hair":                  "hair", // 120 reviews against 90
		"Hair nice scent":                  "hair",
		"Skin nice scent":                  "skin", // 90 reviews each
		"Scent nice skin":                  "scent",
		"Price nice scent":                 "scent", // a common word, however frequent
		"Scent nice price":                 "scent",
		"Price nice the scent":             "price", // nearer
		"Nice scent, so so hair, nice":     "hair",  // 1 from either
		"Scent and hair and skin":          "hair",  // no opinion at all
	} {
		if _, got := extracted(t, "sentence", text, ""); got != want {
			t.Errorf("%q is about %q, want %q", text, got, want)
		}
	}
}

// TestFeatureWords: words of 3 to 30 letters that are not stop words, opinions, adverbs or numbers;
// "+" where they are used like nouns.
func TestFeatureWords(t *testing.T) {
	for text, want := range map[string]string{
		"The scent":                      "scent +scent",
		"Scent":                          "scent",
		"Nice scent":                     "scent +scent",
		"My scent bottle":                "scent bottle", // not a noun: a content word follows "scent"
		"The scent is here":              "scent +scent",
		"Scent. The scent. Scent":        "scent +scent",
		"the ab":                         "",
		"the abc":                        "abc +abc",
		"the " + strings.Repeat("z", 30): strings.Repeat("z", 30) + " +" + strings.Repeat("z", 30),
		"the " + strings.Repeat("z", 31): "",
		"the quietly":                    "",
		"the a1b and the b90":            "",
		"the c0lour":                     "",
	} {
		if got := strings.Join(review.FeatureWords(text), " "); got != want {
			t.Errorf("feature words of %q are %q, want %q", text, got, want)
		}
	}
}

// TestLexiconByHand: a word is a feature if at least three training reviews use it like a noun, and
// at least a quarter of those that contain it.
func TestLexiconByHand(t *testing.T) {
	for _, c := range []struct {
		nouns, others int
		want          int
	}{{2, 0, 0}, {3, 0, 1}, {3, 9, 1}, {3, 10, 0}, {4, 12, 1}} {
		var lines strings.Builder
		add := func(user int, item, text string, second int) {
			fmt.Fprintf(&lines, `{"reviewerID": "u%02d", "asin": %q, "unixReviewTime": %d, "reviewText": %q}`+"\n",
				user, item, second, text)
		}
		for user := range c.nouns + c.others {
			text := "The scent is here."
			if user >= c.nouns {
				text = "Scent is here."
			}
			add(user, "x", text, 1)
			add(user, "y", "The color.", 2) // held out for validation: does not count
			add(user, "z", "The color.", 3) // held out for testing: does not count
		}
		if _, sum := importInto(t, options(writeFile(t, "words.json", lines.String()))); sum.Features != c.want {
			t.Errorf("%d reviews with a noun and %d without: %d features, want %d",
				c.nouns, c.others, sum.Features, c.want)
		}
	}
}

// TestTitlesOfTwoHundredRunes: 200 runes stay; of 201, an ellipsis replaces the last two.
func TestTitlesOfTwoHundredRunes(t *testing.T) {
	for n, want := range map[int]string{
		199: strings.Repeat("é", 199), 200: strings.Repeat("é", 200), 201: strings.Repeat("é", 199) + "…",
	} {
		if got := review.Title(strings.Repeat("é", n)); got != want {
			t.Errorf("a title of %d runes has %d, want %d", n, len([]rune(got)), len([]rune(want)))
		}
	}
}

// TestTagsOfFiveHundredBytes: a longer tag is text.
func TestTagsOfFiveHundredBytes(t *testing.T) {
	tag := func(n int) string { return "<b " + strings.Repeat("x", n-4) + ">" }
	if diff := cmp.Diff([]string{"One two"}, review.Sentences("One"+tag(500)+"two")); diff != "" {
		t.Errorf("500 bytes (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"One" + tag(501) + "two"}, review.Sentences("One"+tag(501)+"two")); diff != "" {
		t.Errorf("501 bytes (-want +got):\n%s", diff)
	}
}
