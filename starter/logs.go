package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"go.temporal.io/api/enums/v1"

	"rdrec/storage"
)

// logsCmd prints what the workers logged for a run.
type logsCmd struct {
	RunID  string `arg:"" name:"run" help:"The run: ID or ID/RUN; an ID alone means its latest run."`
	Stage  string `arg:"" optional:"" help:"${help_logs_stage}"`
	Follow bool   `short:"f" help:"Go on until the run ends."`
}

// logsInterval is the time between two looks at the logs.
const logsInterval = 2 * time.Second

// Run prints the lines in the order of their times.
func (c *logsCmd) Run(ctx context.Context, a *app) error {
	bucket, err := a.openBucket(ctx)
	if err != nil {
		return err
	}
	defer bucket.Close()
	reader := &logReader{bucket: bucket, run: c.RunID, stage: c.Stage, seen: map[string]seenLog{}}
	if !c.Follow {
		return reader.print(ctx, a)
	}
	ticker := time.NewTicker(logsInterval)
	defer ticker.Stop()
	for {
		ended := a.hasEnded(ctx, c.RunID)
		err := reader.print(ctx, a)
		switch {
		case interrupted(ctx):
			return errInterrupted
		case err != nil && (ended || !errors.Is(err, storage.ErrNotFound)):
			return err
		case ended:
			return nil
		}
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
}

// hasEnded reports whether a run is closed. Without a server, the run goes on.
func (a *app) hasEnded(ctx context.Context, run string) bool {
	to, err := a.connect(ctx)
	if err != nil {
		return false
	}
	defer to.Close()
	id, _, _ := strings.Cut(run, "/")
	e, err := find(ctx, to, id)
	return errors.Is(err, errNoExperiment) || err == nil && e.status != enums.WORKFLOW_EXECUTION_STATUS_RUNNING
}

// logReader reads the logs of a run.
type logReader struct {
	bucket     *storage.Bucket
	run, stage string
	seen       map[string]seenLog
}

// seenLog is how much of a log was printed.
type seenLog struct {
	written time.Time
	size    int64
	// last is the time of the last printed line.
	last time.Time
}

// logLine is a line of a log.
type logLine struct {
	Time  time.Time `json:"time"`
	Stage string    `json:"stage"`
	text  []byte
}

// print prints the lines that are new since the last call.
func (r *logReader) print(ctx context.Context, a *app) error {
	files, err := r.bucket.Logs(ctx, r.run)
	if err != nil {
		return err
	}
	var lines []logLine
	for _, f := range files {
		seen := r.seen[f.Key]
		if seen.size == f.Size && seen.written.Equal(f.Written) {
			continue
		}
		data, err := r.bucket.ReadLog(ctx, f)
		if err != nil {
			return fmt.Errorf("reading the logs of %q: %w", r.run, err)
		}
		added := newLines(data, seen.last)
		seen.size, seen.written = f.Size, f.Written
		for _, l := range added {
			if l.Time.After(seen.last) {
				seen.last = l.Time
			}
			if strings.HasPrefix(l.Stage, r.stage) {
				lines = append(lines, l)
			}
		}
		r.seen[f.Key] = seen
	}
	slices.SortStableFunc(lines, func(a, b logLine) int { return a.Time.Compare(b.Time) })
	return a.printLog(lines)
}

// newLines returns the lines of a log after a time. One that is not JSON is left out.
func newLines(data []byte, after time.Time) []logLine {
	var lines []logLine
	for text := range bytes.Lines(data) {
		l := logLine{text: text}
		if json.Unmarshal(text, &l) == nil && (l.Time.IsZero() && after.IsZero() || l.Time.After(after)) {
			lines = append(lines, l)
		}
	}
	return lines
}

// printLog prints lines for people, or as JSON lines.
func (a *app) printLog(lines []logLine) error {
	var page strings.Builder
	console := zerolog.ConsoleWriter{
		Out: &page, TimeFormat: time.DateTime, NoColor: true, FieldsExclude: []string{"run", "stage"},
		PartsOrder: []string{
			zerolog.TimestampFieldName, zerolog.LevelFieldName, "stage", zerolog.MessageFieldName,
		},
		FormatPartValueByName: func(value any, _ string) string { return fmt.Sprintf("%v:", value) },
	}
	for _, l := range lines {
		if a.flags.JSON {
			page.Write(l.text)
			continue
		}
		if _, err := console.Write(l.text); err != nil {
			return fmt.Errorf("writing a line of a log: %w", err)
		}
	}
	return a.print(page.String())
}
