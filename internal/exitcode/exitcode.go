// Package exitcode is the table of the exit codes of starter and worker: one code has one meaning
// in both. In: nothing; out: the codes and their meanings for --help.
package exitcode

import (
	"fmt"
	"slices"
	"strings"
)

// Exit codes of the programs.
const (
	OK          = 0
	Failed      = 1
	Usage       = 2
	Spec        = 3
	NoServer    = 4
	NoBucket    = 5
	Experiment  = 6
	Cancelled   = 7
	InUse       = 8
	Data        = 9
	Corrupt     = 10
	Differs     = 11
	Rejected    = 12
	OtherBucket = 13
	DeviceLost  = 14
	Unready     = 15
	Interrupted = 130
)

// meaning is a row of the table.
type meaning struct {
	code int
	text string
}

func table() []meaning {
	return []meaning{
		{OK, "done"},
		{Failed, "anything else"},
		{Usage, "the command line is wrong"},
		{Spec, "the spec or the settings are wrong"},
		{NoServer, "no Temporal server answers"},
		{NoBucket, "the bucket or an object in it is missing or not accessible"},
		{Experiment, "the experiment failed"},
		{Cancelled, "the experiment was cancelled"},
		{InUse, "a port or the database is in use"},
		{Data, "a dataset is corrupt or missing"},
		{Corrupt, "the bucket has corrupt objects"},
		{Differs, "a rerun produced different bytes"},
		{Rejected, "the nightly run's model was rejected"},
		{OtherBucket, "the workers use another bucket"},
		{DeviceLost, "the GPU is lost to the worker's process"},
		{Unready, "a check of doctor failed"},
		{Interrupted, "interrupted"},
	}
}

// Help returns the documentation of the codes for --help, in numeric order: of all of them, or of
// the given ones.
func Help(codes ...int) string {
	var parts []string
	for _, row := range table() {
		if len(codes) == 0 || slices.Contains(codes, row.code) {
			parts = append(parts, fmt.Sprintf("%d %s", row.code, row.text))
		}
	}
	return "Exit codes: " + strings.Join(parts, ", ") + "."
}
