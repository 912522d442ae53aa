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

// What commands may fail with, beyond what they pass on.
var (
	errNoServer     = errors.New("no Temporal server")
	errNoExperiment = errors.New("no such experiment")
	errUnfinished   = errors.New("the experiment is not finished")
	errExperiment   = errors.New("the experiment failed")
	errCancelled    = errors.New("the experiment was cancelled")
	errNoBucket     = errors.New("no bucket")
	errNoWorker     = errors.New("no worker program")
	errWorkerEnded  = errors.New("the worker ended")
	errAttributes   = errors.New("the server does not know our search attributes")
	errServerFailed = errors.New("the dev server failed")
	errData         = errors.New("no usable dataset")
	errInterrupted  = errors.New("interrupted")
	errCorrupt      = errors.New("the bucket is corrupt")
)

// usageError is a command line that is wrong.
type usageError struct{ error }

// exit is a row of the table of exit codes.
type exit struct {
	code    int
	meaning string
	is      func(error) bool
	hint    string
}

// exits is the table of exit codes and hints; the first row that fits an error counts.
func exits() []exit {
	is := func(targets ...error) func(error) bool {
		return func(err error) bool {
			for _, target := range targets {
				if errors.Is(err, target) {
					return true
				}
			}
			return false
		}
	}
	return []exit{
		{exitUsage, "the command line is wrong", func(err error) bool { return errors.As(err, new(usageError)) }, `see "starter --help"`},
		{exitSpec, "the spec or the settings are wrong", func(err error) bool { return errors.As(err, new(document.Error)) }, ""},
		{exitNoServer, "no Temporal server answers", is(errNoServer), `run "starter dev" or set TEMPORAL_ADDRESS`},
		{exitNoServer, "", is(errAttributes), "register those of temporal-dev.yaml: temporal operator search-attribute create"},
		{exitNoServer, "", is(errServerFailed), "look at its messages above; log_level in temporal-dev.yaml shows more"},
		{exitNoBucket, "the bucket or an object in it is missing", is(errNoBucket), "set --bucket or RDREC_BUCKET to the workers' bucket"},
		{exitNoBucket, "", is(storage.ErrNotFound), "set --bucket or RDREC_BUCKET to the workers' bucket"},
		{exitExperiment, "the experiment failed", is(errExperiment), "fix the cause and run it again: finished stages are cached"},
		{exitExperiment, "", is(errWorkerEnded), "look at its log; what it finished is kept, so run it again"},
		{exitDiffers, "a rerun produced different bytes", is(errDiffers), "on a CPU, with as many threads and the same libtorch, the bytes are the same: see what differs first"},
		{exitRejected, "the nightly run's model was rejected", is(errRejected), "\"starter nightly list\" shows the reasons; later runs skip its files unless started with nightly run --retry-all"},
		{exitFailed, "", is(errNoSchedule), "\"starter schedule list\" lists them"},
		{exitExperiment, "", is(errUnfinished), `wait for it with "starter watch"`},
		{exitCancelled, "the experiment was cancelled", is(errCancelled), "run it again to resume"},
		{exitInUse, "a port or the database is in use", is(devserver.ErrPortTaken), portHint},
		{exitInUse, "", is(devserver.ErrDatabaseInUse), "use that server, stop it, or take another file: --set database=FILE"},
		{exitInUse, "", is(devserver.ErrForeignDatabase), "move it away to start without history, or use the rdrec version that wrote it"},
		{exitCorrupt, "the bucket has corrupt objects", is(errCorrupt), corruptHint},
		{exitCorrupt, "", func(err error) bool { return errors.As(err, new(*storage.CorruptError)) }, "\"starter verify --all\" names all of them"},
		{exitInterrupted, "interrupted", is(errInterrupted, context.Canceled), ""},
		{exitFailed, "", is(errNoExperiment), `"starter status" lists experiments`},
		{exitFailed, "", is(errNoWorker), `run "make build"`},
		{exitSpec, "", is(errNoDataset), "name a folder, or set RDREC_DATA to where the folders lie"},
		{exitSpec, "", is(os.ErrNotExist), "check the path"},
		{exitData, "a dataset is corrupt or missing", is(errData), "a folder needs sequential.txt and datamaps.json, plain or .gz; fix the named file"},
		{exitFailed, "anything else", func(error) bool { return true }, ""},
	}
}

const portHint = "stop what listens there, or set ip, port and ui_port in temporal-dev.yaml or with --set"

const corruptHint = "delete the corrupt objects and their stage records (stages/); the next run recreates them"

// row finds an error's row.
func row(err error) exit {
	for _, e := range exits() {
		if e.is(err) {
			return e
		}
	}
	return exit{code: exitFailed}
}

// codeOf is the exit code for an error.
func codeOf(err error) int { return row(err).code }

// explain puts an error into lines for people: what is wrong, then what to do.
func explain(err error) []string {
	var wrong document.Error
	if errors.As(err, &wrong) {
		return explainDiagnostics(wrong.Diagnostics)
	}
	lines := []string{"error: " + err.Error()}
	if hint := row(err).hint; hint != "" {
		lines = append(lines, "hint: "+hint)
	}
	return lines
}

func explainDiagnostics(diagnostics []document.Diagnostic) []string {
	var lines []string
	for _, f := range diagnostics {
		lines = append(lines, "error: "+f.String())
		if f.Hint != "" {
			lines = append(lines, "hint: "+f.Hint)
		}
	}
	return lines
}

// exitHelp documents the exit codes for --help, in their order.
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
