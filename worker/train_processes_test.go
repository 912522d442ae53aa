package main

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rdrec/activities"
	"rdrec/internal/spec"
)

// The test program is also a process of a training, as the worker is.
func init() { //nolint:gochecknoinits // TestMain is in the package of the other tests
	if len(os.Args) > 1 && os.Args[1] == trainCommand {
		os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
	}
}

// twoParts is a training whose batches have two micro-batches.
func twoParts(t *testing.T, processes int) activities.TrainJob {
	t.Helper()
	protocol, err := spec.ProtocolNamed(spec.Clean)
	if err != nil {
		t.Fatal(err)
	}
	settings := spec.Default()
	settings.Student.Size = "t5-tiny"
	settings.Train.Batch, settings.Train.MicroBatch, settings.Train.Processes = 8, 4, processes
	settings.Train.Epochs, settings.Train.EpochSteps, settings.Train.ValidationRows = 1, 4, 4
	dir := t.TempDir()
	return activities.TrainJob{
		PretrainInput: activities.PretrainInput{
			Protocol: protocol, Method: "pod", Student: settings.Student, Train: settings.Train, Negatives: 9, Seed: 1,
		},
		Data: "../testdata/rdrec/beauty_mini", Out: filepath.Join(dir, "model"), Scratch: filepath.Join(dir, "work"),
		Save:     func(context.Context, int, string) error { return nil },
		Progress: func(activities.Progress) {},
	}
}

// TestTwoProcessesTrainTheSameStudent: with as many micro-batches as processes, the sums are the
// same to the last bit.
func TestTwoProcessesTrainTheSameStudent(t *testing.T) {
	var records []string
	for _, processes := range []int{1, 2} {
		job := twoParts(t, processes)
		if err := newStudents("cpu", 1, time.Now).Train(t.Context(), job); err != nil {
			t.Fatal(err)
		}
		record, err := os.ReadFile(filepath.Join(job.Out, "training.json"))
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, string(record))
	}
	if diff := cmp.Diff(records[0], records[1]); diff != "" || !strings.Contains(records[0], `"weights"`) {
		t.Errorf("one and two processes (-one +two):\n%s", diff)
	}
}

// TestKilledProcessEndsTheTraining and is named.
func TestKilledProcessEndsTheTraining(t *testing.T) {
	job := twoParts(t, 2)
	job.Progress = func(activities.Progress) {
		for _, child := range children(t) {
			if err := syscall.Kill(child, syscall.SIGKILL); err != nil {
				t.Error(err)
			}
		}
	}
	err := newStudents("cpu", 2, time.Now).Train(t.Context(), job)
	if err == nil || !strings.Contains(err.Error(), "process 1 of the training: signal: killed") {
		t.Errorf("%v", err)
	}
	if left := children(t); len(left) > 0 {
		t.Errorf("processes %v are left", left)
	}
}

// children returns the processes that this one has started for a training.
func children(t *testing.T) (all []int) {
	t.Helper()
	files, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil || len(files) == 0 {
		t.Skip("no /proc here")
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // a thread that ended
		}
		for _, field := range strings.Fields(string(text)) {
			child, err := strconv.Atoi(field)
			if err != nil {
				t.Fatal(err)
			}
			line, err := os.ReadFile("/proc/" + field + "/cmdline")
			if err == nil && strings.Contains(string(line), trainCommand) {
				all = append(all, child)
			}
		}
	}
	return all
}
