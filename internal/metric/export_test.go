package metric

// Quantile is the quantile of sorted values, as intervals have it.
func Quantile(sorted []float64, q float64) float64 { return quantile(sorted, q) }
