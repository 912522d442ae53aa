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

	"rdrec/internal/badnet"
)

// ordeal is an experiment of the soak and what is done to it.
type ordeal struct {
	*site
	soak     *soak
	number   int
	dice     *rand.Rand
	settings string
	server   *exec.Cmd
	run      client.WorkflowRun
	ended    chan struct{}
	err      error
	workers  []*process
	hired    int
	// floor is the step that training must not fall behind when it is resumed; read counts the lines that were looked at.
	floor int
	read  map[*process]int
	// spoilt are the checkpoints that were corrupted. names are the faults, story is where they came.
	spoilt []string
	names  []string
	story  []string

	mutex sync.Mutex
	// asked counts prompts; frozen are the keys of workers that stood still.
	asked                map[string]int
	frozen               map[string]bool
	thawed               int
	lost, wrong, doubled []string
}

// fault is a kind of fault. It returns when the experiment has workers and a server again.
type fault struct {
	name   string
	strike func(o *ordeal, victim *process)
}

// faults are drawn evenly.
var faults = []fault{
	{"kill -9", func(o *ordeal, victim *process) {
		victim.kill()
		o.pause(3)
		o.replace(victim)
	}},
	{"SIGTERM", func(o *ordeal, victim *process) {
		victim.drain()
		o.replace(victim)
	}},
	{"pause", func(o *ordeal, victim *process) {
		victim.signal(syscall.SIGSTOP)
		o.pause(20)
		victim.signal(syscall.SIGCONT)
	}},
	{"zombie", func(o *ordeal, victim *process) {
		o.mutex.Lock()
		o.frozen[victim.key()] = true
		o.mutex.Unlock()
		victim.signal(syscall.SIGSTOP)
		o.hireOne()
		o.wait(50 * time.Second)
		o.pause(10)
		victim.signal(syscall.SIGCONT)
	}},
	{"server kill -9", func(o *ordeal, _ *process) {
		if err := o.server.Process.Kill(); err != nil {
			o.t.Error(err)
		}
		_ = o.server.Wait() //nolint:errcheck // it was killed
		o.pause(15)
		o.server = serverProcess(o.t, o.settings)
	}},
	{"corrupt checkpoint", func(o *ordeal, victim *process) {
		for _, w := range o.workers { // so that it is not deleted meanwhile
			w.signal(syscall.SIGSTOP)
		}
		if sound := o.sound(); len(sound) > 1 && o.count("stages/pretrain/*.json") == 0 {
			newest := sound[len(sound)-1]
			flipOne(o.t, newest)
			o.spoilt = append(o.spoilt, newest)
			o.floor = stepOf(sound[len(sound)-2])
		}
		victim.kill()
		for _, w := range o.workers {
			w.signal(syscall.SIGCONT)
		}
		o.replace(victim)
	}},
}

// ordeal begins an experiment on a server and workers of its own.
func (k *soak) ordeal(t *testing.T, number int) *ordeal {
	t.Helper()
	o := &ordeal{
		soak: k, number: number, dice: rand.New(rand.NewPCG(k.seed, uint64(number))), ended: make(chan struct{}),
		settings: filepath.Join(t.TempDir(), "temporal.db") + " " + badnet.FreePort(t),
		read:     map[*process]int{}, asked: map[string]int{}, frozen: map[string]bool{},
	}
	k.running.Store(strconv.Itoa(number), o)
	o.server = serverProcess(t, o.settings)
	o.site = siteAt(t, "127.0.0.1:"+strings.Fields(o.settings)[1], "default")
	for range 1 + o.dice.IntN(2) {
		o.hireOne()
	}
	o.run = o.begin(k.settings(t))
	return o
}

func (o *ordeal) hireOne() {
	o.hired++
	if o.soak.clocks {
		o.ahead = time.Duration(o.dice.IntN(3)-1) * time.Hour
	}
	o.env = []string{fmt.Sprintf("RDREC_TEACHER_KEY=%d-%d", o.number, o.hired)}
	o.workers = append(o.workers, o.hire())
}

func (o *ordeal) replace(gone *process) {
	o.workers = slices.DeleteFunc(o.workers, func(w *process) bool { return w == gone })
	o.hireOne()
}

// key is what a worker shows the teacher.
func (w *process) key() string {
	for _, variable := range w.Env {
		if key, ok := strings.CutPrefix(variable, "RDREC_TEACHER_KEY="); ok {
			return key
		}
	}
	return ""
}

// pause waits up to so many seconds.
func (o *ordeal) pause(seconds float64) {
	o.wait(time.Duration(o.dice.Float64() * seconds * float64(time.Second)))
}

func (o *ordeal) wait(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	<-timer.C
}

// hear is told of a prompt by the teacher.
func (o *ordeal) hear(key, prompt string) {
	stored := o.rows()[o.soak.texts[prompt]]
	o.mutex.Lock()
	defer o.mutex.Unlock()
	o.asked[prompt]++
	switch {
	case stored && o.frozen[key]:
		o.thawed++
	case stored:
		o.doubled = append(o.doubled, fmt.Sprintf("asked again for the finished row %q", o.soak.texts[prompt]))
	}
}

// suffer lets faults come until the experiment has ended or there were enough of them.
func (o *ordeal) suffer() {
	ctx, cancel := context.WithTimeout(o.t.Context(), 12*time.Minute)
	go func() {
		defer cancel()
		defer close(o.ended)
		if o.err = o.run.Get(ctx, nil); ctx.Err() != nil {
			o.err = errors.New("it did not end")
		}
	}()
	for range 1 + o.dice.IntN(4) {
		f := faults[o.dice.IntN(len(faults))]
		victim := o.workers[o.dice.IntN(len(o.workers))]
		if !o.moment() {
			break
		}
		o.resumptions()
		if sound := o.sound(); len(sound) > 0 {
			o.floor = stepOf(sound[len(sound)-1])
		}
		o.names = append(o.names, f.name)
		o.story = append(o.story, fmt.Sprintf("%s at %s", f.name, o.stage()))
		f.strike(o, victim)
	}
	<-o.ended
	if len(o.story) == 0 {
		o.story = []string{"over before a fault came"}
	}
}

// moment waits for a moment that the dice choose, in the stage that is under way or in a later one; it says whether there was one.
func (o *ordeal) moment() bool {
	conditions := []func() bool{
		func() bool { return true },
		func() bool { return o.count("rationales/*/*.jsonl") > 0 },
		func() bool { return o.newest() > 0 },
		func() bool { return o.newest() >= 40 },
		func() bool { return o.count("stages/pretrain/*.json") > 0 },
	}
	holds := conditions[o.dice.IntN(len(conditions))]
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for !holds() {
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

// stage is what the experiment is at, as its bucket shows.
func (o *ordeal) stage() string {
	switch {
	case o.count("stages/pretrain/*.json") > 0:
		return "evaluate"
	case o.newest() > 0:
		return fmt.Sprintf("step %d", o.newest())
	case o.count("stages/distill/*.json") > 0:
		return "preprocess"
	case o.count("rationales/*/*.jsonl") > 0:
		return fmt.Sprintf("row %d", len(o.rows()))
	default:
		return "import"
	}
}

// sound are the checkpoints that nobody has corrupted, oldest first.
func (o *ordeal) sound() []string {
	found, err := filepath.Glob(filepath.Join(o.bucket, "checkpoints/*/*/*/manifest.json"))
	if err != nil {
		o.t.Error(err)
	}
	slices.Sort(found)
	var sound []string
	for _, path := range found {
		if dir := filepath.Dir(path); !slices.Contains(o.spoilt, dir) {
			sound = append(sound, dir)
		}
	}
	return sound
}

func stepOf(checkpoint string) int {
	step, err := strconv.Atoi(filepath.Base(checkpoint))
	if err != nil {
		return -1
	}
	return step
}

// resumptions checks that training, wherever it was resumed since the last fault, was so at the newest checkpoint or later, and that no
// attempt stored one of before.
func (o *ordeal) resumptions() {
	for _, w := range o.everyone {
		lines := w.said(resumes, begins)
		for _, l := range lines[o.read[w]:] {
			if l.Step < o.floor {
				o.lost = append(o.lost, fmt.Sprintf("training went on from step %d, though step %d was stored", l.Step, o.floor))
			}
		}
		o.read[w] = len(lines)
	}
	if sound := o.sound(); len(sound) > 0 && stepOf(sound[len(sound)-1]) < o.floor {
		o.lost = append(o.lost, fmt.Sprintf("the newest checkpoint is %s, though step %d was stored", sound[len(sound)-1], o.floor))
	}
}

// judge compares with the undisturbed run.
func (o *ordeal) judge() {
	if o.err != nil {
		o.lost = append(o.lost, o.err.Error())
		return
	}
	o.resumptions()
	outputs := o.outputs()
	for stage, want := range o.soak.outputs {
		if got, there := outputs[stage]; !there {
			o.lost = append(o.lost, "no record of stage "+stage)
		} else if got != want {
			o.wrong = append(o.wrong, fmt.Sprintf("stage %s made %.12s, want %.12s", stage, got, want))
		}
		delete(outputs, stage)
	}
	if len(outputs) > 0 {
		o.wrong = append(o.wrong, fmt.Sprintf("stages that the undisturbed run does not have: %v", outputs))
	}
	done := o.finished()
	for name, want := range o.soak.finished {
		if done[name] > want {
			o.doubled = append(o.doubled, fmt.Sprintf("%s was finished %d times, want %d", name, done[name], want))
		} else if done[name] < want {
			o.lost = append(o.lost, fmt.Sprintf("%s was finished %d times, want %d", name, done[name], want))
		}
	}
	for _, f := range o.damage() {
		if !slices.ContainsFunc(o.spoilt, func(dir string) bool { return strings.HasPrefix(filepath.Join(o.bucket, f.Key), dir) }) {
			o.wrong = append(o.wrong, fmt.Sprintf("the bucket is damaged: %s: %s", f.Key, f.Reason))
		}
	}
	o.mutex.Lock()
	defer o.mutex.Unlock()
	for prompt := range o.soak.texts {
		if o.asked[prompt] == 0 {
			o.lost = append(o.lost, "never asked: "+prompt)
		}
	}
	if most := concurrency * len(o.frozen); o.thawed > most {
		o.doubled = append(o.doubled, fmt.Sprintf("workers that had stood still asked %d finished rows again, want %d at most", o.thawed, most))
	}
}
