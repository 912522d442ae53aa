package registry

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path"
	"regexp"
	"strings"
	"time"

	"rdrec/storage"
)

// Explanation is why a run computed a stage, or which run computed it.
type Explanation struct {
	Label   string  `json:"label"`
	Stage   string  `json:"stage"`
	Cached  bool    `json:"cached"`
	Seconds float64 `json:"seconds"`
	// From and FromTime are the run that computed the result, and when; empty where the record is
	// missing.
	From     string    `json:"from,omitempty"`
	FromTime time.Time `json:"from_time,omitzero"`
	// Since is the finished run of the same name before; Why is what changed since. Both are empty
	// for a cached stage.
	Since string   `json:"since,omitempty"`
	Why   []Reason `json:"why,omitempty"`
	// Inputs are the stage's inputs with their digests.
	Inputs []StageInput `json:"inputs,omitempty"`
}

// StageInput is an input of a stage.
type StageInput struct {
	Name   string `json:"name"`
	Digest string `json:"digest"`
}

// ErrNoStage means that a run has no stage of a name.
var ErrNoStage = errors.New("no such stage")

// Explain explains the stages of a run, finished or not, whose label begins with a text, or which
// have it as their name. Empty means all stages.
func Explain(ctx context.Context, b *storage.Bucket, run, stage string) (name string, all []Explanation, err error) {
	name, record, err := ReadRun(ctx, b, run)
	finished := !errors.Is(err, storage.ErrNotFound)
	if !finished {
		name, record, err = readUnfinished(ctx, b, run)
	}
	if err != nil {
		return name, nil, err
	}
	previous, err := previousRun(ctx, b, name, record.Spec.Name, finished)
	if err != nil {
		return name, nil, err
	}
	var labels []string
	for _, s := range record.Stages {
		labels = append(labels, s.Name)
		if stage != s.StageName() && !strings.HasPrefix(s.Name, stage) {
			continue
		}
		explained, err := explainStage(ctx, b, s, previous)
		if err != nil {
			return name, nil, fmt.Errorf("explain stage %q: %w", s.Name, err)
		}
		all = append(all, explained)
	}
	if len(all) == 0 {
		return name, nil, fmt.Errorf("%w: %q (stages of the run: %s)", ErrNoStage, stage, strings.Join(labels, ", "))
	}
	return name, all, nil
}

// hashPattern matches the hash at the end of an experiment's id, which follows the spec's name.
var hashPattern = regexp.MustCompile(`-[0-9a-f]{12}$`)

// readUnfinished returns what is known of a run without a record, which failed or runs: the stages
// that it finished, and the spec's name.
func readUnfinished(ctx context.Context, b *storage.Bucket, run string) (string, RunRecord, error) {
	var record RunRecord
	name, stages, err := b.RunStages(ctx, run)
	if err != nil {
		return "", record, err
	}
	record.Spec.Name = hashPattern.ReplaceAllString(path.Dir(name), "")
	record.Stages = stageTimes(stages)
	return name, record, nil
}

// previousRun returns the finished run of a spec's name before a run; nil if there is none. Before
// an unfinished run are all finished ones.
func previousRun(
	ctx context.Context, b *storage.Bucket, name, specName string, finished bool,
) (*PastRun, error) {
	runs, err := b.FinishedRuns(ctx, math.MaxInt)
	if err != nil {
		return nil, err
	}
	newer := finished
	for _, f := range runs {
		id := path.Join(f.Workflow, f.Run)
		if newer {
			newer = id != name
			continue
		}
		_, record, err := ReadRun(ctx, b, id)
		var corrupt *storage.CorruptError
		if errors.As(err, &corrupt) || errors.Is(err, storage.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if record.Spec.Name == specName {
			return &PastRun{Name: id, Ended: f.Ended, RunRecord: record}, nil
		}
	}
	return nil, nil //nolint:nilnil // the first run of its name has none before it
}

func explainStage(ctx context.Context, b *storage.Bucket, s StageTime, previous *PastRun) (Explanation, error) {
	e := Explanation{Label: s.Name, Stage: s.StageName(), Cached: s.Cached, Seconds: s.Seconds}
	record, err := b.StageRecord(ctx, e.Stage, s.Fingerprint)
	missing := errors.Is(err, storage.ErrNotFound)
	if err != nil && !missing {
		return e, err
	}
	if !missing {
		e.From, e.FromTime = path.Join(record.Workflow, record.Run), record.Time
		for i, digest := range record.Inputs {
			if names := stageInputs[e.Stage]; i < len(names) && digest != "" {
				e.Inputs = append(e.Inputs, StageInput{names[i], digest})
			}
		}
	}
	switch {
	case s.Cached:
	case previous == nil:
		e.Why = []Reason{{Change: NeverDone}}
	case missing:
		e.Since, e.Why = previous.Name, []Reason{{UnknownChange, "the stage's record is missing"}}
	default:
		e.Since = previous.Name
		record.Label = s.Name
		e.Why, err = whyDifferent(ctx, b, previous.RunRecord, record)
		if err != nil {
			return e, err
		}
	}
	return e, nil
}
