package main_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.temporal.io/sdk/client"

	"rdrec/internal/staging"
)

// soakRun is one experiment of the soak test with its faults.
type soakRun struct {
	*faultEnv
	soak     *soak
	number   int
	rng      *rand.Rand
	settings string
	server   *exec.Cmd
	run      client.WorkflowRun
	ended    chan struct{}
	err      error
	workers  []*staging.Process
	started  int
	// minStep is the earliest step at which training may resume; linesRead counts the log lines
	// already checked.
	minStep   int
	linesRead map[*staging.Process]int
	// corrupted are the checkpoints that a fault corrupted; faultNames are the injected faults,
	// and timeline has the stage of each.
	corrupted  []string
	faultNames []string
	timeline   []string

	mutex sync.Mutex
	// prompts counts the requests for each prompt. suspended are the keys of workers suspended past
	// their heartbeat timeout; resumed counts the finished rows that they requested again.
	prompts                 map[string]int
	suspended               map[string]bool
	resumed                 int
	lost, wrong, duplicated []string
}

// fault is a type of fault. inject returns once the experiment has workers and a server again.
type fault struct {
	name   string
	inject func(o *soakRun, victim *staging.Process)
}

// faults are sampled uniformly.
var faults = []fault{
	{"kill -9", func(o *soakRun, victim *staging.Process) {
		victim.Kill()
		o.pause(3)
		o.replaceWorker(victim)
	}},
	{"SIGTERM", func(o *soakRun, victim *staging.Process) {
		victim.Drain()
		o.replaceWorker(victim)
	}},
	{"pause", func(o *soakRun, victim *staging.Process) {
		victim.Signal(syscall.SIGSTOP)
		o.pause(20)
		victim.Signal(syscall.SIGCONT)
	}},
	{"zombie", func(o *soakRun, victim *staging.Process) {
		o.mutex.Lock()
		o.suspended[victim.Variable(teacherKey)] = true
		o.mutex.Unlock()
		victim.Signal(syscall.SIGSTOP)
		o.addWorker()
		o.wait(50 * time.Second)
		o.pause(10)
		victim.Signal(syscall.SIGCONT)
	}},
	{"server kill -9", func(o *soakRun, _ *staging.Process) {
		if err := o.server.Process.Kill(); err != nil {
			o.T.Error(err)
		}
		_ = o.server.Wait() //nolint:errcheck // it was killed
		o.pause(15)
		o.server = staging.StartServer(o.T, o.settings)
	}},
	{"corrupt checkpoint", func(o *soakRun, victim *staging.Process) {
		for _, w := range o.workers { // so that none deletes the checkpoint
			w.Signal(syscall.SIGSTOP)
		}
		if valid := o.validCheckpoints(); len(valid) > 1 && o.CountFiles("stages/pretrain/*.json") == 0 {
			newest := valid[len(valid)-1]
			staging.CorruptCheckpoint(o.T, newest)
			o.corrupted = append(o.corrupted, newest)
			o.minStep = staging.StepOf(valid[len(valid)-2])
		}
		victim.Kill()
		for _, w := range o.workers {
			w.Signal(syscall.SIGCONT)
		}
		o.replaceWorker(victim)
	}},
}

// newRun starts an experiment on a server and workers of its own.
func (k *soak) newRun(t *testing.T, number int) *soakRun {
	t.Helper()
	o := &soakRun{
		soak: k, number: number, rng: rand.New(rand.NewPCG(k.seed, uint64(number))), ended: make(chan struct{}),
		linesRead: map[*staging.Process]int{}, prompts: map[string]int{}, suspended: map[string]bool{},
	}
	settings, address := staging.ServerSettings(t)
	o.settings = settings
	k.running.Store(strconv.Itoa(number), o)
	o.server = staging.StartServer(t, o.settings)
	o.faultEnv = &faultEnv{staging.NewAt(t, address, "default")}
	o.KeepCheckpoints()
	for range 1 + o.rng.IntN(2) {
		o.addWorker()
	}
	o.run = o.StartExperiment(k.settings(t))
	return o
}

// teacherKey is the environment variable with the key that a worker sends to the teacher.
const teacherKey = "RDREC_TEACHER_KEY"

// addWorker starts another worker, with a key of its own for the teacher.
func (o *soakRun) addWorker() {
	o.started++
	if o.soak.clocks {
		o.ClockOffset = time.Duration(o.rng.IntN(3)-1) * time.Hour
	}
	o.Variables = []string{fmt.Sprintf(teacherKey+"=%d-%d", o.number, o.started)}
	o.workers = append(o.workers, o.StartWorker("--max-lost", "100")) // the faults are random
}

// replaceWorker starts a worker in place of one that has ended.
func (o *soakRun) replaceWorker(gone *staging.Process) {
	o.workers = slices.DeleteFunc(o.workers, func(w *staging.Process) bool { return w == gone })
	o.addWorker()
}

// pause waits for a random time of up to the given seconds.
func (o *soakRun) pause(seconds float64) {
	o.wait(time.Duration(o.rng.Float64() * seconds * float64(time.Second)))
}

func (o *soakRun) wait(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	<-timer.C
}

// onPrompt records a prompt that the teacher received.
func (o *soakRun) onPrompt(key, prompt string) {
	stored := o.Rows()[o.soak.texts[prompt]]
	o.mutex.Lock()
	defer o.mutex.Unlock()
	o.prompts[prompt]++
	switch {
	case stored && o.suspended[key]:
		o.resumed++
	case stored:
		o.duplicated = append(o.duplicated, fmt.Sprintf("requested the finished row %q again", o.soak.texts[prompt]))
	}
}

// injectFaults injects one to four faults, fewer if the experiment ends earlier, and waits for its
// end.
func (o *soakRun) injectFaults() {
	ctx, cancel := context.WithTimeout(o.T.Context(), 12*time.Minute)
	go func() {
		defer cancel()
		defer close(o.ended)
		if o.err = o.run.Get(ctx, nil); ctx.Err() != nil {
			o.err = errors.New("the experiment did not end")
		}
	}()
	for range 1 + o.rng.IntN(4) {
		f := faults[o.rng.IntN(len(faults))]
		victim := o.workers[o.rng.IntN(len(o.workers))]
		if !o.awaitFaultTime() {
			break
		}
		o.checkResumes()
		if valid := o.validCheckpoints(); len(valid) > 0 {
			o.minStep = staging.StepOf(valid[len(valid)-1])
		}
		o.faultNames = append(o.faultNames, f.name)
		o.timeline = append(o.timeline, fmt.Sprintf("%s at %s", f.name, o.stage()))
		f.inject(o, victim)
	}
	<-o.ended
	if len(o.timeline) == 0 {
		o.timeline = []string{"ended before the first fault"}
	}
}

// awaitFaultTime waits for a random moment in the current stage or a later one. It reports whether
// the experiment is still running.
func (o *soakRun) awaitFaultTime() bool {
	conditions := []func() bool{
		func() bool { return true },
		func() bool { return o.CountFiles("rationales/*/*.jsonl") > 0 },
		func() bool { return o.NewestStep() > 0 },
		func() bool { return o.NewestStep() >= 40 },
		func() bool { return o.CountFiles("stages/pretrain/*.json") > 0 },
	}
	condition := conditions[o.rng.IntN(len(conditions))]
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for !condition() {
		select {
		case <-o.ended:
			return false
		case <-ticker.C:
		}
	}
	o.pause(4)
	select {
	case <-o.ended:
		return false
	default:
		return true
	}
}

// stage returns the experiment's current stage, derived from its bucket.
func (o *soakRun) stage() string {
	switch {
	case o.CountFiles("stages/pretrain/*.json") > 0:
		return "evaluate"
	case o.NewestStep() > 0:
		return fmt.Sprintf("step %d", o.NewestStep())
	case o.CountFiles("stages/distill/*.json") > 0:
		return "preprocess"
	case o.CountFiles("rationales/*/*.jsonl") > 0:
		return fmt.Sprintf("row %d", len(o.Rows()))
	default:
		return "import"
	}
}

// validCheckpoints returns the checkpoints that no fault corrupted, oldest first.
func (o *soakRun) validCheckpoints() []string {
	return slices.DeleteFunc(o.Checkpoints(), func(dir string) bool { return slices.Contains(o.corrupted, dir) })
}

// checkResumes checks that training resumed since the last fault only at the newest checkpoint or
// later, and that no attempt stored an earlier one.
func (o *soakRun) checkResumes() {
	for _, w := range o.Workers {
		lines := w.LogLines(staging.MsgResumed, staging.MsgFromScratch)
		for _, l := range lines[o.linesRead[w]:] {
			if l.Step < o.minStep {
				o.lost = append(o.lost, fmt.Sprintf("training resumed at step %d, though step %d was stored",
					l.Step, o.minStep))
			}
		}
		o.linesRead[w] = len(lines)
	}
	if valid := o.validCheckpoints(); len(valid) > 0 && staging.StepOf(valid[len(valid)-1]) < o.minStep {
		o.lost = append(o.lost, fmt.Sprintf("the newest checkpoint is %s, though step %d was stored",
			valid[len(valid)-1], o.minStep))
	}
}

// checkResult compares the experiment's outputs and activities with the undisturbed run's.
func (o *soakRun) checkResult() {
	if o.err != nil {
		o.lost = append(o.lost, o.err.Error())
		return
	}
	o.checkResumes()
	outputs := o.Outputs()
	for stage, want := range o.soak.outputs {
		if got, there := outputs[stage]; !there {
			o.lost = append(o.lost, "no record of stage "+stage)
		} else if got != want {
			o.wrong = append(o.wrong, fmt.Sprintf("stage %s made %.12s, want %.12s", stage, got, want))
		}
		delete(outputs, stage)
	}
	if len(outputs) > 0 {
		o.wrong = append(o.wrong, fmt.Sprintf("stages that the undisturbed run lacks: %v", outputs))
	}
	done := o.CompletedActivities()
	for name, want := range o.soak.finished {
		if done[name] > want {
			o.duplicated = append(o.duplicated, fmt.Sprintf("%s completed %d times, want %d", name, done[name], want))
		} else if done[name] < want {
			o.lost = append(o.lost, fmt.Sprintf("%s completed %d times, want %d", name, done[name], want))
		}
	}
	for _, f := range o.BadObjects() {
		injected := func(dir string) bool { return strings.HasPrefix(filepath.Join(o.Bucket, f.Key), dir) }
		if !slices.ContainsFunc(o.corrupted, injected) {
			o.wrong = append(o.wrong, fmt.Sprintf("the bucket is corrupt: %s: %s", f.Key, f.Reason))
		}
	}
	o.mutex.Lock()
	defer o.mutex.Unlock()
	for prompt := range o.soak.texts {
		if o.prompts[prompt] == 0 {
			o.lost = append(o.lost, "never requested: "+prompt)
		}
	}
	if limit := concurrency * len(o.suspended); o.resumed > limit {
		o.duplicated = append(o.duplicated, fmt.Sprintf(
			"suspended workers requested %d finished rows again, want %d at most", o.resumed, limit))
	}
}
