package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"rdrec/internal/document"
	"rdrec/storage"
)

// doctorCmd checks everything that a run needs.
type doctorCmd struct {
	Spec   string   `arg:"" optional:"" help:"A spec, whose files and teacher are checked, too."`
	Set    []string `help:"${help_set}" placeholder:"KEY=VALUE" sep:"none"`
	Worker string   `help:"The worker program; the default is in the folder of this program."`
}

// checkState is the result of a check.
type checkState string

// Results of a check. A run works in spite of a warning.
const (
	checkOK      checkState = "ok"
	checkWarning checkState = "warning"
	checkFailed  checkState = "failed"
)

// checkTimeout is the time limit of each check, except that of the worker program.
const checkTimeout = 10 * time.Second

// finding is the result of a check.
type finding struct {
	Check string     `json:"check"`
	State checkState `json:"state"`
	// Found is what was found; Fix is the next command or change, if the state is not ok.
	Found string `json:"found"`
	Fix   string `json:"fix,omitempty"`
}

// doctor collects the findings.
type doctor struct {
	*app
	findings []finding
	// bucket is the identity of the starter's bucket; zero if it is not accessible.
	bucket storage.Identity
}

// errUnready is the error of a failed check.
var errUnready = errors.New("a check failed")

// Run checks the programs, the server, the bucket and the machine, and prints a line for each
// check.
func (c *doctorCmd) Run(ctx context.Context, a *app) error {
	d := &doctor{app: a}
	d.checkTools(ctx)
	d.checkWorker(ctx, c.Worker)
	d.checkBucket(ctx)
	d.checkServer(ctx)
	d.checkDisk()
	if c.Spec != "" {
		d.checkSpec(ctx, c.Spec, c.Set)
	}
	if interrupted(ctx) {
		return errInterrupted
	}
	return d.finish()
}

func (d *doctor) ok(check, format string, args ...any) {
	d.add(finding{check, checkOK, fmt.Sprintf(format, args...), ""})
}

func (d *doctor) warn(check, found, fix string) { d.add(finding{check, checkWarning, found, fix}) }

func (d *doctor) fail(check, found, fix string) { d.add(finding{check, checkFailed, found, fix}) }

// failWith adds the error of a check, with its hint.
func (d *doctor) failWith(check string, err error) { d.fail(check, err.Error(), hintOf(err)) }

// add adds a finding, with passwords redacted and on one line.
func (d *doctor) add(f finding) {
	f.Found = document.Redact(strings.Join(strings.Fields(f.Found), " "))
	f.Fix = document.Redact(f.Fix)
	d.findings = append(d.findings, f)
}

// finish prints the findings; it returns an error if a check failed.
func (d *doctor) finish() error {
	failed := 0
	var page strings.Builder
	w := tabwriter.NewWriter(&page, 0, 0, 2, ' ', 0)
	for _, f := range d.findings {
		fmt.Fprintf(w, "%s\t%s\t%s\n", f.State, f.Check, f.Found)
		if f.Fix != "" {
			fmt.Fprintf(w, "\t\tfix: %s\n", f.Fix)
		}
		if f.State == checkFailed {
			failed++
		}
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("writing the checks: %w", err)
	}
	var err error
	if d.flags.JSON {
		err = d.printJSON(d.findings)
	} else {
		err = d.print(page.String())
	}
	if err == nil && failed > 0 {
		err = fmt.Errorf("%w: %d of %d", errUnready, failed, len(d.findings))
	}
	return err
}
