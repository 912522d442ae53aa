package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"rdrec/activities"
	"rdrec/internal/document"
	"rdrec/internal/exitcode"
	"rdrec/internal/observe"
	"rdrec/internal/pseudonym"
	"rdrec/internal/torch"
	"rdrec/internal/untrusted"
	"rdrec/storage"
	"rdrec/workflows"
)

// Errors that have an exit code or a hint of their own.
var (
	errServer       = errors.New("no Temporal server")
	errBucket       = errors.New("no bucket")
	errBucketAccess = errors.New("the bucket is not accessible")
)

// usageError is an invalid command line.
type usageError struct{ error }

// exit is a row of the table of exit codes.
type exit struct {
	is   error
	code int
	hint string
}

// exits returns the table; the first row that matches an error applies.
func exits() []exit {
	return []exit{
		{workflows.ErrPayloadKey, exitcode.Usage, "set RDREC_PAYLOAD_KEYS to ID=KEY of all starters and workers"},
		{pseudonym.ErrKey, exitcode.Usage, pseudonym.Hint},
		{observe.ErrTraces, exitcode.Usage, "docs/operations.md lists the variables"},
		{torch.ErrNoDevice, exitcode.Usage, `"make setup CUDA=1" fetches what a GPU needs, "worker version" shows ` +
			"what this machine has, and --device auto takes the CPU where there is no GPU"},
		{errServer, exitcode.NoServer, `start one with "starter dev", or set --address or TEMPORAL_ADDRESS`},
		{errBucketAccess, exitcode.NoBucket, "give the worker the right to write, read, list and delete in the bucket"},
		{errBucket, exitcode.NoBucket, "set --bucket or RDREC_BUCKET, for example to file:///var/lib/rdrec"},
		{errOtherBucket, exitcode.OtherBucket, "set --bucket or RDREC_BUCKET to their bucket, " +
			"or stop them; other namespaces may have other buckets"},
		{errDeviceLost, exitcode.DeviceLost, "start the worker again: its job continues on any worker"},
		{errListen, exitcode.InUse, "stop the process that listens there, or set --addr"},
		{activities.ErrData, exitcode.Data, "docs/formats.md lists the formats and the setting that each needs"},
		{activities.ErrInvalid, exitcode.Spec, ""},
		{storage.ErrNotFound, exitcode.NoBucket, "check the name, and set --bucket or RDREC_BUCKET " +
			"to the workers' bucket"},
	}
}

// row returns the row that applies to an error.
func row(err error) exit {
	if errors.As(err, new(usageError)) {
		return exit{err, exitcode.Usage, `see "worker --help"`}
	}
	rows := exits()
	if i := slices.IndexFunc(rows, func(e exit) bool { return errors.Is(err, e.is) }); i >= 0 {
		return rows[i]
	}
	return exit{code: exitcode.Failed}
}

// hintFor returns the next step for an error, or "".
func hintFor(err error) string {
	if errors.Is(err, errServer) {
		return cmp.Or(workflows.ServerHint(err), row(err).hint)
	}
	return row(err).hint
}

// errorOutput is an error, for programs.
type errorOutput struct {
	Level string `json:"level"`
	// Error is the message without its hint; Code is the exit code.
	Error string `json:"error"`
	Hint  string `json:"hint,omitempty"`
	Code  int    `json:"code"`
}

// wantsJSON reports whether errors are JSON: where the results or the log are.
func wantsJSON(args []string, environment func(string) string) bool {
	return slices.Contains(args, "--json") || slices.Contains(args, "--log-json") ||
		environment("RDREC_LOG_JSON") == "true"
}

// failInJSON prints an error and its hint as a line of JSON and returns the exit code.
func failInJSON(w io.Writer, err error) int {
	found := row(err)
	out := errorOutput{
		Level: "error", Error: document.Redact(err.Error()), Hint: found.hint, Code: found.code,
	}
	_ = json.NewEncoder(w).Encode(out) //nolint:errcheck // the exit code remains
	return found.code
}

// fail prints an error and its hint and returns the exit code.
func fail(w io.Writer, err error) int {
	found := row(err)
	fmt.Fprintf(w, "error: %s\n", untrusted.Printable(document.Redact(err.Error())))
	if found.hint != "" {
		fmt.Fprintf(w, "hint: %s\n", found.hint)
	}
	return found.code
}

// exitHelp returns the documentation of the worker's exit codes.
func exitHelp() string {
	rows := exits()
	codes := make([]int, 0, len(rows)+3)
	codes = append(codes, exitcode.OK, exitcode.Failed, exitcode.Usage)
	for _, e := range rows {
		codes = append(codes, e.code)
	}
	return exitcode.Help(codes...)
}
