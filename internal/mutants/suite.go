package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"
)

// suite is a test binary of one package in which the candidates of one package can be switched on.
type suite struct {
	folder  string // of the tests
	dir     string // absolute
	binary  string
	scratch string
	overlay string
	mutants int // largest id
	now     func() time.Time
	tests   []*test
}

// test is a top-level test with its measurements when nothing was mutated.
type test struct {
	Name    string
	Time    time.Duration // wall time
	CPU     time.Duration
	Reached []byte // by id: 1 for the mutants that it reaches
	Failed  bool
}

// build compiles the tests of a folder with the package's sites rewritten.
func (s *session) build(ctx context.Context, mutated *source, folder string) (*suite, error) {
	scratch := filepath.Join(s.scratch, strings.ReplaceAll(mutated.folder+"-"+folder, "/", "_"))
	if err := os.MkdirAll(scratch, 0o700); err != nil {
		return nil, err
	}
	overlay, err := mutated.overlay(scratch)
	if err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(folder)
	if err != nil {
		return nil, err
	}
	binary := filepath.Join(scratch, "suite.test")
	args := []string{"test", "-c", "-buildvcs=false", "-vet=off", "-overlay", overlay, "-o", binary, "./" + folder}
	if _, err := output(exec.CommandContext(ctx, "go", args...)); err != nil {
		return nil, fmt.Errorf("build the tests of %s with %s rewritten: %w", folder, mutated.folder, err)
	}
	built := &suite{
		folder: folder, dir: dir, binary: binary, scratch: scratch, overlay: overlay,
		mutants: mutated.largest(), now: s.now,
	}
	return built, built.list(ctx, s.tests)
}

// overlay writes the rewritten files to a folder and returns the overlay file that names them.
func (s *source) overlay(folder string) (string, error) {
	replace := map[string]string{}
	write := func(name string, text []byte) error {
		to := filepath.Join(folder, name)
		replace[filepath.Join(s.dir, name)] = to
		return os.WriteFile(to, text, 0o600)
	}
	err := write(schemaName, []byte(s.schema()))
	for _, f := range s.files {
		err = errors.Join(err, write(f.name, s.rewrite(f)))
	}
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(folder, "overlay.json")
	return overlay, os.WriteFile(overlay, text, 0o600)
}

// list lists the binary's tests, fuzz targets (which run their seeds) and examples.
func (s *suite) list(ctx context.Context, pattern string) error {
	if _, err := os.Stat(s.binary); errors.Is(err, os.ErrNotExist) {
		return nil // no test files
	}
	wanted, err := regexp.Compile(pattern)
	if err != nil {
		return err
	}
	c := exec.CommandContext(ctx, s.binary, "-test.list", ".")
	c.Dir = s.dir
	out, err := output(c)
	if err != nil {
		return fmt.Errorf("list the tests of %s: %w", s.folder, err)
	}
	for name := range strings.Lines(string(out)) {
		name = strings.TrimSpace(name)
		if name != "" && !strings.HasPrefix(name, "Benchmark") && wanted.MatchString(name) {
			s.tests = append(s.tests, &test{Name: name})
		}
	}
	return nil
}

// measure runs each test alone with nothing switched on. Tests that fail or take longer than
// longest do not count.
func (s *suite) measure(ctx context.Context, jobs int, longest time.Duration) error {
	return parallel(jobs, s.tests, func(t *test) error { return s.observe(ctx, t, limit{cpu: longest, wall: longest}) })
}

func (s *suite) observe(ctx context.Context, t *test, most limit) error {
	reached := filepath.Join(s.scratch, t.Name+".reached")
	if err := os.WriteFile(reached, make([]byte, s.mutants+1), 0o600); err != nil {
		return err
	}
	start := s.now()
	done, err := s.run(ctx, []*test{t}, most, "RDREC_MUTANT_REACHED="+reached)
	if err != nil {
		return err
	}
	t.Time, t.CPU, t.Failed = s.now().Sub(start), done.cpu, !done.passed
	t.Reached, err = os.ReadFile(reached)
	return err
}

// reaching returns the tests that count and reach a mutant.
func (s *suite) reaching(id int) []*test {
	var tests []*test
	for _, t := range s.tests {
		if !t.Failed && t.Reached[id] != 0 {
			tests = append(tests, t)
		}
	}
	return tests
}

// parallel calls do for each item, jobs at a time, until one fails.
func parallel[T any](jobs int, items []T, do func(T) error) error {
	work := make(chan T)
	errs := make([]error, jobs)
	var running sync.WaitGroup
	for i := range jobs {
		running.Go(func() {
			for item := range work {
				if errs[i] == nil {
					errs[i] = do(item)
				}
			}
		})
	}
	for _, item := range items {
		work <- item
	}
	close(work)
	running.Wait()
	return cmp.Or(errs...)
}
