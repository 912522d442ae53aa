package recommend

import (
	"errors"
	"fmt"
)

// Beam says how a batch is searched; the fields are the arguments of the reference's beam_search.
type Beam struct {
	// Beams is how many sequences go on side by side in a row, in Groups groups of equal size.
	Beams, Groups int
	// Return is how many sequences a row returns, at most Beams.
	Return int
	// MinLength and MaxLength bound a sequence with its start token: below MinLength no end token is generated, so 10 means at
	// least 9 other tokens.
	MinLength, MaxLength int
	// Early ends a row as soon as as many sequences as beams have ended; otherwise also when no better one can be expected.
	Early bool
	// Diversity is taken from the log-probability of a token for each beam of the groups before that has just chosen it; not
	// positive means none. Repetition multiplies the log-probability of each token that the sequence has; 1 means none. Both act
	// where there are groups, as in the reference.
	Diversity, Repetition float64
	// BadWords are sequences of tokens that are never completed.
	BadWords [][]int32
}

// DefaultBeam returns the defaults of the reference's beam_search.
func DefaultBeam() Beam {
	return Beam{Beams: 20, Groups: 1, Return: 20, MinLength: 1, MaxLength: 50, Early: true, Repetition: 1}
}

// Check returns all faults of the settings for a vocabulary of so many tokens with the given end token.
func (b Beam) Check(vocabulary int, end int32) error {
	var faults []error
	demand := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	demand(b.Beams >= 1, "%d beams: at least 1 is needed", b.Beams)
	demand(b.Groups >= 1 && b.Beams%max(b.Groups, 1) == 0, "%d beams do not fall into %d equal groups", b.Beams, b.Groups)
	demand(b.Return >= 1 && b.Return <= b.Beams, "%d sequences to return of %d beams", b.Return, b.Beams)
	demand(b.MinLength >= 0, "minimum length %d is negative", b.MinLength)
	demand(b.MaxLength >= 2, "maximum length %d: at least 2 is needed", b.MaxLength)
	demand(b.Repetition > 0, "repetition penalty %g is not positive", b.Repetition)
	demand(2*b.Beams <= vocabulary, "%d beams for a vocabulary of %d", b.Beams, vocabulary)
	for _, word := range b.BadWords {
		demand(len(word) > 0, "an empty bad word")
		for _, token := range word {
			demand(token >= 0 && int(token) < vocabulary, "token %d of bad word %v is outside of the vocabulary of %d",
				token, word, vocabulary)
		}
	}
	demand(b.BadWords == nil || len(b.badWords(end)) > 0, "no bad words in %v but the end token", b.BadWords)
	return errors.Join(faults...)
}

// badWords is BadWords without the end token, which may not be forbidden.
func (b Beam) badWords(end int32) [][]int32 {
	var words [][]int32
	for _, word := range b.BadWords {
		if len(word) != 1 || word[0] != end {
			words = append(words, word)
		}
	}
	return words
}

// groups is how many groups are searched, and how many of Groups each of them stands for: without a diversity penalty all groups
// find the same, so one is searched and counted Groups times (REFERENCE.md 10).
func (b Beam) groups() (searched, copies int) {
	if b.diverse() {
		return b.Groups, 1
	}
	return 1, b.Groups
}

func (b Beam) diverse() bool { return b.Groups > 1 && b.Diversity > 0 }

func (b Beam) repetitive() bool { return b.Groups > 1 && b.Repetition != 1 }
