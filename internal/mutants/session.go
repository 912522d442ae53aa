package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"
)

// session tries mutants.
type session struct {
	*settings
	scratch     string
	sources     []*source
	equivalents equivalents
	writing     sync.Mutex
}

// verdict is the result of one mutant.
type verdict struct {
	*Candidate
	Killed     bool
	Equivalent string   // the listed reason; empty if it is not listed
	Reason     string   // the test or panic that killed it
	TimedOut   bool     // killed by running too long
	Reached    []string // tests that reached it and passed
}

const (
	// slowest is the limit of a test of the package itself.
	slowest = 10 * time.Minute
	// firstBatch is how long the tests of one process take together; each further process may take
	// four times as long.
	firstBatch = 2 * time.Second
)

// try returns the verdicts in the order of the mutants.
func (s *session) try(ctx context.Context, chosen []*Candidate) ([]*verdict, error) {
	var all []*verdict
	for _, source := range s.sources {
		var open []*verdict
		for _, c := range chosen {
			if c.Package == source.folder {
				open = append(open, &verdict{Candidate: c, Equivalent: s.equivalents[c.Key()]})
			}
		}
		all = append(all, open...)
		if err := s.tryPackage(ctx, source, open); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// note prints verdicts as they arrive, if -v is set.
func (s *session) note(verdicts ...*verdict) {
	s.writing.Lock()
	defer s.writing.Unlock()
	for _, v := range verdicts {
		if s.verbose {
			fmt.Fprintln(s.stderr, v)
		}
	}
}

func (s *session) tryPackage(ctx context.Context, mutated *source, verdicts []*verdict) error {
	longest := slowest
	for _, folder := range append([]string{mutated.folder}, further[mutated.folder]...) {
		closed := func(v *verdict) bool { return v.Killed || v.Equivalent != "" }
		open := slices.DeleteFunc(slices.Clone(verdicts), closed)
		if len(open) == 0 {
			break
		}
		if err := s.tryFolder(ctx, mutated, folder, longest, open); err != nil {
			return err
		}
		longest = s.quick
	}
	s.note(slices.DeleteFunc(slices.Clone(verdicts), func(v *verdict) bool { return v.Killed })...)
	return nil
}

// tryFolder runs the tests of one folder against mutants of a package.
func (s *session) tryFolder(
	ctx context.Context, mutated *source, folder string, longest time.Duration, open []*verdict,
) error {
	start := s.now()
	suite, err := s.build(ctx, mutated, folder)
	if err != nil {
		return err
	}
	built := s.now()
	if err := suite.measure(ctx, s.jobs, longest); err != nil {
		return err
	}
	for _, t := range suite.tests {
		if t.Failed && longest == slowest {
			fmt.Fprintf(s.stderr, "warning: %s: %s fails with nothing mutated: it does not count\n", folder, t.Name)
		}
	}
	measured := s.now()
	err = parallel(s.jobs, open, func(v *verdict) error {
		err := suite.try(ctx, v, s.grace)
		if v.Killed {
			s.note(v)
		}
		return err
	})
	fmt.Fprintf(s.stderr, "%s: %d mutants against %d tests of %s: build %.0f s, tests alone %.0f s, mutants %.0f s\n",
		mutated.folder, len(open), len(suite.tests), folder,
		built.Sub(start).Seconds(), measured.Sub(built).Seconds(), s.now().Sub(measured).Seconds())
	return errors.Join(err, suite.clear())
}

// clear removes a suite's files: the binary may take hundreds of megabytes.
func (s *suite) clear() error { return os.RemoveAll(s.scratch) }

// try runs the tests that reach a mutant, quickest first, until one fails.
func (s *suite) try(ctx context.Context, v *verdict, grace time.Duration) error {
	for _, batch := range batches(s.reaching(v.ID)) {
		most := limit{cpu: grace, wall: 3 * grace}
		for _, t := range batch {
			most.cpu += 3 * t.CPU
			most.wall += 5 * t.Time
			v.Reached = append(v.Reached, t.Name)
		}
		done, err := s.run(ctx, batch, most, fmt.Sprintf("RDREC_MUTANT=%d", v.ID))
		if err != nil {
			return err
		}
		if !done.passed {
			v.Killed, v.TimedOut, v.Reason = true, done.timedOut, done.reason
			return nil
		}
	}
	return nil
}

// batches sorts tests by time and splits them, so that one process of many quick tests runs before
// the slow ones.
func batches(tests []*test) [][]*test {
	tests = slices.Clone(tests)
	slices.SortStableFunc(tests, func(a, b *test) int { return cmp.Compare(a.Time, b.Time) })
	var all [][]*test
	size := firstBatch
	for len(tests) > 0 {
		n, total := 1, tests[0].Time
		for n < len(tests) && total+tests[n].Time <= size {
			total += tests[n].Time
			n++
		}
		all, tests, size = append(all, tests[:n]), tests[n:], 4*size
	}
	return all
}
