package activities

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestAnUnreadableLineIsNamed has a fault in each line in turn.
func TestAnUnreadableLineIsNamed(t *testing.T) {
	for text, want := range map[string]string{
		"x": "line 1: ", "{x}\n{}\n": "line 1: ", "{}\n{x}\n": "line 2: ", "{}\n{}\n{}\n[]\n": "line 4: ",
		"{}\n\n \r\n{\n": "line 4: ",
	} {
		if rows, err := readLines[struct{}]([]byte(text)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v, %v; want %q", text, rows, err, want)
		}
	}
	for text, want := range map[string]int{"": 0, "\n": 0, "{}": 1, "{}\n{}\n": 2} {
		if rows, err := readLines[struct{}]([]byte(text)); err != nil || len(rows) != want {
			t.Errorf("%q: %v, %v; want %d rows", text, rows, err, want)
		}
	}
}

func TestWhatCannotBeEncodedIsNotWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := writeLines(path, []any{1, make(chan int)}); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("lines: %v", err)
	}
	if err := writeJSON(path, make(chan int)); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("JSON: %v", err)
	}
}
