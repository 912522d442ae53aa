package verdicts_test

import (
	"testing"

	"rdrec/internal/mutants/testdata/verdicts"
)

func TestLarger(t *testing.T) {
	for _, pair := range [][2]int{{1, 2}, {2, 1}, {2, 2}} {
		if got := verdicts.Larger(pair[0], pair[1]); got != 2 {
			t.Errorf("Larger(%d, %d) = %d", pair[0], pair[1], got)
		}
	}
}

func TestPositive(t *testing.T) {
	if !verdicts.Positive(5) {
		t.Error("5 is not positive")
	}
}

func TestPositiveAgain(t *testing.T) {
	if verdicts.Positive(-5) {
		t.Error("-5 is positive")
	}
}

func TestUntil(t *testing.T) {
	if got := verdicts.Until(3); got != 3 {
		t.Errorf("Until(3) = %d", got)
	}
}

// TestBroken fails with nothing mutated: what it would kill survives.
func TestBroken(t *testing.T) {
	if verdicts.Positive(0) || verdicts.Positive(1) {
		t.Error("broken")
	}
}
