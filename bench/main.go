// Program bench compares the project's speed with that of other ways to do the same work, on this
// machine. In: random weights, shipped data; out: tables for people and a JSON file. Steps: each
// side is a process of its own; both do the work once, and what they computed is compared; then
// they take turns, and what is reported is the ratio of each turn, so that a busy machine spoils
// both sides alike. docs/performance.md says what is measured and why.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], clock(time.Now))
	stop()
	if errors.Is(err, flag.ErrHelp) {
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

type clock func() time.Time

// bench is one call of the program.
type bench struct {
	out     io.Writer
	now     clock
	threads int
	pairs   int
	only    string
	// records is how many a training's mixed batch has.
	records int
	json    string
	python  string
}

func run(ctx context.Context, args []string, now clock) error {
	b := &bench{out: os.Stdout, now: now}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.IntVar(&b.threads, "threads", runtime.NumCPU(), "threads of each side")
	flags.IntVar(&b.pairs, "pairs", 3, "turns of each side that are timed")
	flags.StringVar(&b.only, "only", "", "do the works alone whose name contains this")
	flags.IntVar(&b.records, "records", 8, "records of each task in a training batch")
	flags.StringVar(&b.json, "json", "", "write what was measured to this file")
	flags.StringVar(&b.python, "python", "", "a Python that has what bench/requirements.txt lists; empty makes one in the cache")
	chartPath := flags.String("chart", "", "write a chart of the scale measurements to this file")
	reviews := flags.Int("reviews", 64, "how many reviews the teachers write about")
	size := flags.String("size", "t5-small", "the student that is served")
	seconds := flags.Float64("seconds", 15, "how long each load on the server lasts")
	what := "student"
	if len(args) > 0 && args[0] != "" && args[0][0] != '-' {
		what, args = args[0], args[1:]
	}
	if err := flags.Parse(args); err != nil {
		return err
	}
	if b.pairs < 1 || b.threads < 1 {
		return errors.New("bench: -pairs and -threads must be at least 1")
	}
	do, ok := map[string]func() error{
		"student": func() error { return b.student(ctx) },
		"teacher": func() error { return b.teacher(ctx, *reviews) },
		"scale":   func() error { return b.scale(ctx, *chartPath) },
		"serve":   func() error { return b.serve(ctx, *size, *seconds) },
		"side":    func() error { return runWorker(ctx, os.Stdin, os.Stdout, now, &workload{}) },
		"write":   func() error { return runWorker(ctx, os.Stdin, os.Stdout, now, &teacherWorkload{}) },
	}[what]
	if !ok {
		return fmt.Errorf("bench: %q is nothing to measure: want student, teacher, scale or serve", what)
	}
	return do()
}
