package review_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/review"
	"rdrec/internal/spec"
)

func TestBadRowsAreQuarantined(t *testing.T) {
	long := `{"reviewerID": "a", "asin": "w", "unixReviewTime": 4, "reviewText": "` +
		strings.Repeat("große 💄 Tube. ", 200_000) + `"}`
	lines := []string{
		jsonLines([]string{"a x 1"}), jsonLines([]string{"a y 2"}), jsonLines([]string{"a z 3"}), long + "\n", "\n",
		`{"reviewerID": "a", "asin": "x", "unixRev` + "\n",
		`{"asin": "x", "unixReviewTime": 1}` + "\n",
		`{"reviewerID": " ", "asin": "x", "unixReviewTime": 1}` + "\n",
		`{"reviewerID": "a", "asin": ["x"], "unixReviewTime": 1}` + "\n",
		`{"reviewerID": "a", "asin": "x"}` + "\n",
		`{"reviewerID": "a", "asin": "x", "unixReviewTime": "soon"}` + "\n",
		`{"reviewerID": "a", "asin": "x", "unixReviewTime": 1, "overall": "five"}` + "\n",
		`[1]` + "\n", `7` + "\n", "{\"reviewerID\": \"\xff\", \"asin\": \"x\", \"unixReviewTime\": 1}\n",
		`{"reviewerID": "a", "asin": "x", "unixReviewTime": 1e300}`,
	}
	opts := options(writeFile(t, "odd.json", strings.Join(lines, "")))
	opts.MaxBad = 0.8
	dir, sum := importInto(t, opts)
	if sum.Rows != 15 || sum.Bad != 11 || sum.Interactions != 4 {
		t.Errorf("%+v", sum)
	}
	file, err := os.ReadFile(filepath.Join(dir, "quarantine.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for decoder := json.NewDecoder(bytes.NewReader(file)); ; {
		var bad review.Bad
		err := decoder.Decode(&bad)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if bad.Text == "" {
			t.Errorf("%+v has no text", bad)
		}
		got = append(got, fmt.Sprintf("%s:%d: %s", bad.File, bad.Line, bad.Reason))
	}
	want := []string{
		"odd.json:6: not JSON: unexpected end of JSON input",
		"odd.json:7: user is missing", "odd.json:8: user is missing",
		`odd.json:9: "asin" is a list or an object`, "odd.json:10: time is missing",
		`odd.json:11: time of 4 characters is not a time`, `odd.json:12: rating of 4 characters is not a number`,
		"odd.json:13: row is not an object", "odd.json:14: row is not an object",
		`odd.json:15: "reviewerID" is not UTF-8`, `odd.json:16: time "1e300" is not a time`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}

	opts.MaxBad = 0.1
	out := t.TempDir()
	_, err = review.Import(context.Background(), opts, 1, out)
	var many *review.TooManyBadError
	if !errors.As(err, &many) || !errors.Is(err, review.ErrData) || many.Bad != 11 || many.Rows != 15 ||
		!strings.Contains(err.Error(), "odd.json:6: not JSON") {
		t.Errorf("got %v", err)
	}
	if left := digests(t, out); len(left) != 1 || left["quarantine.jsonl"] == "" {
		t.Errorf("files are %v", left)
	}
}

func TestBadRowsOfTables(t *testing.T) {
	text := "user,item,time,text\na,x,1,good\na,y,2\na,\"z\"q,3,b\na,z,3,\"two\nlines, \"\"quoted\"\"\"\n" +
		",x,4,b\na,w,2020-02-30,b\na,v,2020-02-28,b\n"
	opts := options(writeFile(t, "t.csv", text))
	opts.MaxBad = 0.9
	dir, sum := importInto(t, opts)
	data, err := os.ReadFile(filepath.Join(dir, "quarantine.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"line":3,"reason":"not CSV: wrong number of fields"`, `"line":4,"reason":"not CSV: extraneous`,
		`"line":7,"reason":"user is missing"`, `"line":8,"reason":"time \"2020-02-30\" is not a time"`,
	} {
		if !strings.Contains(string(data), want) {
			t.Errorf("want %s in\n%s", want, data)
		}
	}
	if sum.Rows != 7 || sum.Bad != 4 || sum.Interactions != 3 {
		t.Errorf("%+v", sum)
	}
}

func TestUnusableFiles(t *testing.T) {
	packed, err := os.ReadFile(beauty)
	if err != nil {
		t.Fatal(err)
	}
	short := writeFile(t, "short.json.gz", "")
	if err := os.WriteFile(short, packed[:len(packed)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	broken := writeFile(t, "broken.parquet", "PAR1 but nothing else")
	table := func(header string) string { return writeFile(t, "t.csv", header+"\na,b,1\n") }
	openQuote := writeFile(t, "q.csv", "user,item,time,text\na,b,1,\"x\nhello, you\nand you\n")
	truncated := fmt.Sprintf("gzip stream is truncated (read %d of %d bytes, unpacked ", len(packed)/2, len(packed)/2)
	for _, test := range []struct {
		name, path string
		columns    map[string]string
		format     string
		want       string
	}{
		{"truncated", short, nil, "auto", truncated},
		{"empty", writeFile(t, "empty.json", ""), nil, "auto", "empty.json:0: file is empty"},
		{"empty once unpacked", writeFile(t, "e.json.gz", ""), nil, "auto", "file is empty once unpacked"},
		{"blank", writeFile(t, "blank.json", "\n\n"), nil, "amazon-2014", "no rows"},
		{"no such", filepath.Join(t.TempDir(), "no.json"), nil, "auto", "no file matches"},
		{
			"no column", table("who,item,time"), nil, "auto",
			"t.csv:1: data cannot be used: no column for user among who, item, time " +
				"(--set data.reviews.columns='{user: NAME}' names them)",
		},
		{
			"wrong map", table("user,item,time"),
			map[string]string{"time": "when"},
			"auto",
			"no column for time (looked for when) among user, item, time",
		},
		{"parquet", broken, nil, "auto", "not a complete Parquet file"},
		{"not parquet", table("user,item,time"), nil, "parquet", "format is parquet, but the file is csv"},
		{"open quote", openQuote, nil, "auto", "q.csv:2: a quote opened here is never closed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			opts := options(test.path)
			opts.Columns, opts.Format, opts.MaxBad = test.columns, test.format, 1
			dir := t.TempDir()
			_, err := review.Import(context.Background(), opts, 1, dir)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("want %q, got %v", test.want, err)
			}
			if test.name != "no such" && !errors.Is(err, review.ErrData) {
				t.Errorf("%v is not ErrData", err)
			}
			if left := digests(t, dir); len(left) != 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func TestInvalidSettings(t *testing.T) {
	for want, change := range map[string]func(*spec.Reviews){
		"user_core is 2, want at least 3": func(o *spec.Reviews) { o.UserCore = 2 },
		"item_core is 0":                  func(o *spec.Reviews) { o.ItemCore = 0 },
		`extractor "magic"`:               func(o *spec.Reviews) { o.Extractor = "magic" },
		`columns: "color" is not one of`:  func(o *spec.Reviews) { o.Columns = map[string]string{"color": "c"} },
		`format "xml" is not one of`:      func(o *spec.Reviews) { o.Format = "xml" },
		"is after to":                     func(o *spec.Reviews) { o.From, o.To = "2020-01-02", "2020-01-01" },
	} {
		opts := options(beauty)
		change(&opts)
		_, err := review.Import(context.Background(), opts, 1, t.TempDir())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

func TestCanceledImportRemovesItsFiles(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	dir := t.TempDir()
	importer := review.Importer{Options: options(beauty), Seed: 1, Dir: dir, Progress: func(p review.Progress) {
		if p.Step == "explain" {
			cancel()
		}
	}}
	if _, err := importer.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if left := digests(t, dir); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}
