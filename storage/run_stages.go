package storage

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"
)

// RunStage is the record of a stage that a run found or computed.
type RunStage struct {
	StageRecord
	// Computed means that the run, or a child workflow of it, did the work.
	Computed bool
}

// RunStages returns the stages of a run, finished or not, in the order of their records. The run is
// named as ID/RUN or, for its newest run, as ID. Those of child workflows are of the same time.
func (b *Bucket) RunStages(ctx context.Context, name string) (run string, stages []RunStage, err error) {
	if name == "" || path.Clean("/"+name) != "/"+name {
		return "", nil, fmt.Errorf("records of run %q: %w", name, ErrNotFound)
	}
	for _, workflow := range []string{name, path.Dir(name)} {
		folders, err := b.lineageFolders(ctx, workflow)
		if err != nil {
			return "", nil, err
		}
		if run = newestRun(folders, workflow, name); run != "" {
			stages, err = b.stagesOf(ctx, folders, workflow, run)
			return run, stages, err
		}
	}
	return "", nil, fmt.Errorf("records of run %q: %w", name, ErrNotFound)
}

// OwnRunStages returns the stages of one run without those of its child workflows, in the order of
// their records.
func (b *Bucket) OwnRunStages(ctx context.Context, workflow, run string) (stages []RunStage, err error) {
	folders, err := b.lineageFolders(ctx, workflow)
	if err != nil {
		return nil, err
	}
	return b.readRunStages(ctx, folders, path.Join(workflow, run))
}

// readRunStages reads the records of runs, in the order of their times.
func (b *Bucket) readRunStages(
	ctx context.Context, folders map[string][]object, runs ...string,
) (stages []RunStage, err error) {
	for _, run := range runs {
		for _, o := range folders[run] {
			s, err := b.runStage(ctx, run, o.key)
			if err != nil {
				return nil, err
			}
			stages = append(stages, s)
		}
	}
	slices.SortFunc(stages, func(a, b RunStage) int {
		return cmp.Or(a.Time.Compare(b.Time), strings.Compare(a.Label, b.Label))
	})
	return stages, nil
}

// lineageFolders returns the stages' records of a workflow and its children, by WORKFLOW/RUN.
func (b *Bucket) lineageFolders(ctx context.Context, workflow string) (map[string][]object, error) {
	folders := map[string][]object{}
	err := b.scan(ctx, RunKey(workflow, "", "")+"/", func(o object) error {
		if run, ok := runOf(o.key); ok && path.Base(path.Dir(o.key)) == lineageFolder {
			folders[run] = append(folders[run], o)
		}
		return nil
	})
	return folders, err
}

// newestRun returns the run of a workflow that has a name or, if the name is the workflow's, the
// newest one; "" if there is none.
func newestRun(folders map[string][]object, workflow, name string) (newest string) {
	for run := range folders {
		if path.Dir(run) != workflow || name != workflow && run != name {
			continue
		}
		if newest == "" || began(folders[run]).After(began(folders[newest])) {
			newest = run
		}
	}
	return newest
}

// began returns the time of the first of some records.
func began(records []object) time.Time {
	first := records[0].written
	for _, o := range records {
		if o.written.Before(first) {
			first = o.written
		}
	}
	return first
}

// stagesOf reads the records of a run and those of its children: runs of other ids that began after
// it and before the workflow's next run.
func (b *Bucket) stagesOf(
	ctx context.Context, folders map[string][]object, workflow, run string,
) (stages []RunStage, err error) {
	start, end := began(folders[run]), nextRun(folders, workflow, run)
	var runs []string
	for folder, records := range folders {
		at := began(records)
		child := path.Dir(folder) != workflow && !at.Before(start) && (end.IsZero() || at.Before(end))
		if folder == run || child {
			runs = append(runs, folder)
		}
	}
	return b.readRunStages(ctx, folders, runs...)
}

// nextRun returns when the workflow's next run began; zero if there is none.
func nextRun(folders map[string][]object, workflow, run string) (next time.Time) {
	start := began(folders[run])
	for other, records := range folders {
		at := began(records)
		if path.Dir(other) == workflow && at.After(start) && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	return next
}

// runStage reads a record of a run's folder.
func (b *Bucket) runStage(ctx context.Context, folder, key string) (s RunStage, err error) {
	data, err := b.read(ctx, key)
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(data, &s.StageRecord); err != nil {
		return s, &CorruptError{Key: key, Reason: err.Error()}
	}
	s.Computed = path.Join(s.Workflow, s.Run) == folder
	return s, nil
}
