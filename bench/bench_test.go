package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"rdrec/internal/spec"
	"rdrec/internal/t5"
	"rdrec/internal/task"
	"rdrec/internal/torch"
)

func TestMain(m *testing.M) {
	must(os.Chdir("..")) // the project's folder, where make runs bench
	os.Exit(m.Run())
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func tiny(t *testing.T) *workloadMaker {
	t.Helper()
	dir := t.TempDir()
	if err := newModel(dir, "t5-tiny"); err != nil {
		t.Fatal(err)
	}
	m, err := newWorkloadMaker(dir, 1, "cpu")
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// runWorkload runs a workload on our side a number of times.
func runWorkload(t *testing.T, w workload, times int) []measurement {
	t.Helper()
	line, err := json.Marshal(w)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	now := time.Time{}
	clock := func() time.Time { now = now.Add(time.Second); return now }
	in := strings.NewReader(string(line) + "\n" + strings.Repeat("\n", times))
	if err := runWorker(t.Context(), in, &out, clock, &workload{}); err != nil {
		t.Fatal(err)
	}
	var all []measurement
	for decoder := json.NewDecoder(&out); decoder.More(); {
		var r measurement
		if err := decoder.Decode(&r); err != nil {
			t.Fatal(err)
		}
		if r.Seconds != 1 || r.CPU <= 0 || r.Memory < 1<<20 || r.Operations == 0 {
			t.Errorf("%s: measured %+v", w.Name, r)
		}
		all = append(all, r)
	}
	if len(all) != times {
		t.Fatalf("%s: %d measurements, want %d", w.Name, len(all), times)
	}
	return all
}

func TestRdrecTrains(t *testing.T) {
	m := tiny(t)
	for _, protocol := range []string{spec.Paper, spec.Clean} {
		w, err := m.train("training", protocol, spec.Default().Train.Ratio, 4, 0)
		if err != nil {
			t.Fatal(err)
		}
		w.Rate = 1e-3
		replies := runWorkload(t, w, 8)
		if first, last := replies[0].Loss, replies[7].Loss; !(last < 0.9*first) {
			t.Errorf("%s: eight steps on one batch moved the loss from %g to %g", protocol, first, last)
		}
	}
}

func TestRdrecSearchesAndRanks(t *testing.T) {
	m := tiny(t)
	for _, tk := range []task.Task{task.Sequential, task.TopN, task.Explanation} {
		w, err := m.search(tk.String(), tk, 3, 7)
		if err != nil {
			t.Fatal(err)
		}
		if w.Batch.Size != 3 || w.operations(smallest(t, m)) <= 0 {
			t.Errorf("%s: a batch of %d rows", tk, w.Batch.Size)
		}
		replies := runWorkload(t, w, 2)
		if _, err := checkAgreement(replies[0], replies[1], w); err != nil {
			t.Errorf("%s: the same search twice: %v", tk, err)
		}
		replies[1].Tokens[2][0] = []int32{5}
		if _, err := checkAgreement(replies[0], replies[1], w); err == nil {
			t.Errorf("%s: a different sequence passed", tk)
		}
		runWorkload(t, m.clean(w), 1)
	}
}

func smallest(t *testing.T, m *workloadMaker) t5.Config {
	t.Helper()
	c, err := t5.ReadConfig(m.model)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestLossesMustAgree(t *testing.T) {
	w := workload{Type: workTrain}
	if _, err := checkAgreement(measurement{Loss: 4}, measurement{Loss: 4.0001}, w); err != nil {
		t.Error(err)
	}
	for _, loss := range []float64{4.01, math.NaN()} {
		if _, err := checkAgreement(measurement{Loss: 4}, measurement{Loss: loss}, w); err == nil {
			t.Errorf("loss %g passed for 4", loss)
		}
	}
}

func TestRatiosCompareTheSameRound(t *testing.T) {
	first, ours := &result{}, &result{}
	for _, slow := range []float64{1, 10, 3} { // the machine gets ten times slower, for both
		first.add(measurement{Seconds: 6 * slow, CPU: 8, Amount: 12, Memory: 4}, false)
		ours.add(measurement{Seconds: 2 * slow, CPU: 2, Amount: 12, Memory: 2}, false)
		ours.compareTo(first)
	}
	for _, ratio := range ours.Ratios {
		if math.Abs(ratio-3) > 1e-9 {
			t.Errorf("ratios %v, want 3 in each turn", ours.Ratios)
		}
	}
	if median(ours.CPURatios) != 4 || ours.MemoryRatio != 2 ||
		median(ours.Rates) != 2 || median([]float64{1, 9, 2, 4}) != 3 {
		t.Errorf("row %+v", ours)
	}
}

func TestUnavailableReferenceIsExplained(t *testing.T) {
	b := &bench{threads: 1, pairs: 1}
	command := []string{"sh", "-c", "read work; echo 'no such model' >&2; exit 3"}
	s, err := startProcess(t.Context(), "a side", command, workload{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.runOnce("")
	if err == nil ||
		!strings.Contains(err.Error(), "no such model") || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("error %v", err)
	}
	t.Setenv("RDREC_CACHE", t.TempDir())
	t.Setenv("PATH", t.TempDir())
	b.out = &bytes.Buffer{}
	_, err = b.interpreter(t.Context())
	if err == nil || !strings.Contains(err.Error(), "hint: this needs Python 3.10") {
		t.Errorf("no Python: %v", err)
	}
}

func TestScaleRendersCharts(t *testing.T) {
	m := tiny(t)
	b := &bench{threads: 1, pairs: 1}
	err := torch.Run(func(*torch.Scope) error {
		model, err := t5.Load(m.model, torch.CPU)
		if err != nil {
			return err
		}
		defer model.Free()
		cost, err := b.cost(t.Context(), model, evaluationSize{users: 4, items: 150, history: 5, beams: 4, batch: 2})
		if cost <= 0 || math.IsInf(cost, 0) {
			t.Errorf("cost %g", cost)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	d := chart{sweep: sweeps()[0], costs: []float64{1, 2, 8, 8}}
	if got := d.power(1) + " " + d.power(2) + " " + d.power(3); got != "1.00 2.00 0.00" {
		t.Errorf("powers %s", got)
	}
	picture := renderCharts([]chart{d, d})
	if strings.Count(picture, "<polyline") != 4 || strings.Contains(picture, "NaN") {
		t.Errorf("picture %s", picture)
	}
}

func TestTeachersGetTheSamePrompts(t *testing.T) {
	requests, err := prompts(t.Context(), 5)
	if err != nil {
		t.Fatal(err)
	}
	if len(requests) != 5 {
		t.Fatalf("%d prompts, want 5", len(requests))
	}
	for _, p := range requests {
		text, last := chatML(p), p.Messages[len(p.Messages)-1].Content
		want := "user\n" + last + "<|im_end|>\n<|im_start|>assistant\n" + p.ReplyPrefix
		if !strings.Contains(text, want) || p.Sampling.MaxTokens == 0 {
			t.Errorf("prompt %q", text)
		}
	}
	if requests[0].Messages[len(requests[0].Messages)-1] == requests[1].Messages[len(requests[1].Messages)-1] {
		t.Error("two reviews have the same prompt")
	}
}

// TestReferenceReadsKeysThatExist checks each key of a workload that the reference's side reads.
func TestReferenceReadsKeysThatExist(t *testing.T) {
	program, err := os.ReadFile("bench/reference.py")
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(workload{})
	if err != nil {
		t.Fatal(err)
	}
	var keys struct {
		Batch, Beam map[string]any
	}
	var work map[string]any
	if err := errors.Join(json.Unmarshal(text, &keys), json.Unmarshal(text, &work)); err != nil {
		t.Fatal(err)
	}
	sent := map[string]map[string]any{"work": work, "batch": keys.Batch, "beam": keys.Beam}
	read := regexp.MustCompile(`\b(work|batch|beam)\["(\w+)"\]`).FindAllSubmatch(program, -1)
	for _, m := range read {
		if _, ok := sent[string(m[1])][string(m[2])]; !ok {
			t.Errorf("reference.py reads %s, which is not sent", m[0])
		}
	}
	for _, name := range regexp.MustCompile(`for name in \((.*)\)`).FindSubmatch(program)[1:] {
		for key := range strings.SplitSeq(string(name), ", ") {
			if _, ok := keys.Batch[strings.Trim(key, `"`)]; !ok {
				t.Errorf("reference.py reads %s of a batch, which is not sent", key)
			}
		}
	}
	if len(read) < 15 {
		t.Errorf("found %d keys in reference.py, want at least 15", len(read))
	}
}
