package main

import (
	"bytes"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/progress"
)

// TestProgressReader separates progress from messages, however they are cut.
func TestProgressReader(t *testing.T) {
	t.Parallel()
	now := secondsAfterStart(0)
	var shown bytes.Buffer
	r := &progressReader{printer: progress.NewPrinter(&shown, "import", func() time.Time { return now })}
	for i, text := range []string{
		`{"done":1,"total":0,"un`, "it\":\"rows\"}\nerror: ", "torn\n",
		`{"done":40,"total":0,"unit":"rows"}` + "\n", "hint: repair it",
	} {
		now = secondsAfterStart(10 * (i + 1))
		if _, err := io.WriteString(r, text); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"import: 1 rows, 0.05/s\nimport: 40 rows, 1/s\n", "error: torn\nhint: repair it"}
	if diff := cmp.Diff(want, []string{fmt.Sprint(&shown), r.String()}); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
