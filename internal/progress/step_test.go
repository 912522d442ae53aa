package progress_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/progress"
)

func TestStepsReachTheirContext(t *testing.T) {
	var notes []string
	ctx := progress.WithStep(t.Context(), func(note string) { notes = append(notes, note) })
	progress.Step(ctx, "read the dataset")
	text, err := io.ReadAll(progress.Reader(ctx, iotest.OneByteReader(strings.NewReader("ab"))))
	if err != nil || string(text) != "ab" {
		t.Fatalf("read %q, %v", text, err)
	}
	if want := []string{"read the dataset", "", "", ""}; !cmp.Equal(want, notes) { // two bytes and the end
		t.Errorf("steps: %q, want %q", notes, want)
	}
	progress.Step(context.Background(), "nobody listens")

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := io.ReadAll(progress.Reader(ended, strings.NewReader("ab"))); !errors.Is(err, context.Canceled) {
		t.Errorf("a reader of an ended context: %v", err)
	}
}
