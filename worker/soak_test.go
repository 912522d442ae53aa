package main_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"rdrec/internal/spec"
	"rdrec/internal/staging"
)

// The soak test runs small real experiments for a given time, each on a server, a bucket and
// workers of its own, with faults sampled from a seed. It compares the outputs of each experiment,
// and the number of times each activity completed, with an undisturbed run's.

const (
	// soakMinutes and soakSeed are environment variables: the duration, and the seed of the faults.
	soakMinutes, soakSeed = "RDREC_SOAK", "RDREC_SEED"
	// soakParallel is the number of experiments at once: most of the time, they wait for a
	// heartbeat timeout.
	soakParallel = 4
	// soakRows is the number of rationales per experiment; the teacher takes soakDelay for each.
	soakRows  = 40
	soakDelay = 400 * time.Millisecond
)

// soak is the state of the soak test.
type soak struct {
	teacher *staging.ChatServer
	seed    uint64
	end     time.Time
	// outputs and finished are those of an undisturbed run: the digests of its stages' outputs and
	// the number of completed activities by type. texts maps its prompts to their explanations.
	outputs  map[string]string
	finished map[string]int
	texts    map[string]string
	// clocks is set if workers can get a wrong clock on this machine.
	clocks bool
	// running are the experiments by number, to which the teacher reports its prompts.
	running sync.Map
	mutex   sync.Mutex
	started int
	total   totals
}

// totals counts over all experiments.
type totals struct {
	experiments, lost, wrong, duplicated int
	faults                               map[string]int
	// prompts is the number of requests. repeated are those for a prompt that was in flight at a
	// fault, resumed those by a worker that had been suspended.
	prompts, repeated, resumed int
}

func TestSoak(t *testing.T) {
	minutes, err := strconv.ParseFloat(os.Getenv(soakMinutes), 64)
	if err != nil {
		t.Skip("runs in make soak MINUTES=n only")
	}
	k := &soak{seed: rand.Uint64N(1e6), total: totals{faults: map[string]int{}}}
	if text := os.Getenv(soakSeed); text != "" {
		if k.seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	k.teacher = staging.NewChatServer(t, soakDelay)
	k.teacher.OnPrompt = func(key, prompt string) {
		number, _, _ := strings.Cut(key, "-")
		if o, ok := k.running.Load(number); ok {
			o.(*soakRun).onPrompt(key, prompt) //nolint:errcheck,forcetypeassert // the map has no other type
		}
	}
	started := time.Now()
	k.end = started.Add(time.Duration(minutes * float64(time.Minute)))
	k.recordReference(t)
	if program, err := staging.BuildWorker(); err == nil {
		probe := exec.Command(program, "--help")
		if _, err := staging.StartAt(probe, time.Hour); err == nil {
			k.clocks = probe.Wait() == nil
		}
	}
	fmt.Fprintf(os.Stdout, "soak: seed %d, an undisturbed run took %s; workers' clocks an hour off: %t\n",
		k.seed, time.Since(started).Round(time.Second), k.clocks)
	t.Run("lanes", func(t *testing.T) {
		for lane := range soakParallel {
			t.Run(strconv.Itoa(lane+1), func(t *testing.T) {
				t.Parallel()
				for time.Now().Before(k.end) {
					number := k.next()
					t.Run(strconv.Itoa(number), func(t *testing.T) { k.experiment(t, number) })
				}
			})
		}
	})
	k.printSummary(t, time.Since(started))
}

// next returns the number of the next experiment. With the seed, it determines the faults.
func (k *soak) next() int {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	k.started++
	return k.started
}

// settings returns the experiment's spec: the shipped reviews, the counting teacher, a tiny
// student.
func (k *soak) settings(t *testing.T) spec.Spec {
	t.Helper()
	return staging.ShortSpec(t, "name=soak", "data.folder=",
		"data={reviews: {path: testdata/reviews/All_Beauty_5.json.gz, user_core: 3, item_core: 1}, negatives: 20}",
		fmt.Sprintf("teacher={model: %q, max_reviews: %d, batch: %d, shard_rows: 10}",
			"openai:"+k.teacher.URL+"/v1#counted", soakRows, concurrency))
}

// recordReference runs the experiment undisturbed and records what checkResult compares with.
func (k *soak) recordReference(t *testing.T) {
	t.Helper()
	s := newFaultEnv(t)
	w := s.StartWorker()
	s.AwaitWeights(s.StartExperiment(k.settings(t)))
	w.Drain()
	k.outputs, k.finished = s.Outputs(), s.CompletedActivities()
	k.texts = map[string]string{}
	rows := s.Rows()
	for prompt, n := range k.teacher.Prompts() {
		text := ""
		for row := range rows {
			if strings.Contains(prompt, row) && len(row) > len(text) {
				text = row
			}
		}
		if k.texts[prompt] = text; n != 1 || text == "" {
			t.Fatalf("prompt %q was sent %d times, for the explanation %q", prompt, n, text)
		}
	}
	if len(k.texts) != soakRows || len(rows) != soakRows || len(k.outputs) < 8 {
		t.Fatalf("%d prompts, %d rows, outputs %v", len(k.texts), len(rows), k.outputs)
	}
}

// experiment runs one experiment and checks it. Any other failure of its test counts as lost.
func (k *soak) experiment(t *testing.T, number int) {
	t.Helper()
	started := time.Now()
	o := k.newRun(t, number)
	defer func() {
		if len(o.lost)+len(o.wrong)+len(o.duplicated) == 0 && t.Failed() {
			o.lost = append(o.lost, "the test itself failed")
		}
		k.printRun(o, time.Since(started))
	}()
	o.injectFaults()
	o.checkResult()
	for _, problem := range slices.Concat(o.lost, o.wrong, o.duplicated) {
		t.Error(problem)
	}
}

// printRun prints an experiment's line and adds its counts to the totals.
func (k *soak) printRun(o *soakRun, took time.Duration) {
	k.running.Delete(strconv.Itoa(o.number))
	k.mutex.Lock()
	defer k.mutex.Unlock()
	k.total.experiments++
	k.total.lost += len(o.lost)
	k.total.wrong += len(o.wrong)
	k.total.duplicated += len(o.duplicated)
	for _, name := range o.faultNames {
		k.total.faults[name]++
	}
	again := 0
	for _, n := range o.prompts {
		k.total.prompts += n
		again += n - 1
	}
	k.total.repeated += again - o.resumed
	k.total.resumed += o.resumed
	verdict := "ok"
	if problems := slices.Concat(o.lost, o.wrong, o.duplicated); len(problems) > 0 {
		verdict = "FAIL: " + strings.Join(problems, "; ")
	}
	fmt.Fprintf(os.Stdout, "%4d %5s  %s  %s\n",
		o.number, took.Round(time.Second), strings.Join(o.timeline, ", "), verdict)
}

// printSummary prints the summary.
func (k *soak) printSummary(t *testing.T, took time.Duration) {
	t.Helper()
	n, faults := k.total, 0
	faultCounts := make([]string, 0, len(n.faults))
	for name, times := range n.faults {
		faultCounts = append(faultCounts, fmt.Sprintf("%d %s", times, name))
		faults += times
	}
	slices.Sort(faultCounts)
	fmt.Fprintf(os.Stdout, "soak: seed %d, %s, %d experiments, %d faults (%s)\n",
		k.seed, took.Round(time.Second), n.experiments, faults, strings.Join(faultCounts, ", "))
	fmt.Fprintf(os.Stdout, "soak: %d prompts; asked again: %d that a fault caught in flight, "+
		"%d by a worker that had been suspended\n", n.prompts, n.repeated, n.resumed)
	fmt.Fprintf(os.Stdout, "soak: lost %d, wrong %d, doubled %d\n", n.lost, n.wrong, n.duplicated)
	if n.lost+n.wrong+n.duplicated > 0 || n.experiments == 0 {
		t.Fail()
	}
}
