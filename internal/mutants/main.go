// Command mutants measures whether the tests of the core packages notice when the code breaks. In:
// the packages, a number of mutants and a seed; out: the mutants that no test kills, and a table by
// package. Steps: find every candidate mutation in the type-checked syntax, sample, rewrite each
// package once with all its candidates behind an id (mutant schemata), build one test binary with
// an overlay, run each test alone to measure its time and the candidates it reaches, then run the
// tests that reach a mutant with its id switched on, quickest first, until one fails. No file of
// the tree is changed.
//
// We tried gremlins v0.6 and go-mutesting (avito-tech) first. gremlins builds and links every
// mutant anew (5 s with libtorch), drops no plain statements, and supports neither seeded samples,
// nor coverage by test, nor a list of equivalents. go-mutesting is not on the module proxy and also
// builds every mutant.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// settings are the command's flags.
type settings struct {
	count       int           // mutants to sample; 0 means all
	seed        uint64        // of the sample
	packages    string        // comma-separated folders; empty means the core packages
	tests       string        // regular expression of the tests that count
	only        string        // file:line, whose mutants are all tried
	equivalents string        // file of the mutants that no test can kill
	jobs        int           // processes at a time
	grace       time.Duration // processor time of a mutant's tests beyond three times their own
	quick       time.Duration // longest test of a further package that counts
	least       float64       // fraction of the non-equivalent mutants that must be killed
	list        bool          // print the candidates and stop
	verbose     bool          // print each mutant's verdict
	now         func() time.Time
	stdout      io.Writer
	stderr      io.Writer
}

func parse(args []string, stdout, stderr io.Writer) (*settings, error) {
	s := &settings{now: time.Now, stdout: stdout, stderr: stderr}
	flags := flag.NewFlagSet("mutants", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.IntVar(&s.count, "n", 100, "mutants to sample, at most one a line; 0 means all, several a line")
	flags.Uint64Var(&s.seed, "seed", 1, "seed of the sample")
	flags.StringVar(&s.packages, "packages", "", "comma-separated package folders (default: the core packages)")
	flags.StringVar(&s.tests, "run", ".", "regular expression of the tests that count")
	flags.StringVar(&s.only, "only", "", "file:line: try every mutant of this line")
	flags.StringVar(&s.equivalents, "equivalents", "internal/mutants/equivalents.txt", "file of the equivalent mutants")
	flags.IntVar(&s.jobs, "jobs", 2, "test processes at a time")
	flags.DurationVar(&s.grace, "grace", 10*time.Second, "processor time of tests beyond three times their own")
	flags.DurationVar(&s.quick, "quick", 15*time.Second, "longest test of a further package that counts")
	flags.Float64Var(&s.least, "min", 0.9, "fail if a smaller fraction of the non-equivalent mutants is killed")
	flags.BoolVar(&s.list, "list", false, "print the candidates and stop")
	flags.BoolVar(&s.verbose, "v", false, "print every mutant's verdict")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("unknown argument %q", flags.Arg(0))
	}
	if s.jobs < 1 {
		return nil, fmt.Errorf("-jobs %d is less than 1", s.jobs)
	}
	return s, nil
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	s, err := parse(args, stdout, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	list, err := readEquivalents(s.equivalents)
	if err != nil {
		return err
	}
	sources, err := load(ctx, s.folders())
	if err != nil {
		return err
	}
	all := candidates(sources)
	chosen, err := s.choose(all)
	if err != nil {
		return err
	}
	if s.list {
		for _, c := range chosen {
			fmt.Fprintf(stdout, "%s\n\t%s\n", c, c.Key())
		}
		return nil
	}
	verdicts, err := s.try(ctx, sources, list, chosen)
	if err != nil {
		return err
	}
	report(stdout, verdicts, list.stale(all, s.folders()))
	if share := tally(verdicts).share(); share < s.least {
		return fmt.Errorf("%.1f%% of the mutants are killed, less than %.1f%%", 100*share, 100*s.least)
	}
	return nil
}

// try runs the tests against the chosen mutants in a scratch folder.
func (s *settings) try(
	ctx context.Context, sources []*source, list equivalents, chosen []*Candidate,
) (verdicts []*verdict, err error) {
	scratch, err := os.MkdirTemp("", "mutants-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	return (&session{settings: s, scratch: scratch, sources: sources, equivalents: list}).try(ctx, chosen)
}

func candidates(sources []*source) []*Candidate {
	var all []*Candidate
	for _, s := range sources {
		all = append(all, s.candidates()...)
	}
	return all
}

// folders returns the packages to mutate.
func (s *settings) folders() []string {
	switch {
	case s.packages != "":
		return strings.Split(s.packages, ",")
	case s.only != "":
		return []string{folderOf(s.only)}
	}
	return core
}

// core lists the packages that are mutated by default.
var core = []string{
	"activities", "registry", "storage", "internal/audit", "internal/baseline", "internal/beam", "internal/dataset",
	"internal/indexing", "internal/metric", "internal/optim", "internal/prediction", "internal/recommend",
	"internal/review", "internal/sasrec", "internal/spec", "internal/t5", "internal/task", "internal/teacher",
	"internal/token", "internal/train",
}

// further lists the packages whose tests count after a package's own.
var further = map[string][]string{"activities": {"workflows", "worker"}, "registry": {"activities"}}
