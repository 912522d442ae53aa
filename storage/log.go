package storage

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"
)

// LogFile is a log of one attempt at an activity of a run.
type LogFile struct {
	// Key is the object's; Size and Written change when the attempt logs more.
	Key     string
	Size    int64
	Written time.Time
}

// PutLog stores the log of an attempt of a run, JSON lines.
func (b *Bucket) PutLog(ctx context.Context, workflow, run, name string, lines []byte) error {
	return b.write(ctx, logKey(workflow, run, name), lines)
}

// RemoveLog removes the log of an attempt, if there is one.
func (b *Bucket) RemoveLog(ctx context.Context, workflow, run, name string) error {
	return b.remove(ctx, logKey(workflow, run, name))
}

// ReadLog returns the lines of a log.
func (b *Bucket) ReadLog(ctx context.Context, f LogFile) ([]byte, error) { return b.read(ctx, f.Key) }

// Logs returns the logs of a run that is named as ID/RUN or, for the run that logged last, as ID.
// The logs of its child workflows are among them. Without logs, the error is [ErrNotFound].
func (b *Bucket) Logs(ctx context.Context, name string) ([]LogFile, error) {
	if name == "" || path.Clean("/"+name) != "/"+name {
		return nil, fmt.Errorf("logs of run %q: %w", name, ErrNotFound)
	}
	runs := map[string][]LogFile{}
	newest, last := "", time.Time{}
	err := b.scan(ctx, RunKey(name, "", "")+"/", func(o object) error {
		folder := path.Dir(o.key)
		run := path.Dir(folder)
		if path.Base(folder) != logFolder || strings.Count(strings.TrimPrefix(run, RunKey(name, "", "")), "/") > 1 {
			return nil
		}
		runs[run] = append(runs[run], LogFile{o.key, o.size, o.written})
		if newest == "" || o.written.After(last) {
			newest, last = run, o.written
		}
		return nil
	})
	if err == nil && newest == "" {
		err = fmt.Errorf("logs of run %q: %w", name, ErrNotFound)
	}
	slices.SortFunc(runs[newest], func(a, b LogFile) int { return strings.Compare(a.Key, b.Key) })
	return runs[newest], err
}
