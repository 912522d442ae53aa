package progress

import "strings"

// Sparkline draws values as a line of blocks, from the lowest to the highest of them.
func Sparkline(values []float64) string {
	blocks := []rune("▁▂▃▄▅▆▇█")
	if len(values) == 0 {
		return ""
	}
	low, high := values[0], values[0]
	for _, v := range values {
		low, high = min(low, v), max(high, v)
	}
	var line strings.Builder
	for _, v := range values {
		at := 0
		if high > low {
			at = int((v - low) / (high - low) * float64(len(blocks)-1))
		}
		line.WriteRune(blocks[at])
	}
	return line.String()
}
