package docs_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestReadmeShowsTheDemo looks for README's excerpt in the demo's transcript, line by line.
func TestReadmeShowsTheDemo(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	transcript, err := os.ReadFile("demo.md")
	if err != nil {
		t.Fatal(err)
	}
	_, excerpt, found := strings.Cut(string(readme), "has the whole transcript):\n\n")
	excerpt, _, _ = strings.Cut(excerpt, "\n\n")
	if !found || len(strings.Split(excerpt, "\n")) < 5 {
		t.Fatalf("README has no excerpt of the demo: %q", excerpt)
	}
	rest := string(transcript)
	for line := range strings.SplitSeq(excerpt, "\n") {
		var ok bool
		if _, rest, ok = strings.Cut(rest, "\n"+strings.TrimPrefix(line, "    ")); !ok {
			t.Errorf("docs/demo.md has no line %q after those before", line)
		}
	}
}

var readmeScore = regexp.MustCompile(`(?m)^\| ([^|]+) \| (\.\d{4}) \|$`)

// TestReadmeScoresAreThoseOfTheResults compares README's scores with the table that they come from.
func TestReadmeScoresAreThoseOfTheResults(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	results, err := os.ReadFile("results.md")
	if err != nil {
		t.Fatal(err)
	}
	const title = "## Beauty, protocol `clean`: what would be served"
	_, section, found := strings.Cut(string(results), title)
	section, _, _ = strings.Cut(section, "\n## ")
	if !found {
		t.Fatalf("results.md has no section %q", title)
	}
	scores := map[string]string{}
	for line := range strings.Lines(strings.ReplaceAll(section, "*", "")) {
		if cells := strings.Split(line, " | "); len(cells) == 7 {
			scores[strings.TrimPrefix(cells[0], "| ")] = cells[5]
		}
	}
	rows := readmeScore.FindAllStringSubmatch(string(readme), -1)
	if len(rows) < 8 {
		t.Errorf("README has only %d scores", len(rows))
	}
	for _, row := range rows {
		if scores[row[1]] != row[2] {
			t.Errorf("README: %s has %s, results.md %q", row[1], row[2], scores[row[1]])
		}
	}
}
