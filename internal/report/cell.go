package report

import "rdrec/internal/metric"

// Cell is a cell of a table: a metric of a method over its trials.
type Cell struct {
	Mean float64
	// SD is the standard deviation over Trials; 0 for one trial.
	SD     float64
	Trials int
	// Interval is the 95% interval of the mean: over trials if there are two or more, otherwise
	// over users; nil if neither is known.
	Interval *metric.Interval
}

// Cell returns the row's cell for a metric, and whether it has one.
func (r Row) Cell(name string) (Cell, bool) {
	var values []float64
	cell := Cell{}
	for _, trial := range r.Trials {
		for _, score := range trial.Scores {
			if score.Metric == name {
				values = append(values, score.Value)
				cell.Interval = score.Interval
			}
		}
	}
	if len(values) == 0 {
		return Cell{}, false
	}
	cell.Mean, cell.SD, cell.Trials = metric.Mean(values), metric.StdDev(values), len(values)
	if len(values) > 1 {
		cell.Interval = nil
		if interval, err := metric.MeanInterval(values); err == nil {
			cell.Interval = &interval
		}
	}
	return cell, true
}

// Metrics returns the names of the table's metrics, in the order of [metric.Table].
func (t Table) Metrics() []string {
	var names []string
	for _, name := range metric.Names(metric.Rankings) {
		for _, row := range t.Rows {
			if _, found := row.Cell(name); found {
				names = append(names, name)
				break
			}
		}
	}
	return names
}

// best returns the highest mean of a metric.
func (t Table) best(name string) float64 {
	best := 0.0
	for _, row := range t.Rows {
		if cell, found := row.Cell(name); found {
			best = max(best, cell.Mean)
		}
	}
	return best
}

// trials returns the largest number of trials of any row.
func (t Table) trials() int {
	most := 0
	for _, row := range t.Rows {
		most = max(most, len(row.Trials))
	}
	return most
}

// perUser returns a metric of every user or text, averaged over trials; nil if a trial lacks it.
func (r Row) perUser(name string) []float64 {
	var sum []float64
	found := 0
	for _, trial := range r.Trials {
		for _, score := range trial.Scores {
			if score.Metric != name {
				continue
			}
			if sum == nil {
				sum = make([]float64, len(score.Each))
			}
			if len(score.Each) != len(sum) {
				return nil
			}
			found++
			for i, value := range score.Each {
				sum[i] += value / float64(len(r.Trials))
			}
		}
	}
	if found < len(r.Trials) {
		return nil
	}
	return sum
}

// perTrial returns a metric of every trial.
func (r Row) perTrial(name string) []float64 {
	var values []float64
	for _, trial := range r.Trials {
		for _, score := range trial.Scores {
			if score.Metric == name {
				values = append(values, score.Value)
			}
		}
	}
	return values
}
