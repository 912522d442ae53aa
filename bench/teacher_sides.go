package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"

	"rdrec/internal/llama"
	"rdrec/internal/teacher"
)

// teacherSide is a side of the teacher's comparison that generates a number of replies at once.
type teacherSide struct {
	name    string
	command []string
	work    any
	batch   int
}

// teacherSides returns the sides: on a CPU transformers, llama.cpp with several batch sizes and
// ours, on a GPU transformers and ours with several batch sizes and ways of sampling.
func (b *bench) teacherSides(python, self string, g transformersWorkload, w teacherWorkload) (all []teacherSide) {
	ours := func(batch int, note string, sampling func(*teacher.Sampling)) {
		variant := w
		variant.Batch, variant.Requests = batch, slices.Clone(w.Requests)
		for i := range variant.Requests {
			sampling(&variant.Requests[i].Sampling)
		}
		all = append(all, teacherSide{fmt.Sprintf("ours %d%s", batch, note), []string{self, "write"}, variant, batch})
	}
	transformers := func(batch int) {
		g.Batch = batch
		name := fmt.Sprintf("transformers %d", batch)
		all = append(all, teacherSide{name, []string{python, "bench/generate.py"}, g, batch})
	}
	transformers(generateBatch)
	if !b.onGPU() {
		for _, batch := range []int{1, 4, 32} {
			if w.Batch = batch; w.Shape == "" { // llama.cpp reads a file's weights
				name := fmt.Sprintf("llama.cpp %d", batch)
				all = append(all, teacherSide{name, []string{python, "bench/llamacpp.py"}, w, batch})
			}
		}
		ours(32, "", func(*teacher.Sampling) {})
		return all
	}
	transformers(64)
	greedy := func(s *teacher.Sampling) { s.Temperature, s.RepetitionPenalty = 0, 1 }
	ours(64, ", paper", func(s *teacher.Sampling) { s.Temperature, s.TopP, s.RepetitionPenalty = 0.6, 0.9, 1 })
	ours(64, ", penalty", func(s *teacher.Sampling) { s.Temperature, s.RepetitionPenalty = 0, 1.15 })
	ours(256, ", greedy", greedy)
	ours(64, ", greedy", greedy)
	return all
}

// teachers starts all sides, ours last, and checks that transformers, the first, generates the same
// tokens as ours: on a CPU, where both have the same weights in float32.
func (b *bench) teachers(
	ctx context.Context, python, dir string, w teacherWorkload,
) (sides []*process, rows []*result, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	engine, err := llama.Open(w.Model, llama.Options{Device: "cpu", Threads: w.Threads})
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, engine.Close()) }()
	g := newTransformersWorkload(engine, w, dir)
	config, tokens := engine.Config(), len(slices.Concat(g.IDs...))/len(g.IDs)
	if w.Shape != "" {
		config = shapes()[w.Shape]
		g.Config = huggingFaceConfig(config)
	} else if err := toHuggingFace(w.Model, dir, config); err != nil {
		return nil, nil, err
	}
	for i, side := range b.teacherSides(python, self, g, w) {
		row := side.row(len(w.Requests), tokens)
		if b.onGPU() {
			row.weights, row.batch = 2*parameters(config), side.batch
		}
		check := func(*process) (err error) { return nil }
		if i == 0 && w.Shape == "" && !b.onGPU() {
			check = func(s *process) (err error) {
				row.Agreement, err = s.checkAgreement(ctx, engine, w.Requests[:min(g.Batch, len(g.IDs))], g.Checked)
				return err
			}
		}
		s, err := b.start(ctx, side, row, check)
		if s != nil {
			sides, rows = append(sides, s), append(rows, row)
		}
		if err != nil {
			return sides, rows, err
		}
	}
	return sides, rows, nil
}

// row returns the side's empty row for a number of reviews, or for the fewer that transformers
// gets, with a mean number of tokens in a prompt.
func (s teacherSide) row(reviews, tokens int) *result {
	if w, ok := s.work.(transformersWorkload); ok {
		reviews = len(w.IDs)
	}
	work := fmt.Sprintf("teacher, %d of %d tokens", reviews, tokens)
	return &result{Work: work, Side: s.name, Unit: "tokens/s"}
}

// start starts a side, waits until it is ready, checks it, and records the memory that it takes of
// a GPU.
func (b *bench) start(
	ctx context.Context, s teacherSide, row *result, check func(*process) error,
) (*process, error) {
	used := b.monitor.memory()
	p, err := startProcess(ctx, s.name, s.command, s.work)
	if err != nil {
		return nil, err
	}
	if _, err = p.runOnce("ready"); err == nil {
		err = check(p)
	}
	row.Memory = b.monitor.memory() - used
	return p, err
}

// shapes returns the shapes of models with random weights, by name.
func shapes() map[string]llama.Config {
	return map[string]llama.Config{
		"llama-2-7b": {
			Layers: 32, Model: 4096, FeedForward: 11_008, Vocabulary: 32_000, Heads: 32, Groups: 32, Head: 128,
			Context: 4096, Epsilon: 1e-5, RopeBase: 10_000, RopeScale: 1,
		},
		"smollm2-135m": {
			Layers: 30, Model: 576, FeedForward: 1536, Vocabulary: 49_152, Heads: 9, Groups: 3, Head: 64,
			Context: 8192, Epsilon: 1e-5, RopeBase: 100_000, RopeScale: 1, Tied: true,
		},
	}
}

func shapeNames() []string { return slices.Sorted(maps.Keys(shapes())) }

// parameters returns the number of weights that a step reads: all but the embedding table.
func parameters(c llama.Config) float64 {
	attention := 2 * c.Model * (c.Heads + c.Groups) * c.Head
	return float64(c.Layers*(attention+3*c.Model*c.FeedForward) + c.Vocabulary*c.Model)
}
