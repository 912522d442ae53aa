package review_test

import (
	"bufio"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"rdrec/internal/review"
)

// TestMemoryOfTheLongestLine imports good reviews, one with a text of 8 MB, and a line of 100 MB:
// the text is imported, the line is a bad row, and neither decides how much memory an import takes.
func TestMemoryOfTheLongestLine(t *testing.T) {
	good, err := os.ReadFile(filepath.Join(cases, "00-baseline/reviews.json"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "reviews.json")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	out := bufio.NewWriter(file)
	write := func(text string) {
		t.Helper()
		if _, err := out.WriteString(text); err != nil {
			t.Fatal(err)
		}
	}
	const text = `"reviewText": "`
	write(strings.Replace(string(good), text, text+strings.Repeat("soft hair. ", 8<<20/11), 1))
	write(`{"reviewText": "`)
	for range 100 {
		write(strings.Repeat("a", 1<<20))
	}
	write("\"}\n")
	if err := out.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	opts := options(path)
	opts.MaxBad = 0.1
	sum, err := review.Import(t.Context(), opts, 1, t.TempDir())
	runtime.ReadMemStats(&after)
	if err != nil || sum.Bad != 1 || sum.Rows != 61 {
		t.Errorf("%d rows, %d bad, error %v", sum.Rows, sum.Bad, err)
	}
	took := (after.Sys - before.Sys) >> 20
	t.Logf("took %d MiB from the system, allocated %d MiB", took, (after.TotalAlloc-before.TotalAlloc)>>20)
	if took > 512 {
		t.Errorf("took %d MiB", took)
	}
}
