package registry_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/registry"
	"rdrec/storage"
	"rdrec/storage/storagetest"
)

// TestCompareRunsNamesWhatDiffers compares two runs that share all but the dataset, and one with
// nothing.
func TestCompareRunsNamesWhatDiffers(t *testing.T) {
	first, second, objects := twoRuns(t)
	b, _ := storagetest.Open(t, objects, 0)
	rows, err := registry.CompareRuns(t.Context(), b, first, second)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, row := range rows {
		got = append(got, fmt.Sprintln(row.Name, row.Equal, row.First == row.Second, row.Files))
	}
	want := []string{
		"dataset false false [file]\n", "preprocessed true true []\n", "model rdrec/1 true true []\n",
		"evaluation 1 rdrec/1 true true []\n",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	rows, err = registry.CompareRuns(t.Context(), b, registry.RunRecord{Dataset: first.Dataset}, registry.RunRecord{})
	if err != nil || len(rows) != 1 || rows[0].Equal || rows[0].First == "" || rows[0].Second != "" {
		t.Errorf("a dataset against none: %+v, %v", rows, err)
	}
	gone := registry.RunRecord{Dataset: storage.Ref{Digest: strings.Repeat("0", 64), Size: 1}}
	for _, pair := range [][2]registry.RunRecord{{gone, first}, {first, gone}} {
		_, err := registry.CompareRuns(t.Context(), b, pair[0], pair[1])
		if !errors.Is(err, storage.ErrNotFound) || !strings.HasPrefix(err.Error(), "compare dataset: ") {
			t.Errorf("a dataset that is gone: %v", err)
		}
	}
}

// TestCompareRunsDistinguishesAblations compares two runs of a student and its ablation, which have
// the method and the seed in common: only the ablation's weights and answers differ.
func TestCompareRunsDistinguishesAblations(t *testing.T) {
	b, _ := storagetest.OpenFolder(t)
	run := func(flipped string) registry.RunRecord {
		trial := func(variant, text string) registry.TrialResult {
			return registry.TrialResult{
				Method: "pod", Variant: variant, Seed: 2,
				Model:       storagetest.PutArtifact(t, b, map[string]string{"model.safetensors": text}),
				Evaluations: []storage.Ref{storagetest.PutArtifact(t, b, map[string]string{"sequential.jsonl": text})},
			}
		}
		record := registry.RunRecord{
			Trials: []registry.TrialResult{trial("", "as it is"), trial("skip_pads off", flipped)},
		}
		record.Entailment = storagetest.PutArtifact(t, b, map[string]string{"entailment.json": flipped})
		record.Trials[0].Fusion = storagetest.PutArtifact(t, b, map[string]string{"fusion.json": flipped})
		return record
	}
	first, second := run("flipped"), run("flipped otherwise")
	first.Identity = registry.Identity{Data: "d", Teacher: "t"}
	second.Identity = registry.Identity{Data: "d", Teacher: "other"}
	rows, err := registry.CompareRuns(t.Context(), b, first, second)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, row := range rows {
		got = append(got, fmt.Sprintf("%s: %t %v", row.Name, row.Equal, row.Files))
	}
	want := []string{
		"input: data: true []",
		"input: teacher: false []",
		"model pod/2: true []",
		"evaluation 1 pod/2: true []",
		"fusion pod/2: false [fusion.json]",
		"model pod, skip_pads off/2: false [model.safetensors]",
		"evaluation 1 pod, skip_pads off/2: false [sequential.jsonl]",
		"entailment: false [entailment.json]",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("compared (-want +got):\n%s", diff)
	}
}

// TestADifferenceNamesItsFilesInOrder compares artifacts of many files.
func TestADifferenceNamesItsFilesInOrder(t *testing.T) {
	b, _ := storagetest.OpenFolder(t)
	first, second, want := map[string]string{
		"same":              "x",
		"distillation.json": "1",
	}, map[string]string{
		"same":              "x",
		"distillation.json": "2",
	}, []string{}
	for i := range 9 {
		name := fmt.Sprint("f", i)
		switch want = append(want, name); i % 3 {
		case 0:
			first[name] = "1"
		case 1:
			second[name] = "2"
		default:
			first[name], second[name] = "1", "2"
		}
	}
	rows, err := registry.CompareRuns(t.Context(), b,
		registry.RunRecord{Rationales: storagetest.PutArtifact(t, b, first)}, registry.RunRecord{
			Rationales: storagetest.PutArtifact(t, b, second),
		})
	if err != nil || len(rows) != 1 || rows[0].Equal || rows[0].Name != "rationales" {
		t.Fatalf("%+v, %v", rows, err)
	}
	if diff := cmp.Diff(want, rows[0].Files); diff != "" {
		t.Error(diff)
	}
	equal, timed := map[string]string{}, map[string]string{"distillation.json": "3"}
	for i := range 20 {
		equal[fmt.Sprint("f", i)], timed[fmt.Sprint("f", i)] = "x", "x"
	}
	rows, err = registry.CompareRuns(
		t.Context(),
		b,
		registry.RunRecord{
			Rationales: storagetest.PutArtifact(t, b, equal),
		},
		registry.RunRecord{Rationales: storagetest.PutArtifact(t, b, timed)},
	)
	if err != nil || len(rows) != 1 || !rows[0].Equal || len(rows[0].Files) > 0 {
		t.Errorf("only times differ: %+v, %v", rows, err)
	}
}
