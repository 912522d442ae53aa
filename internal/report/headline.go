package report

// Headline is the score of the method that the verdict is about, in the report's first table that
// ranks it.
type Headline struct {
	Method string `json:"method"`
	Task   string `json:"task"`
	Metric string `json:"metric"`
	// Value is the mean over trials.
	Value float64 `json:"value"`
}

// Headline returns the report's headline; nil if no student is evaluated.
func (r *Report) Headline() *Headline {
	for _, table := range r.Tables {
		for _, row := range table.Rows {
			if row.Method != r.Verdict.Method {
				continue
			}
			if cell, ok := row.Cell(table.primary()); ok {
				return &Headline{row.Method, table.Task, table.primary(), cell.Mean}
			}
		}
	}
	return nil
}
