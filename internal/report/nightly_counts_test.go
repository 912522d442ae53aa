package report_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/report"
)

func TestNightlyCountsSince(t *testing.T) {
	previous := report.NightlyCounts{
		Rows: 100, Bad: 10, Users: 7, Items: 5, Interactions: 80, Rationales: 40, Parsed: 30,
		NewRows: 1, NewBad: 2, NewUsers: 3, NewItems: 4, NewRationales: 5, NewParsed: 6, Requests: 9, Tokens: 99,
	}
	for name, c := range map[string]struct{ now, want report.NightlyCounts }{
		"growth": {
			report.NightlyCounts{
				Rows: 150, Bad: 13, Users: 9, Items: 5, Interactions: 120, Rationales: 60, Parsed: 48, Requests: 2,
			},
			report.NightlyCounts{
				Rows: 150, Bad: 13, Users: 9, Items: 5, Interactions: 120, Rationales: 60, Parsed: 48, Requests: 2,
				NewRows: 50, NewBad: 3, NewUsers: 2, NewItems: 0, NewRationales: 20, NewParsed: 18,
			},
		},
		"rationales not counted yet": {
			report.NightlyCounts{Rows: 101, Bad: 10, Users: 7, Items: 5, NewRationales: 8, NewParsed: 8},
			report.NightlyCounts{Rows: 101, Bad: 10, Users: 7, Items: 5, NewRows: 1},
		},
	} {
		if diff := cmp.Diff(c.want, c.now.Since(previous)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
