package dataset_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/dataset"
)

// TestReadReportsAllDiagnosticsAndNoOthers compares the whole text: each problem is reported once,
// hides none of the others, and causes no further ones.
func TestReadReportsAllDiagnosticsAndNoOthers(t *testing.T) {
	maps := func(text string) map[string]string {
		return map[string]string{"datamaps.json": text, "explanation.json": "-"}
	}
	explained := func(text string) map[string]string { return map[string]string{"explanation.json": text} }
	for _, c := range []struct {
		name  string
		files map[string]string
		want  []string
	}{
		{
			"invalid lines",
			map[string]string{"sequential.txt": "1\n\nx 1\n1 2 y\n3 1\n1 1 2 3\r\n2 9 0 1\n2 1\n"},
			[]string{
				`sequential.txt:1: want "user number number ...", got "1"`,
				`sequential.txt:2: want "user number number ...", got ""`,
				`sequential.txt:3: "x" is not a number`, `sequential.txt:4: "y" is not a number`,
				"sequential.txt:5: user 3 is not in datamaps.json (1 to 2)",
				"sequential.txt:7: item 9 of user 2 is not in datamaps.json (1 to 4)",
				"sequential.txt:7: item 0 of user 2 is not in datamaps.json (1 to 4)",
				"sequential.txt:8: user 2 already appears on line 7",
			},
		},
		{
			"times",
			map[string]string{"times.txt": "3 1 2 3\n1 5 4 3\n2 1 2\n"},
			[]string{
				"times.txt:1: user 3 is not in sequential.txt", "times.txt:2: time 4 of user 1 is before 5",
				"times.txt:3: user 2 has 2 times for 3 items", "times.txt: users of sequential.txt without a line: [2]",
			},
		},
		{
			"negatives",
			map[string]string{"negative.txt": "3 1\n1 4 2 9 4\n"},
			[]string{
				"negative.txt:1: user 3 is not in sequential.txt",
				"negative.txt:2: item 9 of user 1 is not in datamaps.json (1 to 4)",
				"negative.txt:2: item 2 of user 1 already appears in sequential.txt",
				"negative.txt:2: item 4 of user 1 already appears on this line",
				"negative.txt: users of sequential.txt without a line: [2]",
			},
		},
		{"empty negatives", map[string]string{"negative.txt": ""}, []string{"negative.txt: file is empty"}},
		{"empty times", map[string]string{"times.txt": ""}, []string{"times.txt: file is empty"}},
		{"empty titles", map[string]string{"titles.json": ""}, []string{"titles.json: file is empty"}},
		{"empty explanations", explained(""), []string{"explanation.json: file is empty"}},
		{"empty maps", maps(""), []string{"datamaps.json: file is empty"}},
		{"no maps", maps("-"), []string{"datamaps.json: file is missing (neither it nor datamaps.json.gz exists)"}},
		{
			"keywords",
			map[string]string{
				"item_keywords.tsv": "1\tw\n9\tw\tsoap\nx\tw\tsoap\n0\tw\tsoap\n2\tz\tsoap\n4\tz\tcomb\n",
			},
			[]string{
				"item_keywords.tsv:1: want item id, the shop's id and words between tabs, got 2 columns",
				"item_keywords.tsv:2: item 9 is not in datamaps.json (1 to 4)",
				`item_keywords.tsv:3: "x" is not a number`,
				"item_keywords.tsv:4: item 0 is not in datamaps.json (1 to 4)",
				`item_keywords.tsv:5: item 2 is "z" here and "x" in datamaps.json`,
			},
		},
		{
			"titles",
			map[string]string{"titles.json": "{\"w\": 7,\n\"q\": \"soap\",\n\"x\": \"comb\"}"},
			[]string{
				`titles.json:1: title of "w" is a JSON number, want a string`,
				`titles.json:2: item "q" is not in datamaps.json`,
			},
		},
		{
			"titles without maps",
			map[string]string{"titles.json": `{"q": "soap"}`, "datamaps.json": "-"},
			[]string{"datamaps.json: file is missing (neither it nor datamaps.json.gz exists)"},
		},
		{
			"explanations",
			explained("{\"train\": [\n{\"user\": 3, \"item\": 9, \"explanation\": \"x\"},\n" +
				"{\"user\": 3, \"item\": 9, \"explanation\": \"x\"},\n" +
				"{\"user\": 1, \"item\": 1},\n{},\n{\"user\": 1, \"item\": 9, \"explanation\": \"x\"},\n" +
				"{\"user\": 1, \"item\": 9, \"explanation\": \"x\"},\n" +
				"{\"user\": 1, \"item\": 1, \"explanation\": \"x\"},\n" +
				"{\"user\": 1, \"item\": 1, \"explanation\": \"x\"},\n" +
				"{\"user\": 3, \"item\": 1, \"explanation\": \"x\"},\n" +
				"{\"user\": 3, \"item\": 1, \"explanation\": \"x\"}],\n\"val\": [], \"test\": []}"),
			[]string{
				"explanation.json:2: user 3 is not in datamaps.json (1 to 2)",
				"explanation.json:2: item 9 is not in datamaps.json (1 to 4)",
				"explanation.json:3: user 3 is not in datamaps.json (1 to 2)",
				"explanation.json:3: item 9 is not in datamaps.json (1 to 4)",
				`explanation.json:4: field "explanation" is missing`, `explanation.json:5: field "user" is missing`,
				`explanation.json:5: field "item" is missing`, `explanation.json:5: field "explanation" is missing`,
				"explanation.json:6: item 9 is not in datamaps.json (1 to 4)",
				"explanation.json:7: item 9 is not in datamaps.json (1 to 4)",
				"explanation.json:9: the explanation of user 1 and item 1 already appears on line 8",
				"explanation.json:10: user 3 is not in datamaps.json (1 to 2)",
				"explanation.json:11: user 3 is not in datamaps.json (1 to 2)",
			},
		},
		{
			"other keys of explanations are ignored",
			explained(`{"more": {"x": [1]}, "train": [], "val": [], "test": [], "most": 1}`), nil,
		},
		{
			"an object instead of an array", explained("{\"train\": {},\n\"val\": [], \"test\": []}"),
			[]string{`explanation.json:1: want "[", got "{"`},
		},
		{
			"JSON truncated in an array", explained("{\"train\": [],\n\"val\": ["),
			[]string{"explanation.json:2: JSON is truncated after 22 bytes"},
		},
		{
			"JSON truncated in a record", explained("{\"train\": [],\n\"val\": [{\"user\": 1"),
			[]string{"explanation.json:2: JSON is truncated after 32 bytes"},
		},
		{
			"JSON truncated before the last bracket", explained("{\"train\": [],\n\"val\": [], \"test\": []"),
			[]string{"explanation.json:2: JSON is truncated after 35 bytes"},
		},
		{
			"an extra comma", explained("{\"train\": [],\n\"val\": [], ,}"),
			[]string{"explanation.json:2: not JSON: invalid character ',' looking for beginning of object key string"},
		},
		{
			"other keys with bad JSON", explained("{\"more\": {1}, \"train\": []}"),
			[]string{"explanation.json:1: not JSON: invalid character '1' looking for beginning of object key string"},
		},
		{
			"a value with an error on a later line",
			explained("{\"train\": [],\n\n\"val\": [{\"user\": 1,\n\"item\": x}], \"test\": []}"),
			[]string{"explanation.json:4: not JSON: invalid character 'x' looking for beginning of value"},
		},
		{
			"an extra comma at the start of a line", explained("{\"train\": [],\n\"val\": []\n,,\"test\": []}"),
			[]string{"explanation.json:3: not JSON: invalid character ',' looking for beginning of object key string"},
		},
		{
			"a key with an invalid escape", explained("{\"train\": [],\n\"val\": [],\n\"te\\qst\": []}"),
			[]string{"explanation.json:3: not JSON: invalid character 'q' in string escape code"},
		},
		{
			"titles with bad JSON",
			map[string]string{"titles.json": "{\"w\": soap}"},
			[]string{"titles.json:1: not JSON: invalid character 's' looking for beginning of value"},
		},
		{
			"names that are no text",
			maps("{\"id2user\": {\"1\": \"a\",\n\"2\": null}, " +
				"\"id2item\": {\"1\": \"w\", \"2\": \"x\",\n\"3\": [], \"4\": \"z\"}}"),
			[]string{
				`datamaps.json:2: "null" is neither a string nor a number`,
				`datamaps.json:3: "[]" is neither a string nor a number`,
				`datamaps.json: id2item has 3 entries, but none for: [3]`,
			},
		},
		{
			"invalid ids",
			maps(`{"id2user": {"1": "a", "2": "b", "x": "c"}, "item2id": {"w": 1, "x": 2, "y": "z", "z": 3}}`),
			[]string{`datamaps.json:1: id2user: "x" is not a number`, `datamaps.json:1: item2id: "z" is not a number`},
		},
		{
			"one id for two names",
			maps(
				"{\"user2id\": {\"a\": 1,\n\"b\": 1, \"c\": 2}, \"item2id\": {\"w\": 1, \"x\": 2, \"y\": 3, \"z\": 4}}",
			),
			[]string{"datamaps.json:2: user2id: id 1 already appears on line 1"},
		},
		{
			"one name twice",
			maps(
				"{\"user2id\": {\"a\": 1,\n\"a\": 1, \"c\": 2}, \"item2id\": {\"w\": 1, \"x\": 2, \"y\": 3, \"z\": 4}}",
			),
			[]string{
				`datamaps.json:2: key "a" already appears on line 1`,
				`datamaps.json:2: user2id: "a" has two ids, 1 and 1`,
			},
		},
		{
			"more names in the reverse map",
			maps(`{"id2user": {"1": "a", "2": "b"}, "user2id": {"a": 1, "b": 2, "c": 3}, ` +
				`"id2item": {"1": "w", "2": "x", "3": "y", "4": "z"}}`),
			[]string{`datamaps.json:1: id2user has "" for 3, user2id has "c"`},
		},
		{
			"fewer names in the reverse map",
			maps(
				`{"id2user": {"1": "a", "2": "b"}, "user2id": {"a": 1}, "id2item": {"1": "w", "2": "x", "3": "y", ` +
					`"4": "z"}}`,
			),
			[]string{`datamaps.json:1: id2user has "b" for 2, user2id has ""`},
		},
		{
			"an array of names", maps(`{"id2user": ["a"], "id2item": {"1": "w"}}`),
			[]string{`datamaps.json:1: want "{", got "["`},
		},
		{
			"other keys with bad JSON in maps", maps("{\"id2user\": {\"1\": \"a\", \"2\": \"b\"},\n\"more\": tru}"),
			[]string{"datamaps.json:2: not JSON: invalid character '}' in literal true (expecting 'e')"},
		},
		{"other keys in maps", map[string]string{
			"datamaps.json": `{"more": [1], "id2user": {"1": "a", "2": "b"}, ` +
				`"id2item": {"1": "w", "2": "x", "3": "y", "4": "z"}, "most": 2}`,
		}, nil},
	} {
		_, err := dataset.Read(folder(c.files), "tiny")
		var got []string
		if err != nil {
			got = strings.Split(strings.TrimPrefix(err.Error(), `read dataset "tiny": `), "\n")
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: diagnostics (-want +got):\n%s", c.name, diff)
		}
	}
}
