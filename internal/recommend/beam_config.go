package recommend

import (
	"errors"
	"fmt"
)

// BeamConfig says how a batch is searched; the fields are the arguments of the reference's
// beam_search.
type BeamConfig struct {
	// NumBeams is how many sequences go on side by side in a row, in Groups groups of equal size.
	NumBeams, NumBeamGroups int
	// NumReturnSequences is how many sequences a row returns, at most Beams.
	NumReturnSequences int
	// MinLength and MaxLength bound a sequence with its start token: below MinLength no end token
	// is generated, so 10 means at least 9 other tokens.
	MinLength, MaxLength int
	// EarlyStopping ends a row as soon as as many sequences as beams have ended; otherwise also
	// when no better one can be expected.
	EarlyStopping bool
	// DiversityPenalty is taken from the log-probability of a token for each beam of the groups
	// before that has just chosen it; not positive means none. Repetition multiplies the
	// log-probability of each token that the sequence has; 1 means none. Both act where there are
	// groups, as in the reference.
	DiversityPenalty, RepetitionPenalty float64
	// BadWords are sequences of tokens that are never completed.
	BadWords [][]int32
}

// DefaultBeamConfig returns the defaults of the reference's beam_search.
func DefaultBeamConfig() BeamConfig {
	return BeamConfig{NumBeams: 20, NumBeamGroups: 1, NumReturnSequences: 20, MinLength: 1, MaxLength: 50, EarlyStopping: true, RepetitionPenalty: 1}
}

// Validate returns all faults of the settings for a vocabulary of so many tokens with the given end
// token.
func (b BeamConfig) Validate(vocabulary int, end int32) error {
	var problems []error
	require := func(ok bool, format string, args ...any) {
		if !ok {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	require(b.NumBeams >= 1, "%d beams: at least 1 is needed", b.NumBeams)
	require(b.NumBeamGroups >= 1 && b.NumBeams%max(b.NumBeamGroups, 1) == 0, "%d beams are not divisible into %d groups", b.NumBeams, b.NumBeamGroups)
	require(b.NumReturnSequences >= 1 && b.NumReturnSequences <= b.NumBeams, "%d sequences to return of %d beams", b.NumReturnSequences, b.NumBeams)
	require(b.MinLength >= 0, "minimum length %d is negative", b.MinLength)
	require(b.MaxLength >= 2, "maximum length %d: at least 2 is needed", b.MaxLength)
	require(b.RepetitionPenalty > 0, "repetition penalty %g is not positive", b.RepetitionPenalty)
	require(2*b.NumBeams <= vocabulary, "%d beams for a vocabulary of %d", b.NumBeams, vocabulary)
	for _, word := range b.BadWords {
		require(len(word) > 0, "an empty bad word")
		for _, token := range word {
			require(token >= 0 && int(token) < vocabulary, "token %d of bad word %v is outside of the vocabulary of %d",
				token, word, vocabulary)
		}
	}
	require(b.BadWords == nil || len(b.badWords(end)) > 0, "no bad words in %v but the end token", b.BadWords)
	return errors.Join(problems...)
}

// badWords is BadWords without the end token, which may not be forbidden.
func (b BeamConfig) badWords(end int32) [][]int32 {
	var words [][]int32
	for _, word := range b.BadWords {
		if len(word) != 1 || word[0] != end {
			words = append(words, word)
		}
	}
	return words
}

// groupCounts is how many groups are searched, and how many of Groups each of them stands for:
// without a diversity penalty all groups find the same, so one is searched and counted Groups times
// (REFERENCE.md 10).
func (b BeamConfig) groupCounts() (searched, copies int) {
	if b.hasDiversityPenalty() {
		return b.NumBeamGroups, 1
	}
	return 1, b.NumBeamGroups
}

func (b BeamConfig) hasDiversityPenalty() bool { return b.NumBeamGroups > 1 && b.DiversityPenalty > 0 }

func (b BeamConfig) hasRepetitionPenalty() bool {
	return b.NumBeamGroups > 1 && b.RepetitionPenalty != 1
}
