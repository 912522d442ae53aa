package report_test

import (
	"testing"

	"rdrec/internal/report"
)

func TestDuration(t *testing.T) {
	t.Parallel()
	for seconds, want := range map[float64]string{
		-1: "0.0s", 0.44: "0.4s", 9.94: "9.9s", 12.3: "12s", 59.4: "59s", 60: "1m00s", 185: "3m05s", 7800: "2h10m",
	} {
		if got := report.Duration(seconds); got != want {
			t.Errorf("Duration(%g) = %q, want %q", seconds, got, want)
		}
	}
}
