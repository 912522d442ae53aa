package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"rdrec/workflows"
)

// workerStopTimeout is the time limit for the worker to end: it gives its job
// [workflows.DrainTimeout] to save its state, and needs a moment more. After noticeDelay the user
// is notified of the wait.
const (
	workerStopTimeout = workflows.DrainTimeout + 15*time.Second
	noticeDelay       = 2 * time.Second
)

// workerProcess is a child process that runs the worker.
type workerProcess struct {
	command *exec.Cmd
	log     string
	ended   chan struct{}
}

// startWorker starts the worker in a process group of its own: Ctrl-C then reaches only the
// starter, which stops the worker before the server.
func (a *app) startWorker(ctx context.Context, program string, to *server) (*workerProcess, error) {
	program = a.workerProgram(program)
	bucket, err := a.bucketURL()
	if err != nil {
		return nil, err
	}
	output, err := appendTo("worker.log")
	if err != nil {
		return nil, err
	}
	w := &workerProcess{log: output.Name(), ended: make(chan struct{})}
	defer output.Close()                                        // the worker has its own handle
	w.command = exec.CommandContext(context.WithoutCancel(ctx), //nolint:gosec // the user names the program
		program, "--bucket", bucket, "--address", to.address, "--namespace", to.namespace,
		"--heartbeat-throttle", "2s") // shows progress as it happens
	w.command.Stdout, w.command.Stderr = output, output
	w.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := w.command.Start(); err != nil {
		return nil, fmt.Errorf("%w: starting %q: %w", errNoWorker, program, err)
	}
	go func() {
		_ = w.command.Wait() //nolint:errcheck // the process state has the same error
		close(w.ended)
	}()
	a.logf("worker     %s (process %d), log %s", program, w.command.Process.Pid, w.log)
	return w, nil
}

// run calls do while the worker runs; it returns an error if the worker ends first.
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
		if err := <-done; err == nil { // it finished just in time
			return nil
		}
		return fmt.Errorf("%w early (%s); its log is %s", errWorkerEnded, w.command.ProcessState, w.log)
	}
}

// stop lets the worker save its state. It kills a worker that takes longer than workerStopTimeout,
// or when a second signal arrives.
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
			a.logf("the worker finishes its step and saves its state, within %s; "+
				"Ctrl-C again kills it, and the next run resumes from the last checkpoint", workflows.DrainTimeout)
			continue
		case <-interrupted:
		case <-end:
		}
		_ = w.command.Process.Kill() //nolint:errcheck // it may have ended just now
		<-w.ended
		return
	}
}
