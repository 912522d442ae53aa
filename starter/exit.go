package main

import (
	"cmp"
	"context"
	"errors"
	"os"
	"slices"

	"rdrec/internal/devserver"
	"rdrec/internal/document"
	"rdrec/internal/exitcode"
	"rdrec/internal/observe"
	"rdrec/internal/pseudonym"
	"rdrec/storage"
	"rdrec/workflows"
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
	errReviews      = errors.New("the reviews cannot be imported")
	errInterrupted  = errors.New("interrupted")
	errCorrupt      = errors.New("the bucket is corrupt")
	errNotPaused    = errors.New("nothing to resume")
	errPaused       = errors.New("the run is already paused")
	errDeclined     = errors.New("not started")
)

// usageError is an invalid command line.
type usageError struct{ error }

// exit is a row of the table of exit codes.
type exit struct {
	code int
	is   func(error) bool
	hint string
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
		{exitcode.Usage, as[usageError](), `see "starter --help"`},
		{exitcode.Spec, as[document.Error](), ""},
		{exitcode.Spec, as[specError](), ""},
		{exitcode.Usage, is(workflows.ErrPayloadKey), hintPayloadKeys},
		{exitcode.Usage, is(pseudonym.ErrKey), pseudonym.Hint},
		{exitcode.Usage, is(observe.ErrTraces), "docs/operations.md lists the variables"},
		{exitcode.NoServer, is(errNoServer), `run "starter dev" or set TEMPORAL_ADDRESS`},
		{exitcode.NoServer, is(errAttributes), hintAttributes},
		{exitcode.NoServer, is(errServerFailed), "see its messages above; log_level in temporal-dev.yaml shows more"},
		{exitcode.OtherBucket, isOtherBucket, ""},
		{exitcode.NoBucket, is(errNoBucket, storage.ErrNotFound), hintBucket},
		{exitcode.Experiment, is(errExperiment), ""},
		{exitcode.Experiment, is(errWorkerEnded), "see its log; finished work is kept, so run it again"},
		{exitcode.Differs, is(errDiffers), hintDiffers},
		{exitcode.Rejected, is(errRejected), hintRejected},
		{exitcode.Failed, is(errNoSchedule), `"starter schedule list" lists them`},
		{exitcode.Experiment, is(errRunning), `"starter cancel" stops it`},
		{exitcode.Experiment, is(errUnfinished), `wait for it with "starter watch"`},
		{exitcode.Cancelled, is(errCancelled), "run it again to resume"},
		{exitcode.InUse, is(devserver.ErrPortTaken), hintPort},
		{exitcode.InUse, is(devserver.ErrDatabaseInUse), hintDatabase},
		{exitcode.InUse, is(devserver.ErrForeignDatabase), hintForeignDatabase},
		{exitcode.Corrupt, is(errCorrupt), hintCorrupt},
		{exitcode.Corrupt, as[*storage.CorruptError](), `"starter verify --all" lists all of them`},
		{exitcode.Unready, is(errUnready), ""},
		{exitcode.Interrupted, is(errInterrupted, context.Canceled), ""},
		{exitcode.Failed, is(errDeclined), "--yes starts it without asking"},
		{exitcode.Failed, is(errNoExperiment), `"starter list" lists experiments`},
		{exitcode.Failed, is(errPaused), `"starter resume ID" continues it`},
		{exitcode.Failed, is(errNotPaused), `"starter status ID" shows its stages`},
		{exitcode.Failed, is(errNoWorker), `run "make build"`},
		{exitcode.Spec, is(errNoDataset), "name a folder, or set RDREC_DATA to the parent folders of the data sets"},
		{exitcode.Spec, is(os.ErrNotExist), "check the path"},
		{exitcode.Data, is(errData), hintData},
		{exitcode.Data, is(errReviews), hintFormats},
		{exitcode.Failed, func(error) bool { return true }, ""},
	}
}

// isOtherBucket reports whether a run reached a worker on another bucket.
func isOtherBucket(err error) bool {
	var failed failedError
	return errors.As(err, &failed) && failed.Type == workflows.TypeWrongBucket
}

// Hints that are too long for their row.
const (
	hintAttributes = "register the search attributes in temporal-dev.yaml: temporal operator search-attribute create"
	hintBucket     = "set --bucket or RDREC_BUCKET to the workers' bucket"
	hintDiffers    = "on a CPU, with the same number of threads and the same libtorch, the bytes are the same: " +
		"see the first artifact that differs"
	hintRejected = `"starter nightly list" shows the reasons; ` +
		"later runs skip its files unless started with nightly run --retry-all"
	hintPayloadKeys = `set RDREC_PAYLOAD_KEYS to ID=KEY of all starters and workers; ` +
		`"starter codec --new-key" makes a key`
	hintPort = "stop the process that listens there, " +
		"or set ip, port and ui_port in temporal-dev.yaml or with --set"
	hintDatabase        = "use that server, stop it, or use another file: --set database=FILE"
	hintForeignDatabase = "move it away to start without history, or use the rdrec version that wrote it"
	hintCorrupt         = "delete the corrupt objects and their stage records (stages/); the next run recreates them"
	hintFormats         = "docs/formats.md lists the formats and the setting that each needs"
	hintData            = "a folder needs sequential.txt and datamaps.json, plain or .gz; fix the named file"
)

// row returns the row of the table that applies to an error.
func row(err error) exit {
	for _, e := range exits() {
		if e.is(err) {
			return e
		}
	}
	return exit{code: exitcode.Failed}
}

// codeOf returns the exit code of an error.
func codeOf(err error) int { return row(err).code }

// hintOf returns the next step for an error, or "".
func hintOf(err error) string {
	var failed failedError
	if errors.As(err, &failed) {
		return failed.Hint
	}
	var unusable specError
	if errors.As(err, &unusable) {
		return unusable.hint
	}
	if errors.Is(err, errNoServer) {
		return cmp.Or(workflows.ServerHint(err), row(err).hint)
	}
	return row(err).hint
}

// errorOutput is an error, for programs.
type errorOutput struct {
	// Error is the message without its hint; Code is the exit code.
	Error string `json:"error"`
	Hint  string `json:"hint,omitempty"`
	Code  int    `json:"code"`
	// Failure is that of the workflow, if one failed; Diagnostics are the problems of a spec.
	Failure     *workflows.Failure    `json:"failure,omitempty"`
	Diagnostics []document.Diagnostic `json:"diagnostics,omitempty"`
}

// errorDocument returns the error for programs, with passwords redacted.
func errorDocument(err error) errorOutput {
	out := errorOutput{Error: document.Redact(err.Error()), Hint: document.Redact(hintOf(err)), Code: codeOf(err)}
	var failed failedError
	var invalid document.Error
	if errors.As(err, &failed) {
		out.Failure = &failed.Failure
	}
	if errors.As(err, &invalid) {
		out.Diagnostics = invalid.Diagnostics
	}
	return out
}

// explain returns the lines that describe an error: the cause, then the hint.
func explain(err error) []string {
	var invalid document.Error
	if errors.As(err, &invalid) {
		return explainDiagnostics(invalid.Diagnostics)
	}
	lines := []string{"error: " + err.Error()}
	if hint := hintOf(err); hint != "" {
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

// exitHelp returns the documentation of the exit codes for --help.
func exitHelp() string { return exitcode.Help() }
