package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"rdrec/internal/devserver"
	"rdrec/internal/document"
	"rdrec/storage"
)

// Exit codes; exitHelp documents them.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitSpec        = 3
	exitNoServer    = 4
	exitNoBucket    = 5
	exitExperiment  = 6
	exitCancelled   = 7
	exitInUse       = 8
	exitData        = 9
	exitCorrupt     = 10
	exitDiffers     = 11
	exitRejected    = 12
	exitInterrupted = 130
)

// Errors of the commands that have an exit code or a hint of their own.
var (
	errNoServer     = errors.New("no Temporal server")
	errNoExperiment = errors.New("no such experiment")
	errUnfinished   = errors.New("the experiment is not finished")
	errExperiment   = errors.New("the experiment failed")
	errCancelled    = errors.New("the experiment was cancelled")
	errNoBucket     = errors.New("no bucket")
	errNoWorker     = errors.New("no worker program")
	errWorkerEnded  = errors.New("the worker ended")
	errAttributes   = errors.New("the server does not have rdrec's search attributes")
	errServerFailed = errors.New("the dev server failed")
	errData         = errors.New("no usable dataset")
	errInterrupted  = errors.New("interrupted")
	errCorrupt      = errors.New("the bucket is corrupt")
)

// usageError is an invalid command line.
type usageError struct{ error }

// exit is a row of the table of exit codes.
type exit struct {
	code int
	// meaning documents the code in --help; a code's further rows leave it empty.
	meaning string
	is      func(error) bool
	hint    string
}

// is returns a predicate that reports whether an error is one of the targets.
func is(targets ...error) func(error) bool {
	return func(err error) bool {
		return slices.ContainsFunc(targets, func(target error) bool { return errors.Is(err, target) })
	}
}

// as returns a predicate that reports whether an error has the type of E.
func as[E error]() func(error) bool {
	return func(err error) bool { return errors.As(err, new(E)) }
}

// exits returns the table of exit codes and hints; the first row that matches an error applies.
func exits() []exit {
	return []exit{
		{exitUsage, "the command line is wrong", as[usageError](), `see "starter --help"`},
		{exitSpec, "the spec or the settings are wrong", as[document.Error](), ""},
		{exitNoServer, "no Temporal server answers", is(errNoServer), `run "starter dev" or set TEMPORAL_ADDRESS`},
		{exitNoServer, "", is(errAttributes), hintAttributes},
		{exitNoServer, "", is(errServerFailed), "see its messages above; log_level in temporal-dev.yaml shows more"},
		{exitNoBucket, "the bucket or an object in it is missing", is(errNoBucket, storage.ErrNotFound), hintBucket},
		{exitExperiment, "the experiment failed", is(errExperiment), hintExperiment},
		{exitExperiment, "", is(errWorkerEnded), "see its log; finished work is kept, so run it again"},
		{exitDiffers, "a rerun produced different bytes", is(errDiffers), hintDiffers},
		{exitRejected, "the nightly run's model was rejected", is(errRejected), hintRejected},
		{exitFailed, "", is(errNoSchedule), `"starter schedule list" lists them`},
		{exitExperiment, "", is(errUnfinished), `wait for it with "starter watch"`},
		{exitCancelled, "the experiment was cancelled", is(errCancelled), "run it again to resume"},
		{exitInUse, "a port or the database is in use", is(devserver.ErrPortTaken), hintPort},
		{exitInUse, "", is(devserver.ErrDatabaseInUse), hintDatabase},
		{exitInUse, "", is(devserver.ErrForeignDatabase), hintForeignDatabase},
		{exitCorrupt, "the bucket has corrupt objects", is(errCorrupt), hintCorrupt},
		{exitCorrupt, "", as[*storage.CorruptError](), `"starter verify --all" lists all of them`},
		{exitInterrupted, "interrupted", is(errInterrupted, context.Canceled), ""},
		{exitFailed, "", is(errNoExperiment), `"starter status" lists experiments`},
		{exitFailed, "", is(errNoWorker), `run "make build"`},
		{exitSpec, "", is(errNoDataset), "name a folder, or set RDREC_DATA to the parent folders of the data sets"},
		{exitSpec, "", is(os.ErrNotExist), "check the path"},
		{exitData, "a dataset is corrupt or missing", is(errData), hintData},
		{exitFailed, "anything else", func(error) bool { return true }, ""},
	}
}

// Hints that are too long for their row.
const (
	hintAttributes = "register the search attributes in temporal-dev.yaml: temporal operator search-attribute create"
	hintBucket     = "set --bucket or RDREC_BUCKET to the workers' bucket"
	hintExperiment = "fix the cause and run it again: finished stages are cached"
	hintDiffers    = "on a CPU, with the same number of threads and the same libtorch, the bytes are the same: " +
		"see the first artifact that differs"
	hintRejected = `"starter nightly list" shows the reasons; ` +
		"later runs skip its files unless started with nightly run --retry-all"
	hintPort = "stop the process that listens there, " +
		"or set ip, port and ui_port in temporal-dev.yaml or with --set"
	hintDatabase        = "use that server, stop it, or use another file: --set database=FILE"
	hintForeignDatabase = "move it away to start without history, or use the rdrec version that wrote it"
	hintCorrupt         = "delete the corrupt objects and their stage records (stages/); the next run recreates them"
	hintData            = "a folder needs sequential.txt and datamaps.json, plain or .gz; fix the named file"
)

// row returns the row of the table that applies to an error.
func row(err error) exit {
	for _, e := range exits() {
		if e.is(err) {
			return e
		}
	}
	return exit{code: exitFailed}
}

// codeOf returns the exit code of an error.
func codeOf(err error) int { return row(err).code }

// explain returns the lines that describe an error: the cause, then the hint.
func explain(err error) []string {
	var invalid document.Error
	if errors.As(err, &invalid) {
		return explainDiagnostics(invalid.Diagnostics)
	}
	lines := []string{"error: " + err.Error()}
	if hint := row(err).hint; hint != "" {
		lines = append(lines, "hint: "+hint)
	}
	return lines
}

// explainDiagnostics returns the lines of all diagnostics of a file.
func explainDiagnostics(diagnostics []document.Diagnostic) []string {
	var lines []string
	for _, d := range diagnostics {
		lines = append(lines, "error: "+d.String())
		if d.Hint != "" {
			lines = append(lines, "hint: "+d.Hint)
		}
	}
	return lines
}

// exitHelp returns the documentation of the exit codes for --help, in numeric order.
func exitHelp() string {
	var b strings.Builder
	b.WriteString("Exit codes: 0 done")
	byCode := func(a, b exit) int { return cmp.Compare(a.code, b.code) }
	for _, e := range slices.SortedStableFunc(slices.Values(exits()), byCode) {
		if e.meaning != "" {
			fmt.Fprintf(&b, ", %d %s", e.code, e.meaning)
		}
	}
	return b.String() + "."
}
