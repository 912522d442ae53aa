package dataset_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/dataset"
)

const mini = "../../testdata/rdrec/beauty_mini"

func readMini(t *testing.T) *dataset.Dataset {
	t.Helper()
	d, err := dataset.Read(os.DirFS(mini), "beauty_mini")
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// unpack reads a file of dir, plain or .gz.
func unpack(t *testing.T, dir, name string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		raw, err = os.ReadFile(filepath.Join(dir, name+".gz"))
		if err == nil {
			var zip *gzip.Reader
			zip, err = gzip.NewReader(bytes.NewReader(raw))
			if err == nil {
				raw, err = io.ReadAll(zip)
			}
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestReadMini(t *testing.T) {
	d := readMini(t)
	want := dataset.Stats{
		Users: 300, Items: 2795, Interactions: 4161, Density: 4161. / 300 / 2795, Shortest: 5, Median: 9, Longest: 182,
		Train: 1631, Val: 223, Test: 228, Rationales: 2082, Features: 987, Negatives: 99,
	}
	if diff := cmp.Diff(want, d.Stats()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]int{6, 7, 8, 9, 10, 4, 11}, d.Users[1].Items); diff != "" {
		t.Error(diff)
	}
	if first := d.Explanations.Train[0]; first.Feature != "soft" || !first.HasRationale() {
		t.Errorf("first explanation is %+v", first)
	}
}

func TestReadPaperFolders(t *testing.T) {
	for _, test := range []struct {
		name                string
		users, items, count int
	}{{"beauty", 22363, 12101, 198502}, {"sports", 35598, 18357, 296337}, {"toys", 19412, 11924, 167597}} {
		t.Run(test.name, func(t *testing.T) {
			dir := filepath.Join("../../../shared/data/rdrec", test.name)
			if _, err := os.Stat(dir); err != nil {
				t.Skipf("%s is not here", dir)
			}
			d, err := dataset.Read(os.DirFS(dir), test.name)
			if err != nil {
				t.Fatal(err)
			}
			got := d.Stats()
			// one item of beauty has no words
			if got.Users != test.users || got.Items != test.items || got.Interactions != test.count ||
				got.Titles < test.items-1 {
				t.Errorf("got %+v, want %+v", got, test)
			}
			out := t.TempDir()
			if err := dataset.Write(out, d); err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"sequential.txt", "datamaps.json"} {
				if unpack(t, dir, name) != unpack(t, out, name) {
					t.Errorf("%s changed when written", name)
				}
			}
		})
	}
}

func TestRoundTrip(t *testing.T) {
	out := t.TempDir()
	d := readMini(t)
	if err := dataset.Write(out, d); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{
		"sequential.txt", "negative.txt", "datamaps.json", "explanation.json", "explanation_rationale.json",
	} {
		if unpack(t, mini, name) != unpack(t, out, name) {
			t.Errorf("%s changed when written", name)
		}
	}
	again, err := dataset.Read(os.DirFS(out), "beauty_mini")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(d, again); diff != "" {
		t.Error(diff)
	}
}

func TestRoundTripOfOurFiles(t *testing.T) {
	d := &dataset.Dataset{
		Name: "ours", Items: 4, UserIDs: []string{"Zoë \"z\"", "b\u2028\x7f"},
		ItemIDs: []string{"i1", "i2", "i<3>", "💄"},
		Titles:  []string{"a\ttab\\", "", "x", "y"}, Indent: 4,
		Users: []dataset.User{
			{ID: 2, Items: []int{1, 2, 4}, Times: []int64{-5, 0, 7}},
			{ID: 1, Items: []int{3, 3, 1}, Times: []int64{1, 1, 1}},
		},
		Explanations: dataset.Splits{
			Train: []dataset.Explanation{{User: 1, Item: 3, Explanation: "good\nsoap", Feature: "soap", Rating: "5.0"}},
			Val:   []dataset.Explanation{}, Test: []dataset.Explanation{},
		},
	}
	out := t.TempDir()
	if err := dataset.Write(out, d); err != nil {
		t.Fatal(err)
	}
	again, err := dataset.Read(os.DirFS(out), "ours")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(d, again); diff != "" {
		t.Error(diff)
	}
	// Python's json.dumps(..., indent=4).
	want := "{\n    \"id2user\": {\n        \"1\": \"Zo\\u00eb \\\"z\\\"\",\n        \"2\": \"b\\u2028\\u007f\"\n" +
		"    },\n    \"id2item\": {\n" +
		"        \"1\": \"i1\",\n        \"2\": \"i2\",\n        \"3\": \"i<3>\",\n" +
		"        \"4\": \"\\ud83d\\udc84\"\n    }\n}"
	if diff := cmp.Diff(want, unpack(t, out, "datamaps.json")); diff != "" {
		t.Error(diff)
	}
}

// folder returns a small valid folder with some files replaced.
func folder(replace map[string]string) fstest.MapFS {
	files := map[string]string{
		"sequential.txt": "1 1 2 3\n2 2 3 4\n",
		"datamaps.json": "{\"id2user\": {\"1\": \"a\", \"2\": \"b\"},\n" +
			"\"id2item\": {\"1\": \"w\", \"2\": \"x\",\n\"3\": \"y\", \"4\": \"z\"}}",
		"explanation.json": "{\"train\": [" +
			"{\"user\": 1, \"item\": 1, \"explanation\": \"good\", \"feature\": \"f\"}],\n" +
			"\"val\": [],\n\"test\": []}",
	}
	fsys := fstest.MapFS{}
	for name, text := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	for name, text := range replace {
		if text == "-" {
			delete(fsys, name)
			continue
		}
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return fsys
}

func TestReadDiagnostics(t *testing.T) {
	var zipped bytes.Buffer
	zip := gzip.NewWriter(&zipped)
	if _, err := zip.Write([]byte(strings.Repeat("1 2 3\n", 1000))); err != nil {
		t.Fatal(err)
	}
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	complete := zipped.String()
	for _, test := range []struct {
		name  string
		files map[string]string
		want  []string
	}{
		{"good", nil, nil},
		{"no sequences", map[string]string{"sequential.txt": "-"}, []string{"sequential.txt: file is missing"}},
		{"empty", map[string]string{"sequential.txt": ""}, []string{"sequential.txt: file is empty"}},
		{"not numbers", map[string]string{"sequential.txt": "1 1 x 3\n2 2 3 4\n"}, []string{
			`sequential.txt:1: "x" is not a number`, "without a sequence: [1]",
		}},
		{"no items", map[string]string{"sequential.txt": "1\n2 2 3 4\n"}, []string{
			`sequential.txt:1: want "user number`,
		}},
		{"item out of range", map[string]string{"sequential.txt": "1 1 2 5\n2 0 3 4\n"}, []string{
			"sequential.txt:1: item 5 of user 1", "sequential.txt:2: item 0 of user 2",
		}},
		{"user out of range", map[string]string{"sequential.txt": "1 1 2\n2 3 4\n3 1 2\n"}, []string{
			"sequential.txt:3: user 3 is not in datamaps.json (1 to 2)",
		}},
		{"user twice", map[string]string{"sequential.txt": "1 1 2\n2 3 4\n1 1 2\n"}, []string{
			"sequential.txt:3: user 1 already appears on line 1",
		}},
		{"user without sequence", map[string]string{"sequential.txt": "2 3 4\n", "explanation.json": "-"}, []string{
			"users of datamaps.json without a sequence: [1]",
		}},
		{"negatives", map[string]string{"negative.txt": "1 4 1\n3 1\n"}, []string{
			"negative.txt:1: item 1 of user 1 already appears in sequential.txt", "negative.txt:2: user 3",
			"without a line: [2]",
		}},
		{"negative twice", map[string]string{"negative.txt": "1 4 4\n2 1\n"}, []string{
			"negative.txt:1: item 4 of user 1 already appears on this line",
		}},
		{"times", map[string]string{"times.txt": "1 5 6\n2 9 8 10\n"}, []string{
			"times.txt:1: user 1 has 2 times for 3 items", "times.txt:2: time 8 of user 2 is before 9",
		}},
		{"gap in ids", map[string]string{
			"datamaps.json": `{"id2user": {"1": "a", "3": "b"}, "id2item": {"1": "w"}}`,
		}, []string{"id2user has 2 entries, but none for: [2]"}},
		{"id twice", map[string]string{
			"datamaps.json": "{\"id2user\": {\"1\": \"a\",\n\"1\": \"b\"}, \"id2item\": {\"1\": \"w\"}}",
		}, []string{`datamaps.json:2: key "1" already appears on line 1`}},
		{"name twice", map[string]string{
			"datamaps.json": "{\"id2user\": {\"1\": \"a\",\n\"2\": \"a\"}, \"id2item\": {\"1\": \"w\"}}",
		}, []string{`datamaps.json:2: id2user: "a" has two ids, 1 and 2`}},
		{"maps disagree", map[string]string{
			"datamaps.json": `{"id2user":{"1":"a","2":"b"},"user2id":{"a":"2","b":1},` +
				`"id2item":{"1":"w","2":"x","3":"y","4":"z"}}`,
		}, []string{`id2user has "a" for 1, user2id has "b"`}},
		{"odd name", map[string]string{
			"datamaps.json": "{\"id2user\": {\"1\": [],\n\"2\": null}, \"id2item\": {\"1\": \"w\"}}",
		}, []string{"datamaps.json:1: ", "neither a string nor a number"}},
		{"half JSON", map[string]string{"datamaps.json": "{\"id2user\": {\"1\": \"a\",\n\"2\": \"b"}, []string{
			"datamaps.json:2: JSON is truncated",
		}},
		{"bad JSON", map[string]string{"explanation.json": "{\"train\": [\n{\"user\" 1}]}"}, []string{
			"explanation.json:2: not JSON",
		}},
		{"not an object", map[string]string{"explanation.json": "[]"}, []string{
			`explanation.json:1: want "{", got "["`,
		}},
		{"missing split", map[string]string{"explanation.json": `{"train": [], "val": []}`}, []string{
			"explanation.json: want \"train\", \"val\" and \"test\", found 2",
		}},
		{"missing field", map[string]string{
			"explanation.json": "{\"train\": [\n{\"user\": 1, \"explanation\": \"x\"}\n], \"val\": [], \"test\": []}",
		}, []string{`explanation.json:2: field "item" is missing`}},
		{"odd field", map[string]string{
			"explanation.json": "{\"train\": [\n{\"user\": \"1\", \"item\": 1, \"explanation\": \"x\"},\n" +
				"7], \"val\": [], \"test\": []}",
		}, []string{
			`explanation.json:2: train[0] field "user" is a JSON string, want a number`,
			`explanation.json:3: train[1] is a JSON number, want an object`,
		}},
		{"unknown pair", map[string]string{
			"explanation.json": "{\"train\": [\n{\"user\": 3, \"item\": 9, \"explanation\": \"x\"}], " +
				"\"val\": [], \"test\": []}",
		}, []string{"explanation.json:2: user 3", "explanation.json:2: item 9"}},
		{"explanation twice", map[string]string{
			"explanation.json": "{\"train\": [{\"user\": 1, \"item\": 1, \"explanation\": \"x\"},\n" +
				"{\"user\": 1, \"item\": 1, \"explanation\": \"x\"}], \"val\": [], \"test\": []}",
		}, []string{"explanation.json:2: the explanation of user 1 and item 1 already appears on line 1"}},
		{"unknown title", map[string]string{"titles.json": "{\"w\": \"soap\",\n\"q\": \"brush\"}"}, []string{
			`titles.json:2: item "q" is not in datamaps.json`,
		}},
		{
			"truncated gzip",
			map[string]string{"sequential.txt": "-", "sequential.txt.gz": complete[:len(complete)-9]},
			[]string{"sequential.txt.gz:", "truncated or damaged: unexpected EOF after", "unpacked bytes of a"},
		},
		{"no gzip", map[string]string{"negative.txt.gz": "1 2 3\n"}, []string{"negative.txt.gz: not a gzip file"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := dataset.Read(folder(test.files), "tiny")
			if len(test.want) == 0 {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if err == nil {
				t.Fatal("no error")
			}
			var diagnostic dataset.Diagnostic
			if !errors.As(err, &diagnostic) {
				t.Errorf("%v contains no Diagnostic", err)
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("want %q in:\n%v", want, err)
				}
			}
		})
	}
}

func TestDiagnosticsAreCappedAndCounted(t *testing.T) {
	_, err := dataset.Read(folder(map[string]string{"sequential.txt": strings.Repeat("1 y\n", 50)}), "tiny")
	if err == nil || !strings.HasSuffix(err.Error(), "and 31 more problems") || strings.Count(err.Error(), "\n") != 20 {
		t.Errorf("got %v", err)
	}
}

func TestReverseMapsAlone(t *testing.T) {
	d, err := dataset.Read(folder(map[string]string{
		"datamaps.json": `{"user2id": {"a": "1", "b": 2}, "item2id": {"w": 1, "x": 2, "y": 3, "z": 4}, "more": [1]}`,
	}), "tiny")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"w", "x", "y", "z"}, d.ItemIDs); diff != "" {
		t.Error(diff)
	}
}

func TestFillNegatives(t *testing.T) {
	d := readMini(t)
	had := d.Negatives[1]
	d.Negatives = map[int][]int{1: had}
	if err := d.FillNegatives(99, 7); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(had, d.Negatives[1]); diff != "" {
		t.Errorf("existing negatives were not kept: %s", diff)
	}
	again := readMini(t)
	again.Negatives = nil
	if err := again.FillNegatives(99, 7); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(d.Negatives[300], again.Negatives[300]); diff != "" {
		t.Error(diff)
	}
	out := t.TempDir()
	if err := dataset.Write(out, again); err != nil {
		t.Fatal(err)
	}
	saved, err := dataset.Read(os.DirFS(out), "beauty_mini") // rejects seen and repeated items
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(again.Negatives, saved.Negatives); diff != "" {
		t.Error(diff)
	}
}

func TestFillNegativesTooFewItems(t *testing.T) {
	d, err := dataset.Read(folder(nil), "tiny")
	if err != nil {
		t.Fatal(err)
	}
	err = d.FillNegatives(2, 1)
	if err == nil ||
		!strings.Contains(err.Error(), "user 1 has seen 3 of 4 items, so only 1 remain, fewer than the 2") {
		t.Errorf("got %v", err)
	}
}

func TestLeaveOneOut(t *testing.T) {
	u := dataset.User{Items: []int{5, 6, 7, 8}}
	if diff := cmp.Diff([]int{5, 6}, u.TrainItems()); diff != "" || u.ValidationItem() != 7 || u.TestItem() != 8 {
		t.Errorf("train %v, valid %d, test %d", u.TrainItems(), u.ValidationItem(), u.TestItem())
	}
	if diff := cmp.Diff([]int{5, 6, 7}, u.History()); diff != "" {
		t.Errorf("history (-want +got):\n%s", diff)
	}
	short := dataset.User{Items: []int{5}}
	if len(dataset.User{}.History()) != 0 || len(short.History()) != 0 || len(short.TrainItems()) != 0 ||
		short.ValidationItem() != 0 || short.TestItem() != 0 {
		t.Errorf("a short sequence is split: %v", short)
	}
}
