package main

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
	// Config is a configuration in Hugging Face's form of a model with random weights; nil means
	// the folder's model.
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
	if err := b.monitorGPU(ctx); err != nil {
		return err
	}
	defer b.monitor.close()
	r := b.report("teacher")
	if r.Peaks, err = b.measurePeaks(); err != nil {
		return err
	}
	sides, rows, err := b.teachers(ctx, python, dir, w)
	defer func() {
		for _, s := range sides {
			err = errors.Join(err, s.close())
		}
	}()
	if err != nil {
		return err
	}
	if err := b.turns(sides, rows, b.pairs, 0); err != nil {
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

// newTeacherWorkload returns the work with the demo's teacher, or with a model of a shape, which
// has the tokenizer of a small model of the tests.
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
