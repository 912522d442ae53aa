package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"rdrec/internal/dataset"
	"rdrec/internal/spec"
	"rdrec/internal/train"
)

// trainingRun is the measurements of a training by the clock.
type trainingRun struct {
	Device string `json:"device"`
	Size   string `json:"size"`
	Steps  int    `json:"steps"`
	// SamplesPerSecond and WaitFraction are medians over the steps; Seconds is the whole time, with
	// validation.
	SamplesPerSecond float64 `json:"samples_per_second"`
	WaitFraction     float64 `json:"wait_fraction"`
	Seconds          float64 `json:"seconds"`
	// FirstLoss and LastLoss are the first and the last epoch's mean loss.
	FirstLoss float64 `json:"first_loss"`
	LastLoss  float64 `json:"last_loss"`
	// Memory is the device's memory in bytes and Utilization the share of the time that it was
	// busy; 0 on a CPU.
	Memory      int64   `json:"memory,omitempty"`
	Utilization float64 `json:"utilization,omitempty"`
}

// trainSpec returns the settings of the training that train measures: the sequential task by item
// codes with full prefixes, as a student that is served trains.
func trainSpec(size string, rows int, onGPU bool) spec.Spec {
	s := spec.Default()
	s.Student.Size = size
	s.Train.Batch, s.Train.Ratio = rows, spec.Ratio{Sequential: 1}
	s.Train.Epochs, s.Train.Patience, s.Train.EpochSteps, s.Train.ValidationRows = 1_000_000, 1_000_000, 50, 64
	if onGPU {
		s.Train.Precision = spec.BFloat16
	}
	return s
}

// train trains a student of a size on the shipped data for some time and measures its speed.
func (b *bench) train(ctx context.Context, size string, rows int, limit time.Duration) error {
	data, err := dataset.Read(os.DirFS(dataFolder), "beauty_mini")
	if err != nil {
		return fmt.Errorf("%w (run bench in the project's folder)", err)
	}
	dir, err := os.MkdirTemp("", "rdrec-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := b.monitorGPU(ctx); err != nil {
		return err
	}
	defer b.monitor.close()
	before, started := b.monitor.memory(), b.now()
	r := trainingRun{Device: b.device, Size: size}
	var speeds, waits []float64
	losses := map[int]float64{}
	stop := make(chan struct{})
	_, err = train.Run(ctx, train.Job{
		Data: data, Spec: trainSpec(size, rows, b.onGPU()), Method: spec.Methods()[0],
		Protocol: settings(spec.Clean).Protocol, Seed: 1, Device: b.device, Threads: b.threads, Dir: dir, Now: b.now,
		Stop: stop,
		Progress: func(p train.Progress) {
			if p.Validating {
				return
			}
			r.Steps, losses[p.Epoch] = p.Step, p.Loss
			if p.Step > 1 && p.SamplesPerSecond > 0 { // no step precedes the first batch
				speeds, waits = append(speeds, p.SamplesPerSecond), append(waits, p.WaitFraction)
			}
			if b.now().Sub(started) > limit && stop != nil {
				close(stop)
				stop = nil
			}
		},
	})
	if !errors.Is(err, train.ErrStopped) {
		return fmt.Errorf("the training ended before its time: %w", err)
	}
	if len(speeds) == 0 {
		return fmt.Errorf("no step ended within %s", limit)
	}
	epochs := make([]int, 0, len(losses))
	for epoch := range losses {
		epochs = append(epochs, epoch)
	}
	r.SamplesPerSecond, r.WaitFraction = median(speeds), median(waits)
	r.FirstLoss, r.LastLoss = losses[slices.Min(epochs)], losses[slices.Max(epochs)]
	r.Seconds = b.now().Sub(started).Seconds()
	r.Memory = b.monitor.memory() - before
	r.Utilization, _ = b.monitor.utilization(started)
	fmt.Fprintf(b.out, "%s on %s: %d steps in %.0f s, %.0f samples/s (median), waits %.2f%%, loss %.4f to %.4f, "+
		"GPU %.0f%% and %.2f GB\n", size, r.Device, r.Steps, r.Seconds, r.SamplesPerSecond, 100*r.WaitFraction,
		r.FirstLoss, r.LastLoss, 100*r.Utilization, float64(r.Memory)/1e9)
	return saveJSON(b.json, r)
}
