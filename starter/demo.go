package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/mattn/go-isatty"

	"rdrec/internal/devserver"
)

// demoCmd runs one experiment with a server and a worker of its own.
type demoCmd struct {
	Spec        string   `arg:"" optional:"" help:"Another spec." default:"experiments/demo.yaml"`
	Set         []string `help:"${help_set}" placeholder:"KEY=VALUE" sep:"none"`
	Config      string   `help:"The server's settings file." default:"${dev_config}"`
	Worker      string   `help:"The worker program; the default is in the folder of this program."`
	KeepServing string   `help:"${help_keep_serving}" enum:"yes,no,auto" default:"auto"`
}

// Run runs the experiment, prints its report, and stops the server and the worker that it started.
func (c *demoCmd) Run(ctx context.Context, a *app) (err error) {
	specification, err := specArg{Spec: c.Spec, Set: c.Set}.loadExperiment(a, findFiles)
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
	e, err := a.startExperiment(ctx, to, specification, false, func() error { return nil })
	if err != nil {
		return err
	}
	a.printStarted(e)
	err = w.run(ctx, func(ctx context.Context) error {
		if err := a.await(ctx, e, ""); err != nil {
			return err
		}
		return a.printResult(ctx, e)
	})
	if errors.Is(err, errInterrupted) {
		a.logf("stopping; run it again to resume")
	}
	if err != nil {
		return err
	}
	return c.keepServing(ctx, a, w)
}

// serve connects to the server that is running already, or starts one in this process; the returned
// function stops the latter.
func (a *app) serve(ctx context.Context, config string) (stop func() error, err error) {
	options, err := devserver.Load(config, nil)
	if err != nil {
		return nil, err
	}
	if a.flags.Address == "" && os.Getenv("TEMPORAL_ADDRESS") == "" {
		a.flags.Address = fmt.Sprintf("%s:%d", options.IP, options.Port)
	}
	if running, err := a.connect(ctx); err == nil {
		a.logf("using the Temporal server at %s", running.address)
		running.Close()
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
	stopPages := a.servePages("reports    ", s.Address(), s.UI())
	return func() error {
		stopPages()
		return errors.Join(s.Stop(), output.Close())
	}, nil
}

// appendTo opens a log file in the state folder for appending.
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

// keepServing keeps the server and the worker running on a terminal, so that people can look
// around; in a script it returns at once.
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
