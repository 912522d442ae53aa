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

	"rdrec/internal/recommend"
	"rdrec/internal/spec"
	"rdrec/internal/t5"
	"rdrec/internal/task"
	"rdrec/internal/torch"
	"rdrec/internal/train"
)

// job is a work that our side can do.
type job interface {
	prepare(ctx context.Context) (once func() (reply, error), err error)
}

// serve is our side: it reads a work into w and does it once for each further line.
func serve(ctx context.Context, in io.Reader, out io.Writer, now clock, w job) error {
	lines := bufio.NewReader(in)
	line, err := lines.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, w)
	}
	if err != nil {
		return fmt.Errorf("read the work: %w", err)
	}
	return torch.Run(func(*torch.Scope) error {
		once, err := w.prepare(ctx)
		if err != nil {
			return err
		}
		for {
			ask, err := lines.ReadString('\n')
			if err != nil {
				return nil //nolint:nilerr // the end of the input is that of the work
			}
			if ask == "ready\n" {
				if err := json.NewEncoder(out).Encode(reply{}); err != nil {
					return err
				}
				continue
			}
			cpu, begun, made := processors(), now(), torch.Made()
			r, err := once()
			if err != nil {
				return err
			}
			r.Seconds, r.CPU, r.Operations = now().Sub(begun).Seconds(), processors()-cpu, torch.Made()-made
			if r.Memory, err = peak(); err != nil {
				return err
			}
			if err := json.NewEncoder(out).Encode(r); err != nil {
				return err
			}
		}
	})
}

// prepare loads what the work needs and returns what does it once.
func (w work) prepare(ctx context.Context) (func() (reply, error), error) {
	torch.Threads(w.Threads)
	model, err := t5.Load(w.Model, torch.CPU)
	if err != nil {
		return nil, err
	}
	switch w.Kind {
	case training:
		model.Dropout, model.BFloat16, model.Recompute = w.Dropout, w.BFloat16, w.Recompute
		adam := train.NewAdamW(model.Flat(), train.Defaults(w.Rate, spec.Default().Train.WeightDecay))
		step := int64(0)
		return func() (r reply, err error) {
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
	case searching:
		return func() (r reply, err error) {
			found, err := recommend.Search(ctx, model, w.Batch, w.Beam, settings(w.Protocol).Protocol.MaskCross)
			for _, row := range found {
				tokens := make([][]int32, len(row))
				for i, h := range row {
					tokens[i] = h.Tokens
				}
				r.Tokens = append(r.Tokens, tokens)
			}
			return r, err
		}, nil
	case ranking:
		return w.rank(ctx, model)
	}
	return nil, fmt.Errorf("no work is of kind %q", w.Kind)
}

// rank returns what examines as many users as the batch has rows, from the dataset to the ranked items or texts.
func (w work) rank(ctx context.Context, model *t5.Model) (func() (reply, error), error) {
	m, err := newMaker(w.Model, w.Threads)
	if err != nil {
		return nil, err
	}
	job := recommend.Job{Model: model, Tokenizer: m.tokenizer, Data: m.data, Settings: settings(w.Protocol), Seed: 1}
	job.Evaluate = spec.Default().Evaluate
	e, rows := &job.Evaluate, w.Batch.Size
	e.Batch, e.MaxTokens, e.SequentialUsers, e.TopNUsers, e.Explanations = rows, w.Beam.MaxLength, rows, rows, rows
	return func() (reply, error) {
		var err error
		switch w.Task {
		case task.KindSequential:
			_, err = recommend.Sequential(ctx, job)
		case task.KindTopN:
			_, err = recommend.TopN(ctx, job)
		default:
			_, err = recommend.Explain(ctx, job)
		}
		return reply{}, err
	}, nil
}

// processors is how many seconds this process has computed.
func processors() float64 {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		return 0
	}
	return float64(used.Utime.Nano()+used.Stime.Nano()) / 1e9
}

// peak is the most memory that this process ever held.
func peak() (int64, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	var kib int64
	_, after, _ := bytes.Cut(status, []byte("VmHWM:"))
	if _, err := fmt.Sscan(string(after), &kib); err != nil {
		return 0, fmt.Errorf("read the greatest memory: %w", err)
	}
	return kib << 10, nil
}
