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

	"rdrec/internal/cache"
	"rdrec/internal/llama"
	"rdrec/internal/spec"
	"rdrec/internal/teacher"
)

// writing is what both sides' teachers are to write.
type writing struct {
	Model   string `json:"model"` // a GGUF file
	Threads int    `json:"threads"`
	Batch   int    `json:"batch"`
	// Prompts are as the model reads them, for llama.cpp; Asked are the same for us.
	Prompts []written        `json:"prompts"`
	Asked   []teacher.Prompt `json:"asked"`
}

type written struct {
	Text    string  `json:"text"`
	Tokens  int     `json:"tokens"`
	Penalty float64 `json:"penalty"`
}

const reviewsFile = "testdata/reviews/All_Beauty_5.json.gz"

// teacher compares tokens written a second with llama.cpp's at several settings: how many replies it writes at once.
func (b *bench) teacher(ctx context.Context, reviews int) (err error) {
	python, err := b.interpreter(ctx)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	w, err := newWriting(ctx, reviews, b.threads)
	if err != nil {
		return err
	}
	var sides []*side
	var rows []*row
	defer func() {
		for _, s := range sides {
			err = errors.Join(err, s.close())
		}
	}()
	for _, batch := range []int{1, 4, 32, 0} {
		name, command := fmt.Sprintf("llama.cpp %d", batch), []string{python, "bench/llamacpp.py"}
		if w.Batch = batch; batch == 0 {
			w.Batch, name, command = 32, "ours 32", []string{self, "write"}
		}
		s, err := start(ctx, name, command, w)
		if err != nil {
			return err
		}
		sides, rows = append(sides, s), append(rows, &row{Work: fmt.Sprintf("teacher, %d reviews", reviews), Side: name, Unit: "tokens/s"})
		if _, err := s.once(""); err != nil { // warms up
			return err
		}
	}
	if err := b.turns(sides, rows, 0); err != nil {
		return err
	}
	r := b.report("teacher")
	r.Rows = rows
	r.head(b.out)
	for _, row := range rows {
		row.line(b.out)
	}
	return r.save(b.json)
}

func newWriting(ctx context.Context, reviews, threads int) (w writing, err error) {
	w.Threads = threads
	if w.Model, err = cache.Teacher(); err != nil {
		return w, err
	}
	w.Asked, err = prompts(ctx, reviews)
	for _, p := range w.Asked {
		w.Prompts = append(w.Prompts, written{chatML(p), p.Sampling.MaxTokens, p.Sampling.RepetitionPenalty})
	}
	return w, err
}

// chatML is a prompt as SmolLM2 reads it.
func chatML(p teacher.Prompt) string {
	var text strings.Builder
	for _, m := range p.Messages {
		fmt.Fprintf(&text, "<|im_start|>%s\n%s<|im_end|>\n", m.Role, m.Content)
	}
	return text.String() + "<|im_start|>assistant\n" + p.Begin
}

// recorder is an engine that only remembers what it was asked.
type recorder struct{ asked []teacher.Prompt }

func (r *recorder) Complete(_ context.Context, prompts []teacher.Prompt, emit func(int, teacher.Reply) error) error {
	if r.asked == nil {
		r.asked = slices.Clone(prompts)
	}
	for i := range prompts {
		if err := emit(i, teacher.Reply{Failed: "only the prompt was wanted"}); err != nil {
			return err
		}
	}
	return nil
}

// prompts are what the demo's settings ask about the first sentences of so many shipped reviews.
func prompts(ctx context.Context, n int) ([]teacher.Prompt, error) {
	file, err := os.Open(reviewsFile)
	if err != nil {
		return nil, fmt.Errorf("%w (run it in the project's folder)", err)
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
	var r recorder
	err = teacher.Distill(ctx, &r, spec.Default().Teacher, requests, func(teacher.Rationale) error { return nil })
	return r.asked, err
}

// prepare loads our teacher and returns what writes all replies once.
func (w writing) prepare(ctx context.Context) (func() (reply, error), error) {
	engine, err := llama.Open(w.Model, llama.Options{Device: "cpu", Threads: w.Threads, Batch: w.Batch})
	if err != nil {
		return nil, err
	}
	return func() (r reply, err error) {
		err = engine.Complete(ctx, w.Asked, func(_ int, x teacher.Reply) error {
			r.Amount += float64(x.Tokens)
			return nil
		})
		return r, err
	}, nil
}
