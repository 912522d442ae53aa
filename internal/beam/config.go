package beam

import (
	"errors"
	"fmt"
)

// Config holds the arguments of the reference's beam_search.
type Config struct {
	// NumBeams is the number of beams of a row, in NumBeamGroups groups of equal size.
	NumBeams      int `json:"num_beams"`
	NumBeamGroups int `json:"num_beam_groups"`
	// NumReturnSequences is the number of sequences returned for a row, at most NumBeams.
	NumReturnSequences int `json:"num_return_sequences"`
	// MinLength and MaxLength bound the length of a sequence, start token included: below MinLength
	// the end token is suppressed, so 10 means at least 9 other tokens.
	MinLength int `json:"min_length"`
	MaxLength int `json:"max_length"`
	// EarlyStopping ends a group once it has as many finished sequences as beams. Without it, a
	// group also continues while a better sequence is possible.
	EarlyStopping bool `json:"early_stopping"`
	// DiversityPenalty is subtracted from a token's log-probability once for each beam of the
	// earlier groups that chose the token in the same step; 0 or less disables it.
	DiversityPenalty float64 `json:"diversity_penalty"`
	// RepetitionPenalty multiplies the log-probability of each token that is already in the
	// sequence; 1 disables it. Both penalties need several groups, as in the reference.
	RepetitionPenalty float64 `json:"repetition_penalty"`
	// BadWords are token sequences that are never completed.
	BadWords [][]int32 `json:"bad_words,omitempty"`
}

// DefaultConfig returns the defaults of the reference's beam_search.
func DefaultConfig() Config {
	return Config{
		NumBeams: 20, NumBeamGroups: 1, NumReturnSequences: 20,
		MinLength: 1, MaxLength: 50, EarlyStopping: true, RepetitionPenalty: 1,
	}
}

// Validate returns all problems of the configuration for a vocabulary size and an end token.
func (c Config) Validate(vocabulary int, end int32) error {
	var problems []error
	require := func(ok bool, format string, args ...any) {
		if !ok {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	require(c.NumBeams >= 1, "%d beams: at least 1 is needed", c.NumBeams)
	require(c.NumBeamGroups >= 1 && c.NumBeams%max(c.NumBeamGroups, 1) == 0,
		"%d beams are not divisible into %d groups", c.NumBeams, c.NumBeamGroups)
	require(c.NumReturnSequences >= 1 && c.NumReturnSequences <= c.NumBeams,
		"%d sequences to return of %d beams", c.NumReturnSequences, c.NumBeams)
	require(c.MinLength >= 0, "minimum length %d is negative", c.MinLength)
	require(c.MaxLength >= 2, "maximum length %d: at least 2 is needed", c.MaxLength)
	require(c.RepetitionPenalty > 0, "repetition penalty %g is not positive", c.RepetitionPenalty)
	require(2*c.NumBeams <= vocabulary, "%d beams for a vocabulary of %d", c.NumBeams, vocabulary)
	for _, word := range c.BadWords {
		require(len(word) > 0, "an empty bad word")
		for _, token := range word {
			require(token >= 0 && int(token) < vocabulary, "token %d of bad word %v is outside of the vocabulary of %d",
				token, word, vocabulary)
		}
	}
	require(c.BadWords == nil || len(c.badWords(end)) > 0, "no bad words in %v but the end token", c.BadWords)
	return errors.Join(problems...)
}

// badWords returns BadWords without the end token, which cannot be suppressed.
func (c Config) badWords(end int32) [][]int32 {
	var words [][]int32
	for _, word := range c.BadWords {
		if len(word) != 1 || word[0] != end {
			words = append(words, word)
		}
	}
	return words
}

// groupCounts returns the number of groups to search and the number of groups that each of them
// represents. Without a diversity penalty all groups find the same sequences, so one is searched
// and counted NumBeamGroups times (docs/deviations.md 10).
func (c Config) groupCounts() (searched, copies int) {
	if c.hasDiversityPenalty() {
		return c.NumBeamGroups, 1
	}
	return 1, c.NumBeamGroups
}

func (c Config) hasDiversityPenalty() bool { return c.NumBeamGroups > 1 && c.DiversityPenalty > 0 }

func (c Config) hasRepetitionPenalty() bool {
	return c.NumBeamGroups > 1 && c.RepetitionPenalty != 1
}
