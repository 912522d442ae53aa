package t5_test

import (
	"os"
	"testing"

	"rdrec/internal/torch"
)

// TestMain uses one thread: on busy test machines, threads wait long for each other.
func TestMain(m *testing.M) {
	torch.Threads(1)
	os.Exit(m.Run())
}
