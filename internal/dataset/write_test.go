package dataset_test

import (
	"bufio"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/dataset"
)

// TestJSONMatchesPython covers the first and last characters that are written unescaped, and each
// of the short escapes. The expected bytes are those of Python's json.dumps(..., indent=1).
func TestJSONMatchesPython(t *testing.T) {
	d := &dataset.Dataset{
		Items: 1, UserIDs: []string{" ~\x7f\x1f\b\f\n\r\t"}, ItemIDs: []string{"é\uffff\U00010000\U0010ffff/\\\""},
		Users: []dataset.User{{ID: 1, Items: []int{1}}},
		Explanations: dataset.Splits{
			Train: []dataset.Explanation{{User: 1, Item: 1, Explanation: "x", Preference: "p", Rating: "4.0"}},
		},
	}
	out := t.TempDir()
	if err := dataset.Write(out, d); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"datamaps.json": "{\n \"id2user\": {\n  \"1\": \" ~\\u007f\\u001f\\b\\f\\n\\r\\t\"\n },\n" +
			" \"id2item\": {\n  \"1\": \"\\u00e9\\uffff\\ud800\\udc00\\udbff\\udfff/\\\\\\\"\"\n }\n}",
		"explanation.json": "{\n \"train\": [\n  {\n   \"user\": 1,\n" +
			"   \"item\": 1,\n   \"explanation\": \"x\",\n   \"feature\": \"\",\n" +
			"   \"rating\": 4.0\n  }\n ],\n \"val\": [],\n \"test\": []\n}",
		"explanation_rationale.json": "{\n \"train\": [\n  {\n   \"user\": 1,\n" +
			"   \"item\": 1,\n   \"explanation\": \"x\",\n   \"feature\": \"\",\n" +
			"   \"user_preference\": \"p\",\n   \"item_attribution\": \"\",\n" +
			"   \"rating\": 4.0\n  }\n ],\n \"val\": [],\n \"test\": []\n}",
		"sequential.txt": "1 1\n",
	} {
		if diff := cmp.Diff(want, unpack(t, out, name)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	for _, name := range []string{"times.txt", "negative.txt", "titles.json"} {
		if _, err := os.Stat(filepath.Join(out, name)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s was written without data: %v", name, err)
		}
	}
}

// TestCreateRemovesAFailedFile also expects the error of the writer with the file's name.
func TestCreateRemovesAFailedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	broken := errors.New("broken")
	err := dataset.Create(path, func(w *bufio.Writer) error {
		_, err := w.WriteString("half")
		return errors.Join(err, broken)
	})
	if !errors.Is(err, broken) || !strings.HasPrefix(err.Error(), "file: ") {
		t.Errorf("error %v, want %v of file", err, broken)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file still exists: %v", err)
	}
}

// TestStreamEndsAtTheFirstError covers the stream of each file.
func TestStreamEndsAtTheFirstError(t *testing.T) {
	broken := errors.New("broken")
	ids := func(yield func(string, error) bool) { _ = yield("a", nil) && yield("", broken) }
	good := func(yield func(string, error) bool) { yield("a", nil) }
	users := func(yield func(dataset.User, error) bool) { yield(dataset.User{}, broken) }
	explanations := func(yield func(dataset.Explanation, error) bool) { yield(dataset.Explanation{}, broken) }
	none := func(func(dataset.Explanation, error) bool) {}
	titles := func(yield func([2]string, error) bool) { yield([2]string{}, broken) }
	for name, source := range map[string]dataset.Source{
		"users' ids":  {UserIDs: ids, ItemIDs: good},
		"items' ids":  {UserIDs: good, ItemIDs: ids},
		"sequences":   {Users: users},
		"times":       {Times: users},
		"negatives":   {Negatives: users},
		"for testing": {Train: none, Val: none, Test: explanations},
		"titles":      {Titles: titles},
	} {
		dir := t.TempDir()
		if err := dataset.Stream(dir, source); !errors.Is(err, broken) {
			t.Errorf("%s: %v, want %v", name, err, broken)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
			t.Errorf("%s: left %v, %v", name, left, err)
		}
	}
}
