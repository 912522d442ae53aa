// Command starter is how people use rdrec: it starts experiments, watches them and shows what came
// out, and it brings a Temporal server along for a single machine. In: flags, a spec, and a
// Temporal server's address; out: data on stdout (with --json for programs), everything for people
// on stderr, and an exit code of the table in exit.go. It does no work itself and links no
// libtorch.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"rdrec/internal/devserver"
	"rdrec/internal/document"
)

// cli is the grammar: flags for all commands, then the commands.
type cli struct {
	Address   string `help:"Temporal server as host:port; over TEMPORAL_ADDRESS and the profile's." group:"Server"`
	Namespace string `help:"Temporal namespace; over TEMPORAL_NAMESPACE and the profile's." group:"Server"`
	Profile   string `help:"Profile of temporal.toml; over TEMPORAL_PROFILE." group:"Server"`
	UI        string `name:"ui" help:"Address of the Web UI; on the loopback it is found by itself." env:"RDREC_UI" group:"Server"`
	Bucket    string `help:"URL of the bucket that the workers use: file:///path, s3://, gs://, azblob://; the default is .rdrec/bucket here." env:"RDREC_BUCKET" group:"Server"`
	JSON      bool   `name:"json" help:"Write JSON to stdout."`

	Run         runCmd         `cmd:"" help:"Start the experiment of a spec, or find it where it was started before, and watch it."`
	Demo        demoCmd        `cmd:"" help:"Run experiments/demo.yaml with a server and a worker of its own."`
	Dev         devCmd         `cmd:"" help:"Run a Temporal server and its Web UI here, for one machine."`
	Distill     distillCmd     `cmd:"" help:"Distill explanations into rationales: start, sample, pause, resume, skip."`
	Status      statusCmd      `cmd:"" help:"Show the stages of an experiment, or list the latest experiments."`
	Watch       watchCmd       `cmd:"" help:"Watch an experiment until it ends."`
	Report      reportCmd      `cmd:"" help:"Print an experiment's report and say where its pages are."`
	Export      exportCmd      `cmd:"" help:"Export recommendations for all users of a model as Parquet, JSON lines or CSV, or export the student itself."`
	Recommend   recommendCmd   `cmd:"" help:"Recommend to one user."`
	Rerun       rerunCmd       `cmd:"" help:"Rerun a finished experiment without the cache and diff every artifact."`
	Cancel      cancelCmd      `cmd:"" help:"Stop an experiment; what it finished is kept, and running it again goes on from there."`
	Verify      verifyCmd      `cmd:"" help:"Verify the hashes of all objects that a run refers to, or of the whole bucket; list corrupt objects and the affected runs."`
	GC          gcCmd          `cmd:"" name:"gc" help:"Delete unreferenced objects from the bucket."`
	Deploy      deployCmd      `cmd:"" help:"Make a version of the workers the current one: experiments that begin from now on run on it."`
	Nightly     nightlyCmd     `cmd:"" help:"Run nightly retraining: ingest new reviews, train, and promote the model unless it is worse. List past runs."`
	Schedule    scheduleCmd    `cmd:"" help:"Manage the nightly retraining schedule."`
	Promote     promoteCmd     `cmd:"" help:"Promote the model of a finished run."`
	Rollback    rollbackCmd    `cmd:"" help:"Roll back to the previous model."`
	Promotions  promotionsCmd  `cmd:"" help:"List the models that were in use under a name."`
	NightlyRuns nightlyListCmd `cmd:"" help:"List the last nightly runs: metrics, volumes, costs, promotions and drift."`
	Spec        specCmd        `cmd:"" help:"Check a spec and print it with every default written out."`
	Audit       auditCmd       `cmd:"" help:"Look for leaks in a dataset folder: what a rule without a model reaches, and why."`
	Tables      tablesCmd      `cmd:"" help:"List what a spec may name: methods, sizes, protocols, teachers, formats."`
}

// app is what commands need from the world.
type app struct {
	stdout, stderr io.Writer
	// now is the clock.
	now func() time.Time
	// program is the starter's own file; the worker lies beside it.
	program string
	flags   *cli
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run does one command and returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	program, err := os.Executable()
	if err != nil {
		program = filepath.Join("bin", "starter")
	}
	a := &app{stdout: stdout, stderr: stderr, now: time.Now, program: program, flags: &cli{}}
	exited := -1
	parser, err := kong.New(a.flags,
		kong.Name("starter"),
		kong.Description("Runs experiments: raw reviews to rationales to a student to recommendations.\n\n"+exitHelp()),
		kong.Writers(stdout, stderr),
		kong.Exit(func(code int) { exited = code }),
		kong.Vars{"dev_config": devserver.DefaultPath},
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 120}),
	)
	if err != nil {
		return a.fail(err)
	}
	command, err := parser.Parse(args)
	if exited >= 0 { // --help has been answered
		return exited
	}
	if err != nil {
		return a.fail(usageError{err})
	}
	command.BindTo(ctx, (*context.Context)(nil))
	if err := command.Run(a); err != nil {
		return a.fail(err)
	}
	return exitOK
}

// fail tells people what went wrong and what to do, and returns the exit code for it. What it says
// is without passwords.
func (a *app) fail(err error) int {
	for _, line := range explain(err) {
		a.logf("%s", document.Redact(line))
	}
	return codeOf(err)
}

// logf writes a line for people.
func (a *app) logf(format string, args ...any) {
	fmt.Fprintf(a.stderr, format+"\n", args...) // where stderr is gone nobody listens
}

// print writes data.
func (a *app) print(text string) error {
	if _, err := io.WriteString(a.stdout, text); err != nil {
		return fmt.Errorf("writing to stdout: %w", err)
	}
	return nil
}

// interrupted says whether the command was asked to stop.
func interrupted(ctx context.Context) bool { return errors.Is(ctx.Err(), context.Canceled) }
