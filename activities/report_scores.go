package activities

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"rdrec/internal/baseline"
	"rdrec/internal/metric"
	"rdrec/internal/prediction"
	"rdrec/internal/report"
	"rdrec/internal/task"
	"rdrec/registry"
	"rdrec/storage"
)

// tableNames are the tables' names in the report.
var tableNames = map[task.Task]string{task.Sequential: "sequential", task.TopN: "top-N"}

// rankings scores both rankings of every method on the same users.
func (w *reportBuilder) rankings(ctx context.Context) error {
	protocol, err := w.Spec.Resolve()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	settings := map[task.Task]string{
		task.Sequential: "the next item of each user among all items",
		task.TopN: fmt.Sprintf(
			"the next item of each user among it and %d unseen ones", w.report.Data.Stats.Negatives,
		),
	}
	for _, t := range []task.Task{task.Sequential, task.TopN} {
		table := report.Table{Task: tableNames[t], Setting: settings[t], Strict: protocol.Constrained}
		if t == task.TopN {
			table.Candidates = 1 + w.report.Data.Stats.Negatives
		}
		if err := w.studentRows(ctx, t, &table); err != nil {
			return err
		}
		if len(table.Rows) == 0 {
			continue
		}
		if err := w.baselineRows(ctx, t, &table); err != nil {
			return err
		}
		w.report.Tables = append(w.report.Tables, table)
	}
	return nil
}

func (w *reportBuilder) studentRows(ctx context.Context, task task.Task, table *report.Table) error {
	for _, trial := range w.Trials {
		predictions, err := readPredictions[prediction.Prediction](ctx, w.Bucket, trial.Evaluations, task)
		if err != nil {
			return err
		}
		if predictions == nil {
			continue
		}
		if len(table.Rows) == 0 || table.Rows[len(table.Rows)-1].Method != trial.Name() {
			table.Rows = append(table.Rows, w.studentRow(trial))
			w.recommended(trial, task, predictions)
		}
		row := &table.Rows[len(table.Rows)-1]
		scores := metric.ScoreRankings(lists(predictions), table.Strict, w.Spec.Seed)
		row.Trials = append(row.Trials, report.Trial{Seed: trial.Seed, Scores: scores})
		table.Users = len(predictions)
	}
	return nil
}

// studentRow returns the row of a method, or of a method with one switch flipped.
func (w *reportBuilder) studentRow(trial registry.TrialResult) report.Row {
	row := report.Row{Method: trial.Name(), Kind: report.StudentRow, About: w.Spec.Student.Size}
	if trial.Variant != "" {
		row.Kind, row.Base = report.AblationRow, trial.Method
	}
	return row
}

// baselineRows scores the spec's baselines, in the table's order. A spec that names none has the
// untrained ones.
func (w *reportBuilder) baselineRows(ctx context.Context, task task.Task, table *report.Table) error {
	for _, row := range baseline.Table() {
		chosen := slices.Contains(w.Spec.Baselines, row.Name) || (len(w.Spec.Baselines) == 0 && row.Fit != nil)
		if !chosen {
			continue
		}
		if row.Name == baseline.SASRec {
			if err := w.sasrecRow(ctx, task, table); err != nil {
				return err
			}
			continue
		}
		scores, err := w.ranked(ctx, w.Baseline, rankingFile(row.Name, task), table.Strict)
		if err != nil {
			return err
		}
		rowType := report.BaselineRow
		if row.Name == baseline.Rule {
			rowType = report.RuleRow
		}
		table.Rows = append(table.Rows, report.Row{
			Method: row.Name, Kind: rowType, About: row.About, Trials: []report.Trial{{Scores: scores}},
		})
	}
	return nil
}

// sasrecRow adds SASRec's row, with a trial for each seed like the students' rows.
func (w *reportBuilder) sasrecRow(ctx context.Context, task task.Task, table *report.Table) error {
	record, err := readArtifactJSON[SasrecRecord](ctx, w.Bucket, w.Sasrec, sasrecRecord)
	if err != nil {
		return err
	}
	row := report.Row{Method: baseline.SASRec, Kind: report.ModelRow, About: record.Description}
	for k := range w.Spec.Trials {
		seed := w.Spec.Seed + int64(k)
		scores, err := w.ranked(ctx, w.Sasrec, sasrecFile(seed, task), table.Strict)
		if err != nil {
			return err
		}
		row.Trials = append(row.Trials, report.Trial{Seed: seed, Scores: scores})
	}
	table.Rows = append(table.Rows, row)
	return nil
}

// ranked scores a file of rankings.
func (w *reportBuilder) ranked(ctx context.Context, ref storage.Ref, file string, strict bool) ([]metric.Score, error) {
	predictions, err := readArtifactJSONL[prediction.Prediction](ctx, w.Bucket, ref, file)
	if err != nil {
		return nil, err
	}
	return metric.ScoreRankings(lists(predictions), strict, w.Spec.Seed), nil
}

func lists(predictions []prediction.Prediction) []metric.List {
	result := make([]metric.List, len(predictions))
	for i, p := range predictions {
		result[i] = metric.List{Items: p.Items, Truth: []int{p.Truth}}
	}
	return result
}

// shownSamples is the number of recommendations and explanations that the report shows for each
// method.
const shownSamples = 6

// recommended adds a sample of recommendations to the report.
func (w *reportBuilder) recommended(trial registry.TrialResult, t task.Task, predictions []prediction.Prediction) {
	if t != task.Sequential || trial.Variant != "" {
		return
	}
	ranked := make([]report.RankedList, len(predictions))
	for i, p := range predictions {
		ranked[i] = report.RankedList{User: p.User, Items: p.Items, Truth: p.Truth}
	}
	picked := report.PickRecommendations(w.data, trial.Method, ranked, shownSamples)
	w.report.Recommended = append(w.report.Recommended, picked...)
}

// texts scores the explanations that the students generated.
func (w *reportBuilder) texts(ctx context.Context) error {
	for _, trial := range w.Trials {
		texts, err := readPredictions[prediction.Text](ctx, w.Bucket, trial.Evaluations, task.Explanation)
		if err != nil {
			return err
		}
		if texts == nil {
			continue
		}
		if err := w.explained(trial, texts); err != nil {
			return err
		}
	}
	return nil
}

func (w *reportBuilder) explained(trial registry.TrialResult, texts []prediction.Text) error {
	words := make([]metric.Text, len(texts))
	for i, t := range texts {
		words[i] = metric.Text{Reference: strings.Fields(t.Reference), Generated: strings.Fields(t.Generated)}
	}
	scores, err := metric.ScoreTexts(words)
	if errors.Is(err, metric.ErrEmptyCorpus) {
		return nil // nothing to score: the table gets no row
	}
	if err != nil {
		return err
	}
	result := report.TextResult{Method: trial.Name(), Seed: trial.Seed, Scores: scores}
	w.report.Explanations = append(w.report.Explanations, result)
	if trial.Seed != w.Spec.Seed || trial.Variant != "" {
		return nil
	}
	for i := range min(len(texts), shownSamples) {
		t := texts[i*len(texts)/min(len(texts), shownSamples)]
		w.report.Explained = append(w.report.Explained, report.Explanation{
			User: report.UserName(w.data, t.User), Method: trial.Method, Item: report.Items(w.data, t.Item)[0],
			Reference: t.Reference, Generated: t.Generated,
		})
	}
	return nil
}
