package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"rdrec/internal/metric"
	"rdrec/internal/prediction"
	"rdrec/internal/spec"
	"rdrec/internal/task"
	"rdrec/storage"
)

// ComparedMetric is a metric of a method in each run.
type ComparedMetric struct {
	Task string `json:"task"`
	// Method is a student, an ablation, or a student's fusion with baselines.
	Method string         `json:"method"`
	Metric string         `json:"metric"`
	Runs   []MetricOfARun `json:"runs"`
}

// MetricOfARun is a method's value of a metric, the mean over users and trials.
type MetricOfARun struct {
	// Value is nil where the run has no such method.
	Value *float64 `json:"value,omitempty"`
	// Users and Trials are what Value is the mean of.
	Users  int `json:"users,omitempty"`
	Trials int `json:"trials,omitempty"`
	// Difference is the paired test against the first run; nil for that run, and where Note is
	// the reason why there is none.
	Difference *metric.Difference `json:"difference,omitempty"`
	Note       string             `json:"note,omitempty"`
}

// Notes on runs without a test.
const (
	noteOtherUsers  = "other users or item ids"
	noteSameValues  = "the same for every user"
	noteOtherCounts = "the protocols count hits differently"
)

// scored is a method's values of each metric for each user, summed over trials.
type scored struct {
	// users are the users and their true items.
	users  [][2]int
	trials int
	strict bool
	scores []metric.Score
}

// methodKey names a method's rankings of a task.
type methodKey struct {
	task   task.Task
	method string
}

// compareMetrics compares the ranking metrics of all students and fusions with those of the first
// run.
func compareMetrics(ctx context.Context, b *storage.Bucket, records []RunRecord) ([]ComparedMetric, error) {
	var keys []methodKey
	all := make([]map[methodKey]*scored, len(records))
	for i, r := range records {
		found, order, err := scoreRun(ctx, b, r)
		if err != nil {
			return nil, fmt.Errorf("score run %d: %w", i+1, err)
		}
		all[i] = found
		for _, key := range order {
			if !slices.Contains(keys, key) {
				keys = append(keys, key)
			}
		}
	}
	rows := []ComparedMetric{}
	for _, key := range keys {
		for k, name := range metric.Names(metric.Rankings) {
			row := ComparedMetric{Task: key.task.String(), Method: key.method, Metric: name}
			for i := range all {
				cell, err := compareScores(all[0][key], all[i][key], k, records[0].Spec.Seed)
				if err != nil {
					return nil, err
				}
				if i == 0 {
					cell.Difference, cell.Note = nil, ""
				}
				row.Runs = append(row.Runs, cell)
			}
			rows = append(rows, row)
		}
	}
	return rows, nil
}

// compareScores returns a run's value of the k-th metric and its test against the first run.
func compareScores(first, other *scored, k int, seed int64) (cell MetricOfARun, err error) {
	if other == nil {
		return cell, nil
	}
	each := other.mean(k)
	value := metric.Mean(each)
	cell.Value, cell.Users, cell.Trials = &value, len(each), other.trials
	switch {
	case first == nil:
		return cell, nil
	case first.strict != other.strict:
		cell.Note = noteOtherCounts
		return cell, nil
	case !slices.Equal(first.users, other.users):
		cell.Note = noteOtherUsers
		return cell, nil
	case slices.Equal(first.mean(k), each):
		cell.Note = noteSameValues
		return cell, nil
	}
	test, err := metric.BootstrapPaired(each, first.mean(k), metric.Resamples, seed)
	if errors.Is(err, metric.ErrTooFew) {
		cell.Note = "too few users"
		return cell, nil
	}
	cell.Difference = &test
	return cell, err
}

// mean returns each user's mean of the k-th metric over trials.
func (s *scored) mean(k int) []float64 {
	each := slices.Clone(s.scores[k].Each)
	for i := range each {
		each[i] /= float64(s.trials)
	}
	return each
}

// scoreRun scores the rankings of a run, and returns the order in which they are reported.
func scoreRun(
	ctx context.Context, b *storage.Bucket, r RunRecord,
) (found map[methodKey]*scored, order []methodKey, err error) {
	found = map[methodKey]*scored{}
	strict, err := isStrict(r.Spec)
	if err != nil {
		return nil, nil, err
	}
	for _, trial := range r.Trials {
		for _, t := range rankingTasks() {
			names := map[string][]storage.Ref{trial.Name(): trial.Evaluations}
			if t == task.Sequential && !trial.Fusion.IsZero() {
				names[spec.FusionLabel(trial.Name())] = []storage.Ref{trial.Fusion}
			}
			for _, name := range []string{trial.Name(), spec.FusionLabel(trial.Name())} {
				predictions, err := predictionsIn(ctx, b, names[name], t)
				if err != nil {
					return nil, nil, err
				}
				if len(predictions) == 0 {
					continue
				}
				key := methodKey{t, name}
				if found[key] == nil {
					found[key], order = &scored{strict: strict}, append(order, key)
				}
				if err := found[key].add(predictions, r.Spec.Seed); err != nil {
					return nil, nil, fmt.Errorf("%s: %w", name, err)
				}
			}
		}
	}
	return found, order, nil
}

// errOtherUsers means that the trials of a method were evaluated on different users.
var errOtherUsers = errors.New("the trials have different users")

// add adds a trial.
func (s *scored) add(predictions []prediction.Prediction, seed int64) error {
	users := make([][2]int, len(predictions))
	for i, p := range predictions {
		users[i] = [2]int{p.User, p.Truth}
	}
	scores := metric.ScoreRankings(prediction.Lists(predictions), s.strict, seed)
	s.trials++
	if s.trials == 1 {
		s.users, s.scores = users, scores
		return nil
	}
	if !slices.Equal(users, s.users) {
		return errOtherUsers
	}
	for k := range s.scores {
		for i, value := range scores[k].Each {
			s.scores[k].Each[i] += value
		}
	}
	return nil
}

// predictionsIn returns the rankings of a task from the artifact that has them; none if none has.
func predictionsIn(
	ctx context.Context, b *storage.Bucket, artifacts []storage.Ref, t task.Task,
) ([]prediction.Prediction, error) {
	name := t.String() + ".jsonl"
	for _, ref := range artifacts {
		artifact, err := b.Artifact(ctx, ref)
		if err != nil {
			return nil, err
		}
		for _, f := range artifact.Files {
			if f.Name != name {
				continue
			}
			data, err := b.Get(ctx, f.Ref)
			if err != nil {
				return nil, err
			}
			return decodePredictions(name, data)
		}
	}
	return nil, nil
}

func decodePredictions(name string, data []byte) (rows []prediction.Prediction, err error) {
	for line := range bytes.Lines(data) {
		var row prediction.Prediction
		if err := json.Unmarshal(line, &row); err != nil {
			return nil, fmt.Errorf("decode %s: %w", name, err)
		}
		rows = append(rows, row)
	}
	return rows, nil
}
