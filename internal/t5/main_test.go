package t5_test

import (
	"os"
	"testing"

	"rdrec/internal/torch"
)

// TestMain keeps to one thread: test machines are busy, and threads that wait for each other there
// wait long.
func TestMain(m *testing.M) {
	torch.Threads(1)
	os.Exit(m.Run())
}
