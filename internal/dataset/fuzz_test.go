package dataset_test

import (
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/dataset"
)

// fuzzFile reads a folder in which one file is fuzzed: it must not panic, and accepted data must
// survive a round trip.
func fuzzFile(f *testing.F, name string, seeds ...string) {
	f.Helper()
	for _, seed := range seeds {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		fsys := folder(nil)
		fsys[name] = &fstest.MapFile{Data: data}
		d, err := dataset.Read(fsys, "fuzz")
		if err != nil {
			return
		}
		out := filepath.Join(t.TempDir(), "out")
		if err := dataset.Write(out, d); err != nil {
			t.Fatal(err)
		}
		again, err := dataset.Read(os.DirFS(out), "fuzz")
		if err != nil {
			t.Fatalf("the written dataset cannot be read: %v", err)
		}
		d.Indent, again.Indent = 0, 0
		if d.Titles != nil && again.Titles == nil {
			again.Titles = make([]string, d.Items)
		}
		if !d.HasExplanations() {
			d.Explanations, again.Explanations = dataset.Splits{}, dataset.Splits{}
		}
		if diff := cmp.Diff(d, again); diff != "" {
			t.Fatal(diff)
		}
	})
}

func FuzzSequential(f *testing.F) {
	fuzzFile(f, "sequential.txt", "1 1 2 3\n2 2 3 4\n", "1 1\r\n2 2", "1 99999999999999999999\n", "")
}

func FuzzNegative(f *testing.F) { fuzzFile(f, "negative.txt", "1 4\n2 1\n", "1 4 4\n") }

func FuzzTimes(f *testing.F) { fuzzFile(f, "times.txt", "1 1 2 3\n2 -1 0 9\n") }

func FuzzDatamaps(f *testing.F) {
	fuzzFile(f, "datamaps.json",
		`{"id2user": {"1": "a", "2": "b"}, "id2item": {"1": "w", "2": "x", "3": "y", "4": "z"}}`,
		`{"user2id": {"a": 1, "b": "2"}, "item2id": {"w": 1, "x": 2, "y": 3, "z": 4}}`,
		`{"id2user": null}`, `{"id2user": {"1": "\ud800"`)
}

func FuzzExplanation(f *testing.F) {
	fuzzFile(f, "explanation_rationale.json",
		`{"train": [{"user": 1, "item": 2, "explanation": "é\n", "feature": "", "user_preference": "p", `+
			`"rating": 5.0}], "val": [], "test": []}`,
		`{"train": null}`, `{"train": [{"user": 1e3}]}`)
}

func FuzzTitles(f *testing.F) { fuzzFile(f, "titles.json", `{"w": "soap", "x": ""}`, `{"q": 1}`) }

func FuzzCodes(f *testing.F) {
	fuzzFile(f, "codes.json", `{"widths":[2,2],"items":[[0,0],[0,1],[1,0],[1,1]]}`,
		`{"widths":[4],"items":[[0],[1],[2],[9]]}`, `{"widths":[1000000000000],"items":[[0],[1],[2],[3]]}`, "null")
}

func FuzzKeywords(f *testing.F) {
	fuzzFile(f, "item_keywords.tsv", "1\tw\tsoap bar\n", "9\tq\t\n", "x")
}
