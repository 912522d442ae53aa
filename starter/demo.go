package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/mattn/go-isatty"

	"rdrec/internal/devserver"
	"rdrec/workflows"
)

// demoCmd runs the demo: a server and a worker of its own, one experiment.
type demoCmd struct {
	Spec        string   `arg:"" optional:"" help:"Another spec." default:"experiments/demo.yaml"`
	Set         []string `help:"Override a value of the spec, for example train.epochs=2." placeholder:"KEY=VALUE" sep:"none"`
	Config      string   `help:"The server's settings file." default:"${dev_config}"`
	Worker      string   `help:"The worker program; the default is the one beside this program."`
	KeepServing string   `help:"Keep serving afterwards: yes, no, or auto (on a terminal)." enum:"yes,no,auto" default:"auto"`
}

// How long the worker may take to end: it gives its job [workflows.DrainTimeout] to save its state,
// and needs a moment more. Where it takes longer than noticeDelay, people are told what they wait
// for.
const (
	workerStopTimeout = workflows.DrainTimeout + 15*time.Second
	noticeDelay       = 2 * time.Second
)

// Run does the demo and stops what it started.
func (c *demoCmd) Run(ctx context.Context, a *app) (err error) {
	specification, err := specArg{Spec: c.Spec, Set: c.Set}.load()
	if err != nil {
		return err
	}
	stopServer, err := a.serve(ctx, c.Config)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stopServer()) }()
	to, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer to.Close()
	w, err := a.startWorker(ctx, c.Worker, to)
	if err != nil {
		return err
	}
	defer w.stop(a)
	e, err := startExperiment(ctx, to, specification)
	if err != nil {
		return err
	}
	a.printStarted(e)
	err = w.run(ctx, func(ctx context.Context) error { return a.follow(ctx, e) })
	if errors.Is(err, errInterrupted) {
		a.logf("stopping; run it again to resume")
	}
	if err != nil {
		return err
	}
	return c.keepServing(ctx, a, w)
}

// serve makes sure that a server listens: the one that is there, or one in this process, which the
// returned function stops.
func (a *app) serve(ctx context.Context, config string) (stop func() error, err error) {
	options, err := devserver.Load(config, nil)
	if err != nil {
		return nil, err
	}
	if a.flags.Address == "" && os.Getenv("TEMPORAL_ADDRESS") == "" {
		a.flags.Address = fmt.Sprintf("%s:%d", options.IP, options.Port)
	}
	if there, err := a.connect(ctx); err == nil {
		a.logf("using the Temporal server at %s", there.address)
		there.Close()
		return func() error { return nil }, nil
	}
	output, err := appendTo("server.log")
	if err != nil {
		return nil, err
	}
	s, err := devserver.Start(ctx, options, serverLog(output))
	if err != nil {
		return nil, errors.Join(err, output.Close())
	}
	a.flags.Address, a.flags.UI = s.Address(), s.UI()
	a.logf("server     %s, log %s\nWeb UI     %s", s.Address(), output.Name(), s.UI())
	return func() error { return errors.Join(s.Stop(), output.Close()) }, nil
}

// appendTo opens a log in the state folder.
func appendTo(name string) (*os.File, error) {
	if err := os.MkdirAll(stateFolder, 0o755); err != nil {
		return nil, fmt.Errorf("making the folder for logs: %w", err)
	}
	output, err := os.OpenFile(filepath.Join(stateFolder, name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("opening a log: %w", err)
	}
	return output, nil
}

// keepServing keeps server and worker up for people to look around; programs get their prompt back.
func (c *demoCmd) keepServing(ctx context.Context, a *app, w *workerProcess) error {
	interactive := isatty.IsTerminal(os.Stdin.Fd()) && isatty.IsTerminal(os.Stdout.Fd())
	if c.KeepServing == "no" || c.KeepServing == "auto" && !interactive {
		a.logf("\"make dev\" shows the history again in the Web UI")
		return nil
	}
	a.logf("server and worker stay up; Ctrl-C stops them")
	return w.run(ctx, func(ctx context.Context) error {
		<-ctx.Done()
		return nil
	})
}

// workerProcess is the worker program running beside us.
type workerProcess struct {
	command *exec.Cmd
	log     string
	ended   chan struct{}
}

// startWorker starts the worker in a process group of its own, so that Ctrl-C reaches us alone and
// we stop it before the server.
func (a *app) startWorker(ctx context.Context, program string, to *server) (*workerProcess, error) {
	if program == "" {
		program = filepath.Join(filepath.Dir(a.program), "worker")
	}
	bucket, err := a.bucketURL()
	if err != nil {
		return nil, err
	}
	output, err := appendTo("worker.log")
	if err != nil {
		return nil, err
	}
	w := &workerProcess{log: output.Name(), ended: make(chan struct{})}
	defer output.Close()                                        // the worker has a handle of its own
	w.command = exec.CommandContext(context.WithoutCancel(ctx), //nolint:gosec // the user names the program
		program, "--bucket", bucket, "--address", to.address, "--namespace", to.namespace)
	w.command.Stdout, w.command.Stderr = output, output
	w.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := w.command.Start(); err != nil {
		return nil, fmt.Errorf("%w: starting %q: %w", errNoWorker, program, err)
	}
	go func() {
		_ = w.command.Wait() //nolint:errcheck // the process state says it too
		close(w.ended)
	}()
	a.logf("worker     %s (process %d), log %s", program, w.command.Process.Pid, w.log)
	return w, nil
}

// run does something while the worker lives; the worker's end is an error.
func (w *workerProcess) run(ctx context.Context, do func(context.Context) error) error {
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- do(inner) }()
	select {
	case err := <-done:
		return err
	case <-w.ended:
		cancel()
		if err := <-done; err == nil { // it was just in time
			return nil
		}
		return fmt.Errorf("%w early (%s); its log is %s", errWorkerEnded, w.command.ProcessState, w.log)
	}
}

// stop lets the worker save its state, and ends it where it does not, or where another signal says
// that nobody wants to wait.
func (w *workerProcess) stop(a *app) {
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, syscall.SIGINT, syscall.SIGTERM)
	defer signal.Stop(interrupted)
	_ = w.command.Process.Signal(syscall.SIGTERM) //nolint:errcheck // it may have ended
	notice, end := time.After(noticeDelay), time.After(workerStopTimeout)
	for {
		select {
		case <-w.ended:
			return
		case <-notice:
			a.logf("the worker finishes its step and saves its state, for %s at most; Ctrl-C again ends it at once, back to the last checkpoint",
				workflows.DrainTimeout)
			continue
		case <-interrupted:
		case <-end:
		}
		_ = w.command.Process.Kill() //nolint:errcheck // it may have ended just now
		<-w.ended
		return
	}
}
