// Command starter is the command line of rdrec. It starts experiments, follows them, prints their
// results, and runs a Temporal server for a single machine. In: flags, a spec, and the address of a
// Temporal server. Out: data on stdout (JSON with --json), messages for people on stderr, and an
// exit code of the table in exit.go. The worker does the actual work: the starter links no
// libtorch.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"rdrec/internal/build"
	"rdrec/internal/document"
	"rdrec/internal/exitcode"
	"rdrec/internal/untrusted"
)

// cli is the grammar: the flags that all commands share, then the commands. A help text that is too
// long for a line here is in help.go.
type cli struct {
	Address   string `help:"${help_address}" group:"Server"`
	Namespace string `help:"${help_namespace}" group:"Server"`
	Profile   string `help:"Profile of temporal.toml; overrides TEMPORAL_PROFILE." group:"Server"`
	UI        string `name:"ui" help:"${help_ui}" env:"RDREC_UI" group:"Server"`
	Bucket    string `help:"${help_bucket}" env:"RDREC_BUCKET" group:"Server"`
	JSON      bool   `name:"json" help:"Write JSON to stdout."`

	ShowVersion kong.VersionFlag `name:"version" help:"Print the version and exit."`

	Run        runCmd        `cmd:"" help:"${help_run}"`
	Demo       demoCmd       `cmd:"" help:"Run experiments/demo.yaml with a server and a worker of its own."`
	Dev        devCmd        `cmd:"" help:"Run a Temporal server and its Web UI for one machine."`
	Distill    distillCmd    `cmd:"" help:"Distill explanations into rationales: start, sample, pause, resume, skip."`
	List       listCmd       `cmd:"" help:"List experiments with their status and best score, the latest first."`
	Status     statusCmd     `cmd:"" help:"Show the stages of an experiment, or list the latest experiments."`
	Watch      watchCmd      `cmd:"" help:"Watch an experiment until it ends."`
	Logs       logsCmd       `cmd:"" help:"Print what the workers logged for a run."`
	Plan       planCmd       `cmd:"" help:"${help_plan}"`
	Explain    explainCmd    `cmd:"" help:"Explain why a run computed a stage, or which run computed it."`
	Compare    compareCmd    `cmd:"" help:"${help_compare}"`
	Report     reportCmd     `cmd:"" help:"Print an experiment's report and the address of its HTML page."`
	Export     exportCmd     `cmd:"" help:"${help_export}"`
	Recommend  recommendCmd  `cmd:"" help:"Recommend items to one user."`
	Rerun      rerunCmd      `cmd:"" help:"Rerun a finished experiment without the cache and diff every artifact."`
	Pause      pauseCmd      `cmd:"" help:"Pause a run: its workers save their state and are free for other runs."`
	Resume     resumeCmd     `cmd:"" help:"Resume a run that was paused, or that paused because of a lasting error."`
	Cancel     cancelCmd     `cmd:"" help:"${help_cancel}"`
	Verify     verifyCmd     `cmd:"" help:"${help_verify}"`
	Forget     forgetCmd     `cmd:"" help:"${help_forget}"`
	GC         gcCmd         `cmd:"" name:"gc" help:"Delete unreferenced objects from the bucket."`
	Retention  retentionCmd  `cmd:"" help:"${help_retention}"`
	Deploy     deployCmd     `cmd:"" help:"Make a worker version current: experiments started from now on run on it."`
	Nightly    nightlyCmd    `cmd:"" help:"${help_nightly}"`
	Schedule   scheduleCmd   `cmd:"" help:"Manage the nightly retraining schedule."`
	Promote    promoteCmd    `cmd:"" help:"Promote the model of a finished run."`
	Rollback   rollbackCmd   `cmd:"" help:"Roll back to the previous model."`
	Promotions promotionsCmd `cmd:"" help:"List the models that were promoted under a name."`
	Codec      codecCmd      `cmd:"" help:"${help_codec}"`
	Spec       specCmd       `cmd:"" help:"Check a spec and print it with every default written out."`
	Import     importCmd     `cmd:"" help:"${help_import}"`
	Init       initCmd       `cmd:"" help:"Write a commented spec for raw reviews, with what was recognized in them."`
	Audit      auditCmd      `cmd:"" help:"${help_audit}"`
	Tables     tablesCmd     `cmd:"" help:"List what a spec may name: methods, sizes, protocols, teachers, formats."`
	Cluster    clusterCmd    `cmd:"" help:"Prepare the Temporal server of a cluster."`
	Doctor     doctorCmd     `cmd:"" help:"Check programs, server, bucket and machine; each problem has its fix."`
	Completion completionCmd `cmd:"" help:"Print a script that completes command lines in bash, zsh or fish."`
	Complete   completeCmd   `cmd:"" name:"__complete" hidden:""`
	Version    versionCmd    `cmd:"" help:"Print what this program and the worker program were built from."`
}

// app is the environment of a command.
type app struct {
	stdout, stderr io.Writer
	// now is the clock.
	now func() time.Time
	// program is the path of the starter; the worker is in the same folder.
	program string
	flags   *cli
	// printed means that stdout has a result.
	printed bool
}

func main() {
	syscall.Umask(0o077) // what the program writes may contain data of users
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run executes one command and returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	program, err := os.Executable()
	if err != nil {
		program = filepath.Join("bin", "starter")
	}
	a := &app{stdout: stdout, stderr: stderr, now: time.Now, program: program, flags: &cli{}}
	exited := -1
	parser, err := newParser(a.flags, stdout, stderr, func(code int) { exited = code })
	if err != nil {
		return a.fail(err)
	}
	command, err := parser.Parse(args)
	if exited >= 0 { // --help was printed
		return exited
	}
	if err != nil {
		a.flags.JSON = a.flags.JSON || slices.Contains(args, "--json")
		return a.fail(usageError{err})
	}
	command.BindTo(ctx, (*context.Context)(nil))
	if err := command.Run(a); err != nil {
		return a.fail(err)
	}
	return exitcode.OK
}

// newParser returns the parser of command lines, which fills the flags.
func newParser(flags *cli, stdout, stderr io.Writer, exit func(int)) (*kong.Kong, error) {
	parser, err := kong.New(flags,
		kong.Name("starter"),
		kong.Description("Runs experiments: raw reviews to rationales to a student to recommendations.\n\n"+
			"First steps with reviews of your own: start \"starter dev\" and \"worker\", then init, plan and run.\n\n"+
			exitHelp()),
		kong.Writers(stdout, stderr),
		kong.Exit(exit),
		kong.Vars(helpTexts),
		kong.Vars{"version": build.Line("starter")},
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 120}),
	)
	if err == nil {
		addExamples(parser.Model)
	}
	return parser, err
}

// fail prints the error and its hint, with passwords redacted, and returns its exit code. With
// --json, stdout gets the error, too, unless it has a result already.
func (a *app) fail(err error) int {
	for _, line := range explain(err) {
		a.logf("%s", document.Redact(line))
	}
	if a.flags.JSON && !a.printed {
		_ = a.printJSON(errorDocument(err)) //nolint:errcheck // stderr and the exit code have the error
	}
	return codeOf(err)
}

// logf writes a line to stderr, for people. Names in it, which others chose, cannot control the
// terminal.
func (a *app) logf(format string, args ...any) {
	fmt.Fprintln(a.stderr, untrusted.Printable(fmt.Sprintf(format, args...))) // nobody reads a closed stderr
}

// print writes a text to stdout, for people. Names in it cannot control the terminal.
func (a *app) print(text string) error { return a.write(untrusted.Printable(text)) }

// write writes data to stdout.
func (a *app) write(text string) error {
	a.printed = true
	if _, err := io.WriteString(a.stdout, text); err != nil {
		return fmt.Errorf("writing to stdout: %w", err)
	}
	return nil
}

// done reports what a command has done: a message for people or, with --json, the value.
func (a *app) done(value any, format string, args ...any) error {
	if a.flags.JSON {
		return a.printJSON(value)
	}
	a.logf(format, args...)
	return nil
}

// printJSON writes a value to stdout as indented JSON.
func (a *app) printJSON(value any) error {
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return fmt.Errorf("writing JSON: %w", err)
	}
	return a.write(string(text) + "\n")
}

// interrupted reports whether the user stopped the command.
func interrupted(ctx context.Context) bool { return errors.Is(ctx.Err(), context.Canceled) }
