package report_test

import (
	"testing"

	"rdrec/internal/report"
)

func TestDuration(t *testing.T) {
	t.Parallel()
	for seconds, want := range map[float64]string{
		9.96: "10s", 59.6: "1m00s", 3*60 + 5.6: "3m06s", 3599.4: "59m59s",
		3599.6: "1h00m", 7799: "2h10m", 7829: "2h10m",
		-1: "0.0s", 0.44: "0.4s", 9.94: "9.9s", 12.3: "12s", 59.4: "59s", 60: "1m00s", 185: "3m05s", 7800: "2h10m",
	} {
		if got := report.Duration(seconds); got != want {
			t.Errorf("Duration(%g) = %q, want %q", seconds, got, want)
		}
	}
}
