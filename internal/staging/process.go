package staging

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Process is a running worker program.
type Process struct {
	*exec.Cmd
	// Clock is the worker's clock if it was started with an offset.
	Clock *Clock
	// Ended is closed when the program has ended.
	Ended chan struct{}
	t     *testing.T
	// Log is the path of the worker's log.
	Log string
}

// StartWorker starts a worker on the environment's bucket and namespace.
func (e *Env) StartWorker(flags ...string) *Process {
	e.T.Helper()
	return e.StartProgram(append([]string{
		"--bucket", e.URL, "--address", e.Address, "--namespace", e.Namespace, "--threads", "1", "--device", "cpu",
		"--heartbeat-throttle", "2s",
		"--log-json",
	}, flags...)...)
}

// StartProgram starts the worker program with only these arguments and a folder for its log and its
// scratch files.
func (e *Env) StartProgram(args ...string) *Process {
	e.T.Helper()
	program, err := BuildWorker()
	if err != nil {
		e.T.Fatal(err)
	}
	dir := e.T.TempDir()
	log, err := os.Create(filepath.Join(dir, "worker.log")) //nolint:gosec // the test's own folder
	if err != nil {
		e.T.Fatal(err)
	}
	defer log.Close()
	w := &Process{t: e.T, Log: log.Name(), Ended: make(chan struct{})}
	w.Cmd = exec.Command(program, append(args, "--scratch", filepath.Join(dir, "scratch"))...) //nolint:gosec // ours
	w.Dir, w.Stdout, w.Stderr = Root(), log, log
	w.Env = append(append(os.Environ(), "OMP_WAIT_POLICY=passive"), e.Variables...)
	if err := e.start(w); errors.Is(err, errors.ErrUnsupported) || errors.Is(err, os.ErrPermission) {
		e.T.Skipf("cannot give a process a wrong clock here: %v", err)
	} else if err != nil {
		e.T.Fatal(err)
	}
	e.Workers = append(e.Workers, w)
	go func() {
		_ = w.Wait() //nolint:errcheck // the process state has it
		close(w.Ended)
	}()
	e.T.Cleanup(func() {
		w.Kill()
		if data, err := os.ReadFile(w.Log); err == nil && e.T.Failed() {
			e.T.Logf("worker %d:\n%s", w.Process.Pid, data)
		}
	})
	return w
}

// start starts a worker with the environment's clock.
func (e *Env) start(w *Process) (err error) {
	if e.ClockOffset == 0 {
		return w.Start()
	}
	w.Clock, err = StartAt(w.Cmd, e.ClockOffset)
	return err
}

// Signal sends a signal; it does nothing if the worker has ended.
func (w *Process) Signal(which syscall.Signal) {
	_ = w.Process.Signal(which) //nolint:errcheck // it may have ended
}

// Kill ends the worker with SIGKILL and waits until it has ended.
func (w *Process) Kill() {
	w.Signal(syscall.SIGKILL)
	<-w.Ended
}

// Drain sends SIGTERM and waits until the worker has ended.
func (w *Process) Drain() {
	w.t.Helper()
	w.Signal(syscall.SIGTERM)
	select {
	case <-w.Ended:
	case <-time.After(time.Minute):
		w.t.Error("the worker did not drain within a minute")
	}
}

// Variable returns the value of a variable of the worker's environment, "" if it has none.
func (w *Process) Variable(name string) string {
	for _, variable := range slices.Backward(w.Env) {
		if value, ok := strings.CutPrefix(variable, name+"="); ok {
			return value
		}
	}
	return ""
}

// LogLine is a line of a worker's log in JSON.
type LogLine struct {
	Message string    `json:"message"`
	Step    int       `json:"step"`
	Time    time.Time `json:"time"`
	Address string    `json:"address"`
}

// LogLines returns the lines of the worker's log with one of these messages.
func (w *Process) LogLines(messages ...string) []LogLine {
	w.t.Helper()
	f, err := os.Open(w.Log)
	if err != nil {
		w.t.Fatal(err)
	}
	defer f.Close()
	var found []LogLine
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var l LogLine
		if json.Unmarshal(lines.Bytes(), &l) == nil && slices.Contains(messages, l.Message) {
			found = append(found, l)
		}
	}
	return found
}

// Log messages of the worker and the activities.
const (
	MsgNoServer    = "no Temporal server: retrying"
	MsgResumed     = "training resumes from a checkpoint"
	MsgNotStored   = "checkpoint was not saved"
	MsgFromScratch = "training starts without a checkpoint"
	MsgTriedAgain  = "activity is tried again"
	MsgCorrupt     = "corrupt checkpoint quarantined; restoring an older one"
)

// ResumedStep returns the step at which the worker first resumed training. On a machine so busy
// that heartbeats time out, it may resume again later.
func (w *Process) ResumedStep() int {
	w.t.Helper()
	return w.Resumptions()[0]
}

// Resumptions returns the steps at which the worker resumed training, at least one.
func (w *Process) Resumptions() []int {
	w.t.Helper()
	lines := w.LogLines(MsgResumed)
	steps := make([]int, len(lines))
	for i, l := range lines {
		steps[i] = l.Step
	}
	if len(steps) == 0 {
		w.t.Fatal("training did not resume from a checkpoint")
	}
	return steps
}
