package beam

import (
	"math"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

// TestBadWords: the end token alone is never a bad word, and a word is suppressed when only its
// last token is missing.
func TestBadWords(t *testing.T) {
	b := Config{BadWords: [][]int32{{endToken}, {5}, {5, endToken}}}
	if diff := gocmp.Diff([][]int32{{5}, {5, endToken}}, b.badWords(endToken)); diff != "" {
		t.Errorf("bad words (-want +got):\n%s", diff)
	}
	for _, c := range []struct {
		tokens, word []int32
		want         bool
	}{
		{nil, []int32{5}, true},
		{nil, []int32{5, 6}, false},
		{[]int32{5}, []int32{5, 6}, true},
		{[]int32{6}, []int32{5, 6}, false},
		{[]int32{5, 9}, []int32{5, 6}, false},
		{[]int32{9, 5}, []int32{5, 6}, true},
		{[]int32{5}, []int32{9, 5, 6}, false},
		{[]int32{9, 5}, []int32{9, 5, 6}, true},
	} {
		if got := completesBadWord(c.tokens, c.word); got != c.want {
			t.Errorf("%v before the end of %v: %t, want %t", c.tokens, c.word, got, c.want)
		}
	}
}

// TestValidate sets each field to its limit and beyond.
func TestValidate(t *testing.T) {
	with := func(change func(b *Config)) Config {
		b := Config{NumBeams: 6, NumBeamGroups: 3, NumReturnSequences: 6, MaxLength: 2, RepetitionPenalty: 1}
		change(&b)
		return b
	}
	for name, c := range map[string]struct {
		beam       Config
		vocabulary int
		want       string
	}{
		"all at their limits":  {with(func(*Config) {}), 12, ""},
		"a smaller vocabulary": {with(func(*Config) {}), 11, "6 beams for a vocabulary of 11"},
		"one beam": {
			with(func(b *Config) { b.NumBeams, b.NumBeamGroups, b.NumReturnSequences = 1, 1, 1 }), 2, "",
		},
		"no beam": {
			with(func(b *Config) { b.NumBeams, b.NumReturnSequences = 0, 1 }), 12,
			"0 beams: at least 1 is needed\n1 sequences to return of 0 beams",
		},
		"no group": {
			with(func(b *Config) { b.NumBeamGroups = 0 }), 12,
			"6 beams are not divisible into 0 groups",
		},
		"unequal groups": {
			with(func(b *Config) { b.NumBeamGroups = 4 }), 12,
			"6 beams are not divisible into 4 groups",
		},
		"none to return": {
			with(func(b *Config) { b.NumReturnSequences = 0 }), 12,
			"0 sequences to return of 6 beams",
		},
		"one to return": {with(func(b *Config) { b.NumReturnSequences = 1 }), 12, ""},
		"too many to return": {
			with(func(b *Config) { b.NumReturnSequences = 7 }), 12,
			"7 sequences to return of 6 beams",
		},
		"a negative length": {with(func(b *Config) { b.MinLength = -1 }), 12, "minimum length -1 is negative"},
		"a length of one": {
			with(func(b *Config) { b.MaxLength = 1 }), 12,
			"maximum length 1: at least 2 is needed",
		},
		"no repetition": {
			with(func(b *Config) { b.RepetitionPenalty = 0 }), 12,
			"repetition penalty 0 is not positive",
		},
		"little repetition": {with(func(b *Config) { b.RepetitionPenalty = 1e-9 }), 12, ""},
		"the last token":    {with(func(b *Config) { b.BadWords = [][]int32{{11}, {0, 11}} }), 12, ""},
		"a token beyond": {
			with(func(b *Config) { b.BadWords = [][]int32{{0, 12}} }), 12,
			"token 12 of bad word [0 12] is outside of the vocabulary of 12",
		},
		"a token before": {
			with(func(b *Config) { b.BadWords = [][]int32{{-1}} }), 12,
			"token -1 of bad word [-1] is outside of the vocabulary of 12",
		},
		"an empty word": {with(func(b *Config) { b.BadWords = [][]int32{{}} }), 12, "an empty bad word"},
		"no bad words": {
			with(func(b *Config) { b.BadWords = [][]int32{} }), 12, "no bad words in [] but the end token",
		},
		"only the end token": {
			with(func(b *Config) { b.BadWords = [][]int32{{endToken}} }), 12, "no bad words in [[1]] but the end token",
		},
		"the end token and a one": {with(func(b *Config) { b.BadWords = [][]int32{{endToken}, {5}} }), 12, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := ""
			if err := c.beam.Validate(c.vocabulary, endToken); err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("error %q, want %q", got, c.want)
			}
		})
	}
}

// TestGroupCounts: groups are searched once unless a diversity penalty makes them differ.
func TestGroupCounts(t *testing.T) {
	for _, c := range []struct {
		beam             Config
		searched, copies int
		repetitive       bool
	}{
		{Config{NumBeamGroups: 1, RepetitionPenalty: 2, DiversityPenalty: 1}, 1, 1, false},
		{Config{NumBeamGroups: 3, RepetitionPenalty: 1}, 1, 3, false},
		{Config{NumBeamGroups: 3, RepetitionPenalty: 1, DiversityPenalty: 0.1}, 3, 1, false},
		{Config{NumBeamGroups: 3, RepetitionPenalty: 1, DiversityPenalty: -1}, 1, 3, false},
		{Config{NumBeamGroups: 3, RepetitionPenalty: 2}, 1, 3, true},
		{Config{NumBeamGroups: 2, RepetitionPenalty: 0.5, DiversityPenalty: math.SmallestNonzeroFloat64}, 2, 1, true},
	} {
		searched, copies := c.beam.groupCounts()
		if searched != c.searched || copies != c.copies || c.beam.hasRepetitionPenalty() != c.repetitive {
			t.Errorf("%+v: %d groups for %d, repetition penalty %t",
				c.beam, searched, copies, c.beam.hasRepetitionPenalty())
		}
	}
}
