package main_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"rdrec/internal/spec"
	"rdrec/storage"
)

// The soak runs small real experiments for as long as it is told, each on a server, a bucket and workers of its own, and disturbs each
// with faults that a seed draws. What an experiment made, and how often it did what, is compared with an undisturbed run's.

const (
	// soakMinutes in the environment is how long to soak; soakSeed draws the faults.
	soakMinutes, soakSeed = "RDREC_SOAK", "RDREC_SEED"
	// soakLanes is how many experiments run at once: most of their time they wait for a heartbeat that does not come.
	soakLanes = 4
	// soakRows is how many rationales an experiment has written, by a teacher that takes soakDelay for each.
	soakRows  = 40
	soakDelay = 400 * time.Millisecond
)

// soak is a running soak.
type soak struct {
	teacher *chatServer
	seed    uint64
	end     time.Time
	// outputs and finished are those of an undisturbed run; texts are the explanations that its prompts asked about.
	outputs  map[string]string
	finished map[string]int
	texts    map[string]string
	// clocks says that workers' clocks can be wrong here.
	clocks bool
	// running are the ordeals by number, to which the teacher tells what it is asked.
	running sync.Map
	mutex   sync.Mutex
	begun   int
	total   tally
}

// tally counts over all experiments.
type tally struct {
	experiments, lost, wrong, doubled int
	faults                            map[string]int
	// prompts were asked in all, again are those that a fault caught in flight; thawed were asked by a process that had stood still.
	prompts, again, thawed int
}

func TestSoak(t *testing.T) {
	minutes, err := strconv.ParseFloat(os.Getenv(soakMinutes), 64)
	if err != nil {
		t.Skip("takes as long as it is told: make soak MINUTES=n")
	}
	k := &soak{seed: rand.Uint64N(1e6), total: tally{faults: map[string]int{}}}
	if text := os.Getenv(soakSeed); text != "" {
		if k.seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	k.teacher = newChatServer(t, soakDelay)
	k.teacher.watch = func(key, prompt string) {
		number, _, _ := strings.Cut(key, "-")
		if o, ok := k.running.Load(number); ok {
			o.(*ordeal).hear(key, prompt) //nolint:errcheck,forcetypeassert // nothing else is put there
		}
	}
	began := time.Now()
	k.end = began.Add(time.Duration(minutes * float64(time.Minute)))
	k.learn(t)
	if program, err := built(); err == nil {
		probe := exec.Command(program, "--help")
		if _, err := startAt(probe, time.Hour); err == nil {
			k.clocks = probe.Wait() == nil
		}
	}
	fmt.Fprintf(os.Stdout, "soak: seed %d, an undisturbed run took %s; workers' clocks an hour off: %t\n", k.seed, time.Since(began).Round(time.Second), k.clocks)
	t.Run("lanes", func(t *testing.T) {
		for lane := range soakLanes {
			t.Run(strconv.Itoa(lane+1), func(t *testing.T) {
				t.Parallel()
				for time.Now().Before(k.end) {
					number := k.next()
					t.Run(strconv.Itoa(number), func(t *testing.T) { k.experiment(t, number) })
				}
			})
		}
	})
	k.sum(t, time.Since(began))
}

// next is the number of the next experiment. It decides, with the seed, which faults come.
func (k *soak) next() int {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	k.begun++
	return k.begun
}

// settings are the experiment's: the real reviews, a teacher that counts, a tiny student.
func (k *soak) settings(t *testing.T) spec.Spec {
	t.Helper()
	return short(t, "name=soak", "data.folder=",
		"data={reviews: {path: testdata/reviews/All_Beauty_5.json.gz, user_core: 3, item_core: 1}, negatives: 20}",
		fmt.Sprintf("teacher={model: %q, reviews: %d, batch: %d, shard: 10}", "openai:"+k.teacher.URL+"/v1#counted", soakRows, concurrency))
}

// learn runs the experiment undisturbed.
func (k *soak) learn(t *testing.T) {
	t.Helper()
	s := newSite(t)
	w := s.hire()
	s.finish(s.begin(k.settings(t)))
	w.drain()
	k.outputs, k.finished = s.outputs(), s.finished()
	k.texts = map[string]string{}
	rows := s.rows()
	for prompt, n := range k.teacher.asked {
		text := ""
		for row := range rows {
			if strings.Contains(prompt, row) && len(row) > len(text) {
				text = row
			}
		}
		if k.texts[prompt] = text; n != 1 || text == "" {
			t.Fatalf("prompt %q was asked %d times, about %q", prompt, n, text)
		}
	}
	if len(k.texts) != soakRows || len(rows) != soakRows || len(k.outputs) < 8 {
		t.Fatalf("%d prompts, %d rows, outputs %v", len(k.texts), len(rows), k.outputs)
	}
}

// outputs are the digests of what each stage made, by its record.
func (s *site) outputs() map[string]string {
	s.t.Helper()
	outputs := map[string]string{}
	for path, data := range s.records() {
		var done storage.Done
		if err := json.Unmarshal([]byte(data), &done); err != nil {
			s.t.Fatalf("%s: %v", path, err)
		}
		outputs[done.Stage+" "+done.Fingerprint[:12]] = done.Output.Digest
	}
	return outputs
}

// rows are the texts of the rationales that the bucket has.
func (p *plant) rows() map[string]bool {
	parts, err := filepath.Glob(filepath.Join(p.bucket, "rationales/*/*.jsonl"))
	if err != nil {
		p.t.Error(err)
	}
	rows := map[string]bool{}
	for _, part := range parts {
		data, err := os.ReadFile(part)
		if err != nil {
			continue // it was merged with others meanwhile
		}
		for line := range strings.Lines(string(data)) {
			var row struct{ Text string }
			if json.Unmarshal([]byte(line), &row) == nil {
				rows[row.Text] = true
			}
		}
	}
	return rows
}

// experiment runs one experiment and judges it. Whatever else makes its test fail counts as lost.
func (k *soak) experiment(t *testing.T, number int) {
	t.Helper()
	began := time.Now()
	o := k.ordeal(t, number)
	defer func() {
		if len(o.lost)+len(o.wrong)+len(o.doubled) == 0 && t.Failed() {
			o.lost = append(o.lost, "the test itself failed")
		}
		k.note(o, time.Since(began))
	}()
	o.suffer()
	o.judge()
	for _, problem := range slices.Concat(o.lost, o.wrong, o.doubled) {
		t.Error(problem)
	}
}

// note prints an experiment's line and adds it up.
func (k *soak) note(o *ordeal, took time.Duration) {
	k.running.Delete(strconv.Itoa(o.number))
	k.mutex.Lock()
	defer k.mutex.Unlock()
	k.total.experiments++
	k.total.lost += len(o.lost)
	k.total.wrong += len(o.wrong)
	k.total.doubled += len(o.doubled)
	for _, name := range o.names {
		k.total.faults[name]++
	}
	again := 0
	for _, n := range o.asked {
		k.total.prompts += n
		again += n - 1
	}
	k.total.again += again - o.thawed
	k.total.thawed += o.thawed
	verdict := "ok"
	if problems := slices.Concat(o.lost, o.wrong, o.doubled); len(problems) > 0 {
		verdict = "FAIL: " + strings.Join(problems, "; ")
	}
	fmt.Fprintf(os.Stdout, "%4d %5s  %s  %s\n", o.number, took.Round(time.Second), strings.Join(o.story, ", "), verdict)
}

// sum prints the summary.
func (k *soak) sum(t *testing.T, took time.Duration) {
	t.Helper()
	n, faults := k.total, 0
	kinds := make([]string, 0, len(n.faults))
	for name, times := range n.faults {
		kinds = append(kinds, fmt.Sprintf("%d %s", times, name))
		faults += times
	}
	slices.Sort(kinds)
	fmt.Fprintf(os.Stdout, "soak: seed %d, %s, %d experiments, %d faults (%s)\n",
		k.seed, took.Round(time.Second), n.experiments, faults, strings.Join(kinds, ", "))
	fmt.Fprintf(os.Stdout, "soak: %d prompts; asked again: %d that a fault caught in flight, %d by a worker that had stood still\n", n.prompts, n.again, n.thawed)
	fmt.Fprintf(os.Stdout, "soak: lost %d, wrong %d, doubled %d\n", n.lost, n.wrong, n.doubled)
	if n.lost+n.wrong+n.doubled > 0 || n.experiments == 0 {
		t.Fail()
	}
}
