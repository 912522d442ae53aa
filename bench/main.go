// Program bench compares the project's speed with other implementations of the same work, on this
// machine. Its input is random weights and shipped data. Its output is tables and a JSON file. Each
// side is a separate process. All sides do the work once, and bench compares their results. Then
// they take turns, and bench reports the ratio of each turn, so that a busy machine affects all
// sides alike. docs/performance.md explains the measurements.
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
	"slices"
	"strings"
	"syscall"
	"time"

	"rdrec/internal/build"
	"rdrec/internal/torch"
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

// bench is one run of the program.
type bench struct {
	out     io.Writer
	now     clock
	threads int
	pairs   int
	only    string
	// device is the name of the device of all sides: cpu, cuda or cuda:N.
	device  string
	monitor *gpuMonitor
	// records is the number of records in a mixed training batch.
	records int
	json    string
	python  string
}

func run(ctx context.Context, args []string, now clock) error {
	b := &bench{out: os.Stdout, now: now}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.IntVar(&b.threads, "threads", runtime.NumCPU(), "threads of each side")
	flags.IntVar(&b.pairs, "pairs", 3, "timed turns of each side")
	flags.StringVar(&b.device, "device", "cpu", "device of each side: cpu, cuda or cuda:N")
	flags.StringVar(&b.only, "only", "", "run only workloads whose name contains this")
	flags.IntVar(&b.records, "records", 8, "records of each task in a training batch")
	flags.StringVar(&b.json, "json", "", "write the measurements to this file")
	flags.StringVar(&b.python, "python", "",
		"a Python with the packages of bench/requirements.txt; empty installs one in the cache")
	chartPath := flags.String("chart", "", "write a chart of the scale measurements to this file")
	reviews := flags.Int("reviews", 64, "number of reviews that the teachers process")
	shape := flags.String("shape", "",
		"teacher with random weights of this shape instead of the demo's teacher: "+strings.Join(shapeNames(), ", "))
	size := flags.String("size", "t5-small", "size of the student that is trained or served")
	rows := flags.Int("rows", 256, "rows in a batch of the training")
	seconds := flags.Float64("seconds", 15, "duration of the training, or of each load on the server, in seconds")
	version := flags.Bool("version", false, "print the version and exit")
	what := "student"
	if len(args) > 0 && args[0] != "" && args[0][0] != '-' {
		what, args = args[0], args[1:]
	}
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *version {
		_, err := fmt.Fprintln(b.out, build.Line("bench"))
		return err
	}
	if b.pairs < 1 || b.threads < 1 {
		return errors.New("bench: -pairs and -threads must be at least 1")
	}
	if err := torch.CheckDevice(b.device); err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	if *shape != "" && !slices.Contains(shapeNames(), *shape) {
		return fmt.Errorf("bench: unknown shape %q: want %s", *shape, strings.Join(shapeNames(), " or "))
	}
	do, ok := map[string]func() error{
		"student": func() error { return b.student(ctx) },
		"teacher": func() error { return b.teacher(ctx, *reviews, *shape) },
		"train": func() error {
			return b.train(ctx, *size, *rows, time.Duration(*seconds*float64(time.Second)))
		},
		"scale": func() error { return b.scale(ctx, *chartPath) },
		"serve": func() error { return b.serve(ctx, *size, *seconds) },
		"side":  func() error { return runWorker(ctx, os.Stdin, os.Stdout, now, &workload{}) },
		"write": func() error { return runWorker(ctx, os.Stdin, os.Stdout, now, &teacherWorkload{}) },
	}[what]
	if !ok {
		return fmt.Errorf("bench: unknown measurement %q: want student, teacher, train, scale or serve", what)
	}
	return do()
}
