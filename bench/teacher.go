package main

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"rdrec/internal/cachedir"
	"rdrec/internal/llama"
	"rdrec/internal/spec"
	"rdrec/internal/teacher"
	"rdrec/internal/torch"
)

// teacherWorkload is the work of llama.cpp's and our teacher.
type teacherWorkload struct {
	Model   string `json:"model"`
	Threads int    `json:"threads"`
	Device  string `json:"device"`
	Batch   int    `json:"batch"`
	// Shape gives the model random weights of another shape; "" means the file's weights.
	Shape string `json:"shape,omitempty"`
	// Prompts are the rendered prompts for llama.cpp; Requests are the same for our engine.
	Prompts  []promptText     `json:"prompts"`
	Requests []teacher.Prompt `json:"requests"`
}

type promptText struct {
	Text    string  `json:"text"`
	Tokens  int     `json:"tokens"`
	Penalty float64 `json:"penalty"`
}

const reviewsFile = "testdata/reviews/All_Beauty_5.json.gz"

// transformersWorkload is the work of transformers: fewer prompts, since it is the slowest.
type transformersWorkload struct {
	Folder  string `json:"folder"`
	Threads int    `json:"threads"`
	Device  string `json:"device"`
	Batch   int    `json:"batch"`
	// Config is a configuration in Hugging Face's form of a model with random weights; nil means the
	// folder's model.
	Config  map[string]any `json:"config"`
	IDs     [][]int32      `json:"ids"` // the prompts' tokens
	Tokens  int            `json:"tokens"`
	Penalty float64        `json:"penalty"`
	Ends    []int32        `json:"ends"`
	Checked int            `json:"checked"` // number of tokens to compare with ours
}

// warmupPrompts is the number of prompts that each side completes before timing; bench/llamacpp.py
// has the same number.
const warmupPrompts = 6

// The reference's batch size, and the number of prompts in a turn of transformers.
const (
	generateBatch = 6
	generateRows  = 12
)

// teacher compares tokens per second with transformers' and llama.cpp's, the latter with several
// batch sizes.
func (b *bench) teacher(ctx context.Context, reviews int, shape string) (err error) {
	python, err := b.interpreter(ctx)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "rdrec-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	w, err := newTeacherWorkload(ctx, reviews, b.threads, shape)
	if err != nil {
		return err
	}
	w.Device = b.device
	monitor, err := b.monitorGPU(ctx)
	if err != nil {
		return err
	}
	defer monitor.close()
	r := b.report("teacher")
	if r.Peaks, err = b.measurePeaks(); err != nil {
		return err
	}
	sides, rows, err := b.teachers(ctx, monitor, python, dir, w)
	defer func() {
		for _, s := range sides {
			err = errors.Join(err, s.close())
		}
	}()
	if err != nil {
		return err
	}
	if err := b.turns(monitor, sides, rows, b.pairs, 0); err != nil {
		return err
	}
	r.Rows = rows
	r.writeHeader(b.out)
	for _, row := range rows {
		if row.batch > 0 { // each step reads all weights for a token of each row
			row.Roofline = median(row.Rates) / float64(row.batch) * row.weights / (r.Peaks.Bandwidth * 1e9)
		}
		row.writeLine(b.out)
	}
	b.summary(rows)
	return saveJSON(b.json, r)
}

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
	ctx context.Context, monitor *gpuMonitor, python, dir string, w teacherWorkload,
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
	config, tokens := engine.Config(), 0
	for _, ids := range g.IDs {
		tokens += len(ids)
	}
	if w.Shape != "" {
		config = shapes()[w.Shape]
		g.Config = huggingFaceConfig(config)
	} else if err := toHuggingFace(w.Model, dir, config); err != nil {
		return nil, nil, err
	}
	for i, side := range b.teacherSides(python, self, g, w) {
		used := monitor.memory()
		s, err := startProcess(ctx, side.name, side.command, side.work)
		if err != nil {
			return sides, rows, err
		}
		sides = append(sides, s)
		reviews := len(w.Requests)
		if _, ok := side.work.(transformersWorkload); ok {
			reviews = len(g.IDs)
		}
		row := &result{
			Work: fmt.Sprintf("teacher, %d of %d tokens", reviews, tokens/len(g.IDs)), Side: side.name, Unit: "tokens/s",
		}
		rows = append(rows, row)
		if b.onGPU() {
			row.weights, row.batch = 2*parameters(config), side.batch
		}
		if i == 0 && w.Shape == "" && !b.onGPU() {
			row.Agreement, err = s.checkAgreement(ctx, engine, w.Requests[:min(g.Batch, len(g.IDs))], g.Checked)
		} else {
			_, err = s.runOnce("ready")
		}
		if err != nil {
			return sides, rows, err
		}
		row.Memory = monitor.memory() - used
	}
	return sides, rows, nil
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

// newTransformersWorkload returns the work of transformers with the model in dir.
func newTransformersWorkload(engine *llama.Engine, w teacherWorkload, dir string) transformersWorkload {
	sampling := w.Requests[0].Sampling
	g := transformersWorkload{
		Folder: dir, Threads: w.Threads, Device: w.Device, Batch: generateBatch,
		Tokens: sampling.MaxTokens, Penalty: sampling.RepetitionPenalty, Ends: engine.EndTokens(), Checked: 8,
	}
	for _, p := range w.Requests[:min(len(w.Requests), generateRows)] {
		g.IDs = append(g.IDs, append(engine.ChatTokens(p.Messages), engine.Encode(p.ReplyPrefix)...))
	}
	return g
}

// checkAgreement generates a number of tokens for some prompts with a side and with our engine,
// without a penalty, and returns an error if they differ.
func (s *process) checkAgreement(
	ctx context.Context, engine *llama.Engine, prompts []teacher.Prompt, tokens int,
) (string, error) {
	reference, err := s.runOnce("check")
	if err != nil {
		return "", err
	}
	asked := slices.Clone(prompts)
	for i := range asked {
		asked[i].MaxLines, asked[i].Sampling.MaxTokens, asked[i].Sampling.RepetitionPenalty = 0, tokens, 1
	}
	err = engine.Complete(ctx, asked, func(i int, ours teacher.Reply) error {
		if text := asked[i].ReplyPrefix + engine.Decode(reference.Tokens[0][i]); text != ours.Text {
			return fmt.Errorf("%s generates %q, ours %q", s.name, text, ours.Text)
		}
		return nil
	})
	return fmt.Sprintf("%d tokens for %d prompts equal", tokens, len(asked)), err
}

// summary prints the ratio of ours, the last side, to the best of the others and to the first side.
func (b *bench) summary(rows []*result) {
	ours, best := rows[len(rows)-1], rows[0]
	for _, r := range rows {
		if !strings.HasPrefix(r.Side, "ours") && median(r.Rates) > median(best.Rates) {
			best = r
		}
	}
	if rows[0].Agreement != "" {
		fmt.Fprintf(b.out, "%s and ours: %s\n", rows[0].Side, rows[0].Agreement)
	}
	for _, other := range []struct {
		*result
		target float64
	}{{best, 1.5}, {rows[0], 4}} {
		ratios, cpu := make([]float64, len(ours.Rates)), make([]float64, len(ours.Rates))
		for turn := range ours.Rates {
			ratios[turn], cpu[turn] = ours.Rates[turn]/other.Rates[turn], other.cpu[turn]/ours.cpu[turn]
		}
		fmt.Fprintf(b.out, "%s is %.2fx as fast as %s by the clock, %.2fx by CPU-seconds (target %gx)\n",
			ours.Side, median(ratios), other.Side, median(cpu), other.target)
	}
}

// newTeacherWorkload returns the work with the demo's teacher, or with a model of a shape, which has
// the tokenizer of a small model of the tests.
func newTeacherWorkload(ctx context.Context, reviews, threads int, shape string) (w teacherWorkload, err error) {
	w.Threads, w.Shape, w.Model = threads, shape, "internal/llama/testdata/hf-smollm2"
	if shape == "" {
		if w.Model, err = cachedir.DemoTeacherFile(); err != nil {
			return w, err
		}
	}
	w.Requests, err = prompts(ctx, reviews)
	for i := range w.Requests {
		if p := &w.Requests[i]; shape != "" { // without examples: the small tokenizer needs many tokens
			p.Messages = p.Messages[len(p.Messages)-1:]
		}
	}
	for _, p := range w.Requests {
		w.Prompts = append(w.Prompts, promptText{chatML(p), p.Sampling.MaxTokens, p.Sampling.RepetitionPenalty})
	}
	return w, err
}

// chatML renders a prompt with SmolLM2's chat template.
func chatML(p teacher.Prompt) string {
	var text strings.Builder
	for _, m := range p.Messages {
		fmt.Fprintf(&text, "<|im_start|>%s\n%s<|im_end|>\n", m.Role, m.Content)
	}
	return text.String() + "<|im_start|>assistant\n" + p.ReplyPrefix
}

// promptRecorder is an engine that only records its prompts.
type promptRecorder struct{ prompts []teacher.Prompt }

func (r *promptRecorder) Complete(
	_ context.Context, prompts []teacher.Prompt, emit func(int, teacher.Reply) error,
) error {
	if r.prompts == nil {
		r.prompts = slices.Clone(prompts)
	}
	for i := range prompts {
		if err := emit(i, teacher.Reply{Failed: "prompt recorded only"}); err != nil {
			return err
		}
	}
	return nil
}

// prompts returns the prompts of the demo's settings for the first sentences of n shipped reviews.
func prompts(ctx context.Context, n int) ([]teacher.Prompt, error) {
	file, err := os.Open(reviewsFile)
	if err != nil {
		return nil, fmt.Errorf("%w (run bench in the project's folder)", err)
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		return nil, fmt.Errorf("reviews %q: %w", reviewsFile, err)
	}
	var requests []teacher.Request
	known := map[string]bool{}
	for lines := bufio.NewScanner(unzipped); lines.Scan() && len(requests) < n; {
		var review struct{ ReviewText string }
		if err := json.Unmarshal(lines.Bytes(), &review); err != nil {
			return nil, fmt.Errorf("reviews %q: %w", reviewsFile, err)
		}
		first, _, _ := strings.Cut(review.ReviewText, ".")
		if words := len(strings.Fields(first)); words >= 5 && words <= 25 && !known[first] {
			known[first] = true
			requests = append(requests, teacher.Request{ID: first, Text: first})
		}
	}
	var r promptRecorder
	err = teacher.Distill(ctx, &r, spec.Default().Teacher, requests, func(teacher.Rationale) error { return nil })
	return r.prompts, err
}

// open loads our teacher.
func (w teacherWorkload) open() (*llama.Engine, error) {
	options := llama.Options{Device: w.Device, Threads: w.Threads, Batch: w.Batch}
	if w.Shape == "" {
		return llama.Open(w.Model, options)
	}
	return llama.OpenRandom(w.Model, shapes()[w.Shape], options)
}

// prepare loads our teacher and returns a function that generates all replies once.
func (w teacherWorkload) prepare(ctx context.Context) (func() (measurement, error), torch.Device, error) {
	device, err := torch.ParseDevice(w.Device)
	if err != nil {
		return nil, device, err
	}
	engine, err := w.open()
	if err != nil {
		return nil, device, err
	}
	write := func(requests []teacher.Prompt) (r measurement, err error) {
		err = engine.Complete(ctx, requests, func(_ int, x teacher.Reply) error {
			r.Amount += float64(x.Tokens)
			return nil
		})
		return r, err
	}
	_, err = write(w.Requests[:min(len(w.Requests), warmupPrompts)])
	return func() (measurement, error) { return write(w.Requests) }, device, err
}
