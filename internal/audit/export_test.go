package audit

// Findings says an audit's measures in words.
func Findings(a Audit) []Finding { return a.findings() }

// Percent writes a share.
func Percent(share float64) string { return percent(share) }

// Spearman is the rank correlation of values without ties.
func Spearman(a, b []float64) float64 { return spearman(a, b) }
