package registry_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/registry"
)

func TestCountsSince(t *testing.T) {
	previous := registry.Counts{
		Rows: 100, Bad: 10, Users: 7, Items: 5, Interactions: 80, Rationales: 40, Parsed: 30,
		NewRows: 1, NewBad: 2, NewUsers: 3, NewItems: 4, NewRationales: 5, NewParsed: 6, Requests: 9, Tokens: 99,
	}
	for name, c := range map[string]struct{ now, want registry.Counts }{
		"growth": {
			registry.Counts{
				Rows: 150, Bad: 13, Users: 9, Items: 5, Interactions: 120, Rationales: 60, Parsed: 48, Requests: 2,
			},
			registry.Counts{
				Rows: 150, Bad: 13, Users: 9, Items: 5, Interactions: 120, Rationales: 60, Parsed: 48, Requests: 2,
				NewRows: 50, NewBad: 3, NewUsers: 2, NewItems: 0, NewRationales: 20, NewParsed: 18,
			},
		},
		"rationales not counted yet": {
			registry.Counts{Rows: 101, Bad: 10, Users: 7, Items: 5, NewRationales: 8, NewParsed: 8},
			registry.Counts{Rows: 101, Bad: 10, Users: 7, Items: 5, NewRows: 1},
		},
	} {
		if diff := cmp.Diff(c.want, c.now.Since(previous)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
