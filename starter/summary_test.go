package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/workflows"
)

func TestSummaryText(t *testing.T) {
	t.Parallel()
	training := line("pretrain rdrec/1", workflows.Running, 40)
	training.Progress.Rate = 0.5 // 60 rows are left
	lines := []stageLine{
		line("import", workflows.Finished, 0), line("distill", workflows.Cached, 0), training,
		line("fuse", workflows.Paused, 0),
	}
	got := summaryText(lines, []trialLine{{"rdrec-1", false}, {"rdrec-2", true}})
	want := "2 stages finished, 1 running, 1 paused, 1 of 2 trials finished, at least 2m00s left"
	if got != want {
		t.Errorf("it is %q, want %q", got, want)
	}
}

// TestFitting leaves out finished stages, the first ones.
func TestFitting(t *testing.T) {
	t.Parallel()
	lines := []stageLine{
		line("a", workflows.Finished, 0), line("b", workflows.Running, 0), line("c", workflows.Cached, 0),
		line("d", workflows.Finished, 0),
	}
	for _, c := range []struct {
		rows, hidden int
		names        string
	}{{0, 0, "abcd"}, {4, 0, "abcd"}, {3, 2, "bd"}, {2, 3, "b"}} {
		hidden, shown := fitting(lines, c.rows)
		names := ""
		for _, l := range shown {
			names += l.Name
		}
		if diff := cmp.Diff([]any{c.hidden, c.names}, []any{hidden, names}); diff != "" {
			t.Errorf("in %d rows (-want +got):\n%s", c.rows, diff)
		}
	}
}
