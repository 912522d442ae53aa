package main_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"
)

// process is a running worker program.
type process struct {
	*exec.Cmd
	t     *testing.T
	log   string
	clock *wrongClock
	ended chan struct{}
}

// startWorker starts a worker.
func (s *faultEnv) startWorker(flags ...string) *process {
	s.t.Helper()
	return s.program(append([]string{
		"--bucket", s.url, "--address", s.address, "--namespace", s.namespace, "--threads", "1", "--device", "cpu",
		"--log-json",
	}, flags...)...)
}

// program starts the worker program, with a folder for its log and its scratch files.
func (s *faultEnv) program(args ...string) *process {
	s.t.Helper()
	program, err := buildWorker()
	if err != nil {
		s.t.Fatal(err)
	}
	dir := s.t.TempDir()
	log, err := os.Create(filepath.Join(dir, "worker.log"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer log.Close()
	w := &process{t: s.t, log: log.Name(), ended: make(chan struct{})}
	w.Cmd = exec.Command(program, append(args, "--scratch", filepath.Join(dir, "scratch"))...)
	w.Dir, w.Stdout, w.Stderr, w.Env = root, log, log, append(append(os.Environ(), "OMP_WAIT_POLICY=passive"), s.env...)
	if err := s.start(w); errors.Is(err, errors.ErrUnsupported) || errors.Is(err, os.ErrPermission) {
		s.t.Skipf("cannot give a process a wrong clock here: %v", err)
	} else if err != nil {
		s.t.Fatal(err)
	}
	s.allWorkers = append(s.allWorkers, w)
	go func() {
		_ = w.Wait() //nolint:errcheck // the process state has it
		close(w.ended)
	}()
	s.t.Cleanup(func() {
		w.signal(syscall.SIGKILL)
		<-w.ended
		if data, err := os.ReadFile(w.log); err == nil && s.t.Failed() {
			s.t.Logf("worker %d:\n%s", w.Process.Pid, data)
		}
	})
	return w
}

// start starts a worker with the environment's clock.
func (s *faultEnv) start(w *process) (err error) {
	if s.clockOffset == 0 {
		return w.Start()
	}
	w.clock, err = startAt(w.Cmd, s.clockOffset)
	return err
}

// signal sends a signal; it does nothing if the worker has ended.
func (w *process) signal(which syscall.Signal) {
	_ = w.Process.Signal(which) //nolint:errcheck // it may have ended
}

// kill ends the worker with SIGKILL and waits until it has ended.
func (w *process) kill() {
	w.signal(syscall.SIGKILL)
	<-w.ended
}

// drain sends SIGTERM and waits until the worker has ended.
func (w *process) drain() {
	w.t.Helper()
	w.signal(syscall.SIGTERM)
	select {
	case <-w.ended:
	case <-time.After(time.Minute):
		w.t.Error("the worker did not drain within a minute")
	}
}

// line is a line of a worker's log in JSON.
type line struct {
	Message string    `json:"message"`
	Step    int       `json:"step"`
	Time    time.Time `json:"time"`
	Address string    `json:"address"`
}

// logLines returns the lines of the worker's log with one of these messages.
func (w *process) logLines(messages ...string) []line {
	w.t.Helper()
	f, err := os.Open(w.log)
	if err != nil {
		w.t.Fatal(err)
	}
	defer f.Close()
	var found []line
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var l line
		if json.Unmarshal(lines.Bytes(), &l) == nil && slices.Contains(messages, l.Message) {
			found = append(found, l)
		}
	}
	return found
}

// Log messages of the worker and the activities.
const (
	msgNoServer    = "no Temporal server: retrying"
	msgResumed     = "training resumes from a checkpoint"
	msgNotStored   = "checkpoint was not saved"
	msgFromScratch = "training starts without a checkpoint"
	msgCorrupt     = "corrupt checkpoint quarantined; restoring an older one"
)

// resumedStep returns the step at which the worker first resumed training. On a machine so busy
// that heartbeats time out, it may resume again later.
func (w *process) resumedStep() int {
	w.t.Helper()
	return w.resumptions()[0]
}

// resumptions returns the steps at which the worker resumed training, at least one.
func (w *process) resumptions() []int {
	w.t.Helper()
	var steps []int
	for _, l := range w.logLines(msgResumed) {
		steps = append(steps, l.Step)
	}
	if len(steps) == 0 {
		w.t.Fatal("training did not resume from a checkpoint")
	}
	return steps
}
