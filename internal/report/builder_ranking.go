package report

import (
	"slices"

	"rdrec/internal/baseline"
	"rdrec/internal/metric"
	"rdrec/internal/prediction"
	"rdrec/internal/spec"
	"rdrec/internal/task"
)

// TrialID names a trained student.
type TrialID struct {
	Method string
	// Variant is the state of the switch that an ablation flipped; empty for the spec's protocol.
	Variant string
	Seed    int64
}

// Name returns the student's name in reports.
func (id TrialID) Name() string { return spec.MethodLabel(id.Method, id.Variant) }

// shownSamples is the number of recommendations and explanations that the report shows for each
// method.
const shownSamples = 6

// AddRecommendations scores what a student recommended for a ranking task.
func (b *Builder) AddRecommendations(id TrialID, t task.Task, predictions []prediction.Prediction) {
	table := b.table(t)
	row := Row{Method: id.Name(), Kind: StudentRow, About: b.run.Spec.Student.Name()}
	if id.Variant != "" {
		row.Kind, row.Base = AblationRow, id.Method
	}
	first := b.addTrial(table, row, id.Seed, predictions)
	table.Users, table.TargetShare = len(predictions), targetShare(predictions)
	if first && t == task.Sequential {
		b.showRecommendations(row, predictions)
	}
}

// showRecommendations shows some of a method's lists, unless it is an ablation.
func (b *Builder) showRecommendations(row Row, predictions []prediction.Prediction) {
	if row.Kind != AblationRow {
		picked := PickRecommendations(b.run.Dataset, row.Method, predictions, shownSamples)
		b.report.Recommended = append(b.report.Recommended, picked...)
	}
}

// AddHead scores what a student recommended for the sequential task by its item head. An ablation's
// row is one of the head, too.
func (b *Builder) AddHead(id TrialID, predictions []prediction.Prediction) {
	row := Row{Method: id.Name() + ", item head", Kind: StudentRow, About: b.run.Spec.Student.Name()}
	if id.Variant != "" {
		row.Kind, row.Base = AblationRow, id.Method+", item head"
	}
	if b.addTrial(b.table(task.Sequential), row, id.Seed, predictions) {
		b.showRecommendations(row, predictions)
	}
}

// targetShare returns the share of users with the most frequent target.
func targetShare(predictions []prediction.Prediction) float64 {
	counts, most := map[int]int{}, 0
	for _, p := range predictions {
		counts[p.Truth]++
		most = max(most, counts[p.Truth])
	}
	return float64(most) / float64(max(len(predictions), 1))
}

// addTrial adds a trial to the last row if it is of the same method, otherwise to a new row, and
// reports whether the row is new.
func (b *Builder) addTrial(table *Table, row Row, seed int64, predictions []prediction.Prediction) bool {
	lists := prediction.Lists(predictions)
	trial := Trial{
		Seed: seed, Scores: metric.ScoreRankings(lists, table.Strict, b.run.Spec.Seed),
		Diversity: metric.MeasureLists(lists, b.run.Dataset.Items),
	}
	if last := len(table.Rows) - 1; last >= 0 && table.Rows[last].Method == row.Method {
		table.Rows[last].Trials = append(table.Rows[last].Trials, trial)
		return false
	}
	row.Trials = []Trial{trial}
	table.Rows = append(table.Rows, row)
	return true
}

// Baselines returns the baselines to add for a task, in the order of the report: those of the spec,
// or the default ones if it names none. There are none if no student is evaluated on the task,
// because there is nothing to compare; while the run goes on, a student may follow.
func (b *Builder) Baselines(t task.Task) (chosen []baseline.Baseline) {
	if b.tables[t] == nil && (b.run.Progress == "" || !b.evaluates(t)) {
		return nil
	}
	names := b.run.Spec.Baselines
	if len(names) == 0 {
		names = spec.Default().Baselines
	}
	for _, row := range baseline.Table() {
		if slices.Contains(names, row.Name) {
			chosen = append(chosen, row)
		}
	}
	return chosen
}

// evaluates reports whether the spec lets students be evaluated on a ranking task.
func (b *Builder) evaluates(t task.Task) bool {
	if t == task.TopN {
		return b.run.Spec.Evaluate.TopNUsers >= 0
	}
	return b.run.Spec.Evaluate.SequentialUsers >= 0
}

// AddBaseline scores what a baseline recommended for a ranking task. The seed is 0 for a baseline
// without randomness.
func (b *Builder) AddBaseline(
	from baseline.Baseline, t task.Task, seed int64, predictions []prediction.Prediction,
) {
	row := Row{Method: from.Name, Kind: BaselineRow, About: from.About}
	switch {
	case from.Name == baseline.Rule:
		row.Kind = RuleRow
	case from.Fit == nil:
		row.Kind = ModelRow
	}
	table := b.table(t)
	if table.Users == 0 { // no student is evaluated yet
		table.Users, table.TargetShare = len(predictions), targetShare(predictions)
	}
	b.addTrial(table, row, seed, predictions)
}
