package review_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"rdrec/internal/review"
)

// FuzzJSON compares a line's values with those that the standard library reads.
func FuzzJSON(f *testing.F) {
	for _, seed := range []string{
		`{"reviewerID": "a", "asin": "x", "unixReviewTime": 1, "overall": 5.0, "reviewText": "\ud83d\udc84 \u00e9\n"}`,
		`{"reviewerID": "a", "reviewerID": null}`, `{'asin': u'x'}`, `[]`,
		`{"asin": "\ud800"}`, `{"asin": `, "{\"asin\": \"\xff\"}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		line = []byte(strings.TrimSpace(string(line)))
		if len(line) == 0 {
			return
		}
		got, reason := review.ParseJSON(line)
		var want map[string]any
		if err := json.Unmarshal(line, &want); err != nil || reason != "" {
			return
		}
		keys := map[string]string{
			"user": "reviewerID", "item": "asin", "rating": "overall", "text": "reviewText", "summary": "summary",
		}
		for ours, theirs := range keys {
			text, ok := want[theirs].(string)
			decodable := strings.Count(string(line), theirs) == 1 && !strings.Contains(string(line), `\u`)
			if ok && decodable && got[ours] != text {
				t.Errorf("%s of %s is %q, want %q", ours, line, got[ours], text)
			}
		}
	})
}

// FuzzPython checks that the result is valid UTF-8 if the input is, and that no input panics.
func FuzzPython(f *testing.F) {
	for _, seed := range []string{
		`{'a': u'\x41"', "b": None}`, `{'a`, `{'\U0001f484': [1, -.5, True]}`, "{'\\", "u''",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, ok := review.FromPython(text)
		if ok && json.Valid(got) && utf8.Valid(text) && !utf8.Valid(got) {
			t.Errorf("%q gives %q", text, got)
		}
	})
}

// FuzzFiles reads any bytes as a file of each format: no panic, and line numbers increase.
func FuzzFiles(f *testing.F) {
	for _, seed := range []string{
		"user,item,time\na,b,1\n\"x\ny\",b,2\n", "user\titem\ttime\na\tb", "{\"asin\": 1}\n\n{",
		"\xef\xbb\xbfuser;item;time\n\"", "\x1f\x8b", "PAR1",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		name := filepath.Join(t.TempDir(), "data")
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, format := range []string{"csv", "amazon-2014", "amazon-2023"} {
			rows, err := review.ReadFile(name, format)
			if err != nil && !errors.Is(err, review.ErrData) {
				t.Errorf("%v is not ErrData", err)
			}
			for i, row := range rows {
				if i > 0 && row.Line <= rows[i-1].Line {
					t.Errorf("line %d comes after line %d", row.Line, rows[i-1].Line)
				}
			}
		}
	})
}

// FuzzExtract checks that an explanation is one line, short, and contains its feature.
func FuzzExtract(f *testing.F) {
	f.Add("The scent is lovely.<br/>My hair &amp; skin?", "Great scent")
	f.Add("[[VIDEOID:1]]\xff scent\u2028 nice…", "&#x1F484; scent good")
	lexicon := review.Lexicon{"scent": 9, "hair": 5, "price": 3}
	var extractors []review.Extractor
	for _, name := range review.MethodNames() {
		x, err := review.NewExtractor(name, "", lexicon)
		if err != nil {
			f.Fatal(err)
		}
		extractors = append(extractors, x)
	}
	f.Fuzz(func(t *testing.T, text, summary string) {
		for _, x := range extractors {
			explanation, feature, ok := x.Extract(text, summary)
			if !ok {
				continue
			}
			if explanation == "" || len(explanation) > 240 ||
				strings.ContainsAny(explanation, "\n\t") || strings.Contains(feature, "\t") {
				t.Errorf("%q, %q gives %q, %q", text, summary, explanation, feature)
			}
			if !strings.Contains(strings.ToLower(explanation), feature) {
				t.Errorf("%q does not contain %q", explanation, feature)
			}
		}
		if title := review.Title(text); strings.Contains(title, "\n") {
			t.Errorf("title %q", title)
		}
	})
}
