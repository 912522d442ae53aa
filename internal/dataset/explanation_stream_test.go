package dataset_test

import (
	"iter"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/dataset"
)

// streamed returns the explanations of a split and its error.
func streamed(split iter.Seq2[dataset.Explanation, error]) (list []dataset.Explanation, err error) {
	list = []dataset.Explanation{}
	for e, err := range split {
		if err != nil {
			return list, err
		}
		list = append(list, e)
	}
	return list, nil
}

// TestStreamedExplanationsAreThoseOfRead in any order of splits in the file, and of reading them.
func TestStreamedExplanationsAreThoseOfRead(t *testing.T) {
	const record = `{"user": 1, "item": %, "explanation": "it has a scent", "feature": "scent", "rating": 5}`
	of := func(item string) string { return strings.ReplaceAll(record, "%", item) }
	for name, text := range map[string]string{
		"in order":     `{"train": [` + of("1") + ",\n" + of("2") + `], "val": [` + of("3") + `], "test": []}`,
		"in reverse":   `{"test": [` + of("1") + `], "val": [], "train": [` + of("2") + "," + of("3") + `]}`,
		"between more": `{"more": {"train": [1]}, "val": [` + of("2") + `], "most": [[1], 2], "test": [], "train": []}`,
	} {
		fsys := folder(map[string]string{"explanation.json": text})
		want, err := dataset.Read(fsys, "tiny")
		if err != nil {
			t.Fatal(err)
		}
		stream := dataset.StreamExplanations(fsys)
		for _, one := range []struct {
			split iter.Seq2[dataset.Explanation, error]
			want  []dataset.Explanation
		}{
			{stream.Train(), want.Explanations.Train},
			{stream.Val(), want.Explanations.Val},
			{stream.Test(), want.Explanations.Test},
			{stream.Val(), want.Explanations.Val},
			{stream.Train(), want.Explanations.Train},
		} {
			got, err := streamed(one.split)
			if diff := cmp.Diff(one.want, got); diff != "" || err != nil {
				t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
			}
		}
		for _, err := range stream.Train() { // stops after the first
			if err != nil {
				t.Error(err)
			}
			break
		}
		if got, err := streamed(stream.Train()); err != nil || len(got) != len(want.Explanations.Train) {
			t.Errorf("%s: after a stop %d, %v", name, len(got), err)
		}
		stream.Close()
	}
}

// TestStreamedFileWithRationales is the one that Read reads; a folder without any has no stream.
func TestStreamedFileWithRationales(t *testing.T) {
	fsys := folder(map[string]string{"explanation_rationale.json": `{"train": [{"user": 1, "item": 1,
		"explanation": "x", "user_preference": "p", "item_attribution": "a"}], "val": [], "test": []}`})
	stream := dataset.StreamExplanations(fsys)
	defer stream.Close()
	got, err := streamed(stream.Train())
	want := []dataset.Explanation{{User: 1, Item: 1, Explanation: "x", Preference: "p", Attribution: "a"}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	none := dataset.StreamExplanations(folder(map[string]string{"explanation.json": "-"}))
	if none != nil {
		t.Error("a folder without explanations has some")
	}
	none.Close()
}

// TestStreamedDamageIsReported at its line; the records before it were passed on.
func TestStreamedDamageIsReported(t *testing.T) {
	const first = `{"user": 1, "item": 1, "explanation": "x"}`
	for want, text := range map[string]string{
		"explanation.json:2: JSON is truncated after": `{"train": [` + first + ",\n{",
		"explanation.json:2: not JSON":                `{"train": [` + first + ",\n}]}",
		"a record has no user":                        `{"train": [` + first + `, {}]}`,
		"want \"[\"":                                  `{"train": {}}`,
		"a split of the explanations is missing":      `{"val": []}`,
		"is a JSON string, want a number":             `{"train": [{"user": "1"}]}`,
	} {
		fsys := folder(nil)
		fsys["explanation.json"] = &fstest.MapFile{Data: []byte(text)}
		stream := dataset.StreamExplanations(fsys)
		got, err := streamed(stream.Train())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %d and %v, want %q", len(got), err, want)
		}
		stream.Close()
	}
}
