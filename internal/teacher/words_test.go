package teacher_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"rdrec/internal/teacher"
)

func TestStem(t *testing.T) {
	for word, want := range map[string]string{
		// each ending; if two fit, the first one tried
		"surprisingly": "surpris", "excitedly": "excit", "smelling": "smell", "smelled": "smell", "batteries": "batter",
		"boxes": "box", "softly": "soft", "smells": "smell", "battery": "batter", "surprise": "surpris",
		"surprised": "surpris",
		// at least three letters remain
		"adding": "add", "string": "str", "bring": "bring", "added": "add", "used": "used", "uses": "use",
		"ties": "tie",
		"rely": "rel", "eye": "eye", "gas": "gas", "pies": "pie", "shyly": "shy",
		// doubled consonants in words of four letters or more, except s and l
		"stopped": "stop", "stopping": "stop", "stops": "stop", "runny": "run", "eggs": "egg", "odd": "odd",
		"misses":  "miss",
		"missing": "miss", "call": "call", "calls": "call", "buzz": "buz",
		// unchanged
		"soap": "soap", "trumpet": "trumpet",
	} {
		if got := teacher.Stem(word); got != want {
			t.Errorf("%q: stem %q, want %q", word, got, want)
		}
	}
}

func TestContentWords(t *testing.T) {
	for text, want := range map[string][]string{
		"I can't believe: it's 5 or 50 TVs, x-ray & é-ok!": {"believe", "50", "tvs", "ray", "é", "ok"},
		"The user prefers ITEMS with 2½ stars":             {"2½", "stars"},
		"the soap, the soap":                               {"soap", "soap"},
		" .. ":                                             {},
	} {
		if diff := cmp.Diff(want, teacher.ContentWords(text), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
}
