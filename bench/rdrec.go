package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"syscall"

	"rdrec/internal/beam"
	"rdrec/internal/optim"
	"rdrec/internal/recommend"
	"rdrec/internal/spec"
	"rdrec/internal/t5"
	"rdrec/internal/task"
	"rdrec/internal/torch"
)

// job is a workload that our side can run.
type job interface {
	prepare(ctx context.Context) (once func() (measurement, error), device torch.Device, err error)
}

// runWorker is our side: it reads a workload into w and runs it once for each further line.
func runWorker(ctx context.Context, in io.Reader, out io.Writer, now clock, w job) error {
	lines := bufio.NewReader(in)
	line, err := lines.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, w)
	}
	if err != nil {
		return fmt.Errorf("read the workload: %w", err)
	}
	return torch.Run(func(*torch.Scope) error {
		once, device, err := w.prepare(ctx)
		if err != nil {
			return err
		}
		for {
			command, err := lines.ReadString('\n')
			if err != nil {
				return nil //nolint:nilerr // the end of the input ends the work
			}
			if command == "ready\n" {
				if err := json.NewEncoder(out).Encode(measurement{}); err != nil {
					return err
				}
				continue
			}
			cpu, started, made := cpuSeconds(), now(), torch.Made()
			r, err := once()
			if err != nil {
				return err
			}
			torch.Synchronize(device)
			r.Seconds, r.CPU, r.Operations = now().Sub(started).Seconds(), cpuSeconds()-cpu, torch.Made()-made
			if r.Memory, err = peakMemory(); err != nil {
				return err
			}
			if err := json.NewEncoder(out).Encode(r); err != nil {
				return err
			}
		}
	})
}

// prepare loads the workload's model and data, and returns a function that runs it once.
func (w workload) prepare(ctx context.Context) (func() (measurement, error), torch.Device, error) {
	torch.Threads(w.Threads)
	device, err := torch.ParseDevice(w.Device)
	if err != nil {
		return nil, device, err
	}
	model, err := t5.Load(w.Model, device)
	if err != nil {
		return nil, device, err
	}
	once, err := w.on(ctx, model)
	return once, device, err
}

// on returns a function that runs the workload once with a model.
func (w workload) on(ctx context.Context, model *t5.Model) (func() (measurement, error), error) {
	switch w.Type {
	case workTrain:
		model.Dropout, model.BFloat16, model.GradientCheckpointing = w.Dropout, w.BFloat16, w.GradientCheckpointing
		adam := optim.NewAdamW(model.Flat(), optim.DefaultConfig(w.Rate, spec.Default().Train.WeightDecay))
		step := int64(0)
		return func() (r measurement, err error) {
			step++
			err = torch.Run(func(s *torch.Scope) error {
				loss, gradient, err := model.Gradient(s, w.Batch, settings(w.Protocol).Protocol, step)
				if err == nil {
					r.Loss = loss.Float()
					adam.Step(gradient)
				}
				return err
			})
			return r, err
		}, nil
	case workSearch:
		return func() (r measurement, err error) {
			found, err := beam.Search(ctx, model, w.Batch, w.Beam, settings(w.Protocol).Protocol.MaskCross)
			for _, row := range found {
				tokens := make([][]int32, len(row))
				for i, h := range row {
					tokens[i] = h.Tokens
				}
				r.Tokens = append(r.Tokens, tokens)
			}
			return r, err
		}, nil
	case workRank:
		return w.rank(ctx, model)
	}
	return nil, fmt.Errorf("unknown workload type %q", w.Type)
}

// rank returns a function that evaluates as many users as the batch has rows, from the dataset to
// the ranked items or texts.
func (w workload) rank(ctx context.Context, model *t5.Model) (func() (measurement, error), error) {
	m, err := newWorkloadMaker(w.Model, w.Threads, w.Device)
	if err != nil {
		return nil, err
	}
	job := recommend.Job{Model: model, Tokenizer: m.tokenizer, Data: m.data, Settings: settings(w.Protocol), Seed: 1}
	job.Evaluate = spec.Default().Evaluate
	e, rows := &job.Evaluate, w.Batch.Size
	e.Batch, e.MaxLength, e.SequentialUsers, e.TopNUsers, e.Explanations = rows, w.Beam.MaxLength, rows, rows, rows
	return func() (measurement, error) {
		var err error
		switch w.Task {
		case task.Sequential:
			_, err = recommend.Sequential(ctx, job)
		case task.TopN:
			_, err = recommend.TopN(ctx, job)
		default:
			_, err = recommend.Explain(ctx, job)
		}
		return measurement{}, err
	}, nil
}

// cpuSeconds returns the CPU time of this process in seconds.
func cpuSeconds() float64 {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		return 0
	}
	return float64(used.Utime.Nano()+used.Stime.Nano()) / 1e9
}

// peakMemory returns the peak memory of this process in bytes.
func peakMemory() (int64, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	var kib int64
	_, after, _ := bytes.Cut(status, []byte("VmHWM:"))
	if _, err := fmt.Sscan(string(after), &kib); err != nil {
		return 0, fmt.Errorf("read the peak memory: %w", err)
	}
	return kib << 10, nil
}
