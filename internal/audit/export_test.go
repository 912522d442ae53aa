package audit

// Findings returns the findings of an audit.
func Findings(a Audit) []Finding { return a.findings() }

// Percent formats a share.
func Percent(share float64) string { return percent(share) }

// Spearman returns the rank correlation of values without ties.
func Spearman(a, b []float64) float64 { return spearman(a, b) }
