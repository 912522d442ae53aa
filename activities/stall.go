package activities

import "time"

// longSteps are the activities whose longest step without a sign of progress grows with the data:
// a query of DuckDB, or a pass over all users. Each may go without progress for that many times
// [Activities.StallTimeout]. The others report every batch, file or part of a transfer.
var longSteps = map[string]int{
	"Import":       24,
	"Ingest":       24, // checks each file with DuckDB
	"IngestSource": 24,
	"FormatExport": 24,

	"Preprocess":    8,
	"RankBaselines": 8,
	"Fuse":          8,
	"PlanExport":    4, // reads the dataset
}

// stallTimeout returns how long an activity may go without progress.
func (a *Activities) stallTimeout(activityType string) time.Duration {
	return a.StallTimeout * time.Duration(max(1, longSteps[activityType]))
}
