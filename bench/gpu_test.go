package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/teacher"
)

func TestMonitorReadsNvidiaSMI(t *testing.T) {
	at := time.Unix(0, 0)
	m := &gpuMonitor{now: func() time.Time { at = at.Add(time.Second); return at }}
	m.read(strings.NewReader("1000, 10\n1500, 25\n[N/A], 7\n2048, 75\n"))
	if got := m.memory(); got != 2048<<20 {
		t.Errorf("%d bytes, want the last line's 2,048 MiB", got)
	}
	if busy, ok := m.utilization(time.Unix(1, 0)); !ok || busy != 0.5 {
		t.Errorf("utilization %g (%t), want 0.5, the mean of what came after the first second", busy, ok)
	}
	if _, ok := m.utilization(at); ok {
		t.Error("a utilization without a sample")
	}
	var none *gpuMonitor
	if _, ok := none.utilization(at); ok || none.memory() != 0 {
		t.Error("a CPU has a GPU's figures")
	}
}

func TestTeacherSidesFitTheDevice(t *testing.T) {
	w := teacherWorkload{Requests: []teacher.Prompt{{Sampling: teacher.Sampling{MaxTokens: 5, TopP: 1}}}}
	names := func(device string) (all []string) {
		b := &bench{device: device}
		for _, side := range b.teacherSides("python", "bench", transformersWorkload{}, w) {
			all = append(all, side.name)
		}
		return all
	}
	want := []string{"transformers 6", "llama.cpp 1", "llama.cpp 4", "llama.cpp 32", "ours 32"}
	if diff := cmp.Diff(want, names("cpu")); diff != "" {
		t.Error(diff)
	}
	want = []string{
		"transformers 6", "transformers 64", "ours 64, paper", "ours 64, penalty", "ours 256, greedy",
		"ours 64, greedy",
	}
	if diff := cmp.Diff(want, names("cuda:1")); diff != "" {
		t.Error(diff)
	}
	if w.Requests[0].Sampling != (teacher.Sampling{MaxTokens: 5, TopP: 1}) {
		t.Errorf("a side changed the sampling of all: %+v", w.Requests[0].Sampling)
	}
}

// TestParametersOfLlama2 compares with the published 6.74 billion, less the embedding table.
func TestParametersOfLlama2(t *testing.T) {
	if got := parameters(shapes()["llama-2-7b"]); got < 6.60e9 || got > 6.61e9 {
		t.Errorf("%g parameters in a step, want 6.607e9", got)
	}
}
