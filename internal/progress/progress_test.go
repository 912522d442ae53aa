package progress_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/progress"
)

func TestTexts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		progress.Progress
		text, bar string
	}{
		{
			progress.Progress{Done: 10, Total: 40, Unit: "rows", Rate: 2},
			"10/40 rows, 2/s, 15s left", "█████░░░░░░░░░░░░░░░",
		},
		{
			progress.Progress{Done: 1, Total: 11, Unit: "rows", Rate: 4},
			"1/11 rows, 4/s, 2.5s left", "█░░░░░░░░░░░░░░░░░░░",
		},
		{
			progress.Progress{Total: 100, Unit: "rows", Rate: 0.4},
			"0/100 rows, 0.4/s, 4m10s left", "░░░░░░░░░░░░░░░░░░░░",
		},
		{
			progress.Progress{Total: 75, Unit: "rows", Rate: 0.01},
			"0/75 rows, 0.01/s, 2h05m left", "░░░░░░░░░░░░░░░░░░░░",
		},
		{
			progress.Progress{Done: 40, Total: 40, Unit: "rows"},
			"40/40 rows", "████████████████████",
		},
		{
			progress.Progress{Done: 50, Total: 40, Unit: "rows", Rate: 2},
			"50/40 rows, 2/s, 0.0s left", "████████████████████",
		},
		{
			progress.Progress{Done: 7, Unit: "rows", Rate: 0.5},
			"7 rows, 0.5/s", "",
		},
		{
			progress.Progress{Done: 5e6, Total: 50e6, Unit: progress.Bytes, Rate: 1e6},
			"5.0 MB/50.0 MB, 1.0 MB/s, 45s left", "██░░░░░░░░░░░░░░░░░░",
		},
	} {
		if got := c.String(); got != c.text {
			t.Errorf("%+v is %q, want %q", c.Progress, got, c.text)
		}
		if got := c.Bar(); got != c.bar {
			t.Errorf("%+v has the bar %q, want %q", c.Progress, got, c.bar)
		}
	}
}

func TestSparkline(t *testing.T) {
	t.Parallel()
	if got := progress.Sparkline([]float64{8, 4, 2, 1}); got != "█▄▂▁" {
		t.Errorf("the line is %q", got)
	}
	if got := progress.Sparkline([]float64{3, 3}); got != "▁▁" {
		t.Errorf("of equal values, the line is %q", got)
	}
}

// TestPrinterIsSparseInALog shows a unit a second for 25 seconds.
func TestPrinterIsSparseInALog(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var out bytes.Buffer
	p := progress.NewPrinter(&out, "read", func() time.Time { return now })
	for done := range 26 {
		p.Show(progress.Progress{Done: done, Total: 50, Unit: "rows"})
		now = now.Add(time.Second)
	}
	p.Clear()
	want := "read: 10/50 rows, 1/s, 40s left\nread: 20/50 rows, 1/s, 30s left\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
