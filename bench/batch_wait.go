package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"

	"rdrec/internal/dataset"
	"rdrec/internal/spec"
	"rdrec/internal/train"
)

// batchWait is how long training steps wait for their batch, which is prepared during the previous
// step.
type batchWait struct {
	Steps int `json:"steps"`
	// Median and Most are fractions of a step's time.
	Median float64 `json:"median"`
	Most   float64 `json:"most"`
}

const batchWaitName = "training, wait for a batch"

// measureBatchWait trains a small student for some steps. The smaller a student is, the more it
// waits.
func (b *bench) measureBatchWait(ctx context.Context) (batchWait, error) {
	const steps = 16
	data, err := dataset.Read(os.DirFS(dataFolder), "beauty_mini")
	if err != nil {
		return batchWait{}, err
	}
	dir, err := os.MkdirTemp("", "rdrec-bench-")
	if err != nil {
		return batchWait{}, err
	}
	defer os.RemoveAll(dir)
	s := spec.Default()
	s.Student.Size = "t5-mini"
	s.Train.Batch, s.Train.Epochs, s.Train.EpochSteps, s.Train.ValidationRows = 16, 1, steps, 4
	var waits []float64
	_, err = train.Run(ctx, train.Job{
		Data: data, Spec: s, Method: spec.Methods()[0], Protocol: settings(spec.Clean).Protocol,
		Seed: 1, Threads: b.threads, Dir: dir, Now: b.now,
		Progress: func(p train.Progress) {
			if !p.Validating && p.Step > 1 && p.SamplesPerSecond > 0 { // no step precedes the first batch
				waits = append(waits, p.WaitFraction)
			}
		},
	})
	if err != nil || len(waits) == 0 {
		return batchWait{}, err
	}
	return batchWait{Steps: len(waits), Median: median(waits), Most: slices.Max(waits)}, nil
}

func (s batchWait) line(out io.Writer) {
	fmt.Fprintf(out, "%-28s %-17s waits %.2f%% of a step's time for its batch (median of %d steps, at most %.2f%%)\n",
		batchWaitName, "clean", 100*s.Median, s.Steps, 100*s.Most)
}
