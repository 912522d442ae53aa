package teacher

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"rdrec/internal/spec"
)

// Request is an explanation to distil.
type Request struct {
	ID   string `json:"id"`
	Text string `json:"text"`
}

// Rationale is what a teacher made of an explanation. It holds nothing that hangs on when or in
// what company it was asked.
type Rationale struct {
	ID string `json:"id"`
	// Text is the explanation.
	Text string `json:"text"`
	// Preference and Attribution are the two sentences, without their numbers.
	Preference  string `json:"preference"`
	Attribution string `json:"attribution"`
	// Reply is the teacher's last reply as it came.
	Reply string `json:"reply"`
	// FellBack marks the reference's way out of a reply that it can't read: both sentences are the
	// explanation.
	FellBack bool `json:"fell_back,omitempty"`
	// Attempts is how often the teacher was asked, 0 where it was not; PromptTokens and Tokens were
	// read and written for all of them.
	Attempts     int `json:"attempts"`
	PromptTokens int `json:"prompt_tokens"`
	Tokens       int `json:"tokens"`
	// Leaks is how many of the replies had words of the prompt's examples.
	Leaks int `json:"leaks,omitempty"`
	// Words is how many words with content the two sentences have; Grounded of them stand in the
	// explanation.
	Words    int `json:"words"`
	Grounded int `json:"grounded"`
	// Failed is why the rationale can't be used; empty for a good one.
	Failed string `json:"failed,omitempty"`
}

// maxAttempts is how often a teacher is asked before an explanation is given up.
const maxAttempts = 3

// How a reply that could not be used is asked for again: greedily the same would come back, so it
// is sampled.
const (
	retryTemperature = 0.7
	retryTopP        = 0.9
)

// sampling is how a reply is drawn at the given attempt, from 0 on. What is drawn hangs on the
// explanation and the attempt alone.
func sampling(explanation string, settings spec.Teacher, attempt int) Sampling {
	s := Sampling{
		MaxTokens: settings.MaxTokens, Temperature: settings.Temperature, TopP: settings.TopP,
		RepetitionPenalty: settings.RepetitionPenalty, Seed: seed(explanation, attempt),
	}
	if attempt > 0 {
		s.Temperature, s.TopP = max(s.Temperature, retryTemperature), min(s.TopP, retryTopP)
	}
	return s
}

func seed(explanation string, attempt int) uint64 {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %s", attempt, explanation))
	return binary.LittleEndian.Uint64(sum[:])
}

// Distill asks the engine for the rationale of each request and calls emit with each as soon as it
// is final: understood, or given up with its reason after three attempts. The order is the
// engine's; the rationales are not. An error of the engine or of emit ends the work; what was
// emitted until then need not be asked again.
func Distill(
	ctx context.Context, engine Engine, settings spec.Teacher, requests []Request, emit func(Rationale) error,
) error {
	d, err := newDistiller(engine, settings, emit)
	if err != nil {
		return err
	}
	rows := make([]*Rationale, len(requests))
	for i, r := range requests {
		rows[i] = &Rationale{ID: r.ID, Text: r.Text}
	}
	if rows, err = d.resolveDirectly(rows); err != nil {
		return err
	}
	for attempt := 0; attempt < maxAttempts && len(rows) > 0; attempt++ {
		if rows, err = d.completeAll(ctx, rows, attempt); err != nil {
			return fmt.Errorf("teacher %q: %w", settings.Model, err)
		}
	}
	return nil
}

// distiller is a running [Distill].
type distiller struct {
	engine        Engine
	settings      spec.Teacher
	promptStyle   promptStyle
	parseSettings parseSettings
	emit          func(Rationale) error
}

func newDistiller(engine Engine, settings spec.Teacher, emit func(Rationale) error) (*distiller, error) {
	s, err := findPromptStyle(settings.Prompt)
	if err != nil {
		return nil, err
	}
	if settings.Parse != modePaper && settings.Parse != modeStrict {
		return nil, fmt.Errorf("parse %q is not one of %s, %s", settings.Parse, modePaper, modeStrict)
	}
	return &distiller{
		engine: engine, settings: settings, promptStyle: s, emit: emit,
		parseSettings: parseSettings{maxTokens: settings.MaxTokens, exampleWords: exampleWords(s.examples)},
	}, nil
}

// resolveDirectly finishes the rows that need no asking and answers the others.
func (d *distiller) resolveDirectly(rows []*Rationale) ([]*Rationale, error) {
	var remaining []*Rationale
	for _, row := range rows {
		direct, isDirect := d.engine.(interface {
			Rationale(explanation string) (preference, attribution string)
		})
		switch {
		case isDirect:
			row.Preference, row.Attribution = direct.Rationale(row.Text)
		case len(contentWords(row.Text)) == 0 && d.settings.Parse == modeStrict:
			row.Failed = "the explanation has no content words"
		case d.promptStyle.rejects(row.Text):
			d.parseReply(row, Reply{Text: d.promptStyle.rejection})
		default:
			remaining = append(remaining, row)
			continue
		}
		if err := d.finish(row); err != nil {
			return nil, err
		}
	}
	return remaining, nil
}

// completeAll asks all rows once and answers those that must be asked again.
func (d *distiller) completeAll(ctx context.Context, rows []*Rationale, attempt int) ([]*Rationale, error) {
	prompts := make([]Prompt, len(rows))
	for i, row := range rows {
		prompts[i] = d.promptStyle.prompt(row.Text, d.settings, attempt)
	}
	seen, retry := make([]bool, len(rows)), make([]bool, len(rows))
	err := d.engine.Complete(ctx, prompts, func(i int, reply Reply) error {
		if i < 0 || i >= len(rows) || seen[i] {
			return fmt.Errorf("unexpected reply to prompt %d of %d", i, len(rows))
		}
		seen[i] = true
		rows[i].Attempts++
		rows[i].PromptTokens += reply.PromptTokens
		rows[i].Tokens += reply.Tokens
		if final := d.parseReply(rows[i], reply); !final && attempt+1 < maxAttempts {
			retry[i] = true
			return nil
		}
		return d.finish(rows[i])
	})
	if err != nil {
		return nil, err
	}
	var remaining []*Rationale
	for i, row := range rows {
		if !seen[i] {
			return nil, fmt.Errorf("no reply to prompt %d of %d", i, len(rows))
		}
		if retry[i] {
			remaining = append(remaining, row)
		}
	}
	return remaining, nil
}

// parseReply reads a reply into its row and says whether asking again would be useless: it was
// understood, or can't be answered at all.
func (d *distiller) parseReply(row *Rationale, reply Reply) bool {
	row.Reply, row.Failed = reply.Text, reply.Failed
	if reply.Failed != "" {
		return true
	}
	p, err := parse(d.settings.Parse, reply, row.Text, d.parseSettings)
	if err != nil {
		row.Failed = err.Error()
		if errors.Is(err, errLeaked) {
			row.Leaks++
		}
		return false
	}
	row.Preference, row.Attribution, row.FellBack = p.preference, p.attribution, p.fellBack
	return true
}

func (d *distiller) finish(row *Rationale) error {
	if row.Failed == "" {
		row.Words, row.Grounded = grounded(parsed{preference: row.Preference, attribution: row.Attribution}, row.Text)
	}
	return d.emit(*row)
}
