package activities_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/activities"
	"rdrec/internal/spec"
	"rdrec/registry"
	"rdrec/storage"
)

// pickyStudents accept no folder but those with weights.
type pickyStudents struct{ activities.Students }

func (pickyStudents) CheckPretrained(dir string) error {
	if _, err := os.Stat(filepath.Join(dir, "model.safetensors")); err != nil {
		return fmt.Errorf("%w: no weights", activities.ErrInvalid)
	}
	return nil
}

// TestAnUnusablePretrainedFolderIsRefused identifies the inputs of students whose folder has no
// weights, or no tokenizer of a T5.
func TestAnUnusablePretrainedFolderIsRefused(t *testing.T) {
	t.Parallel()
	for name, files := range map[string]map[string]string{
		"no weights":         {"config.json": "{}"},
		"unusable tokenizer": {"model.safetensors": "1", "spiece.model": "x"},
	} {
		dir := t.TempDir()
		for file, text := range files {
			if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		s := newInboxEnv(t)
		s.Students = pickyStudents{}
		_, err := run[activities.IdentifyResult](s, s.Identify, activities.IdentifyInput{
			Data: spec.Data{Reviews: &spec.Reviews{Path: dir}}, Student: spec.Student{Pretrained: dir},
		})
		if err == nil || !strings.Contains(err.Error(), name) ||
			!strings.Contains(err.Error(), activities.TypeInvalidConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestCompareInputs compares the files of a spec with those that a finished run read.
func TestCompareInputs(t *testing.T) {
	t.Parallel()
	s := newInboxEnv(t)
	s.Students = pickyStudents{}
	write := func(name, text string) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	reviews, other := write("reviews.csv", "user,item\na,x\n"), write("reviews.csv", "user,item\na,y\n")
	weights := filepath.Dir(write("model.safetensors", "1"))
	versions := map[string]int{"import": 1, "pretrain": 2}
	input := func(path, pretrained string) activities.IdentifyInput {
		return activities.IdentifyInput{
			Data: spec.Data{Reviews: &spec.Reviews{Path: path}}, Student: spec.Student{Pretrained: pretrained},
		}
	}
	identity, err := run[registry.Identity](s, s.Identify, input(reviews, weights))
	if err != nil {
		t.Fatal(err)
	}
	putRun := func(name string, record registry.RunRecord) {
		text, err := json.Marshal(record)
		if err == nil {
			err = s.Bucket.PutRun(t.Context(), "shop-1", name, storage.RunRecord, text)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	putRun("new", registry.RunRecord{Identity: identity, StageVersions: versions})
	putRun("old", registry.RunRecord{Identity: identity})
	putRun("teacher", registry.RunRecord{Identity: registry.Identity{
		Data: identity.Data, Teacher: "t", Student: identity.Student,
	}})
	report := s.putArtifact("report.json", "{}")
	changes := func(all ...registry.Change) []registry.Change { return all }
	for name, c := range map[string]struct {
		in       activities.IdentifyInput
		run      string
		versions map[string]int
		report   storage.Ref
		want     []registry.Change
	}{
		"nothing":      {input(reviews, weights), "new", versions, report, nil},
		"another path": {input(write("reviews.csv", "user,item\na,x\n"), weights), "new", versions, report, nil},
		"the data":     {input(other, weights), "new", versions, report, changes(registry.DataChanged)},
		"the teacher": {
			input(reviews, weights), "teacher", versions, report,
			changes(registry.TeacherChanged),
		},
		"no student": {input(reviews, ""), "new", versions, report, changes(registry.StudentChanged)},
		"the code": {
			input(reviews, weights), "new",
			map[string]int{"import": 2},
			report,
			changes(registry.CodeChanged),
		},
		"an old record": {input(reviews, weights), "old", versions, report, nil},
		"data and code": {
			input(other, weights), "new", nil, report,
			changes(registry.DataChanged, registry.CodeChanged),
		},
		"no record": {
			input(reviews, weights), "gone", versions, report,
			changes(registry.ResultsMissing),
		},
		"no report left": {
			input(reviews, weights), "new", versions,
			storage.Ref{Digest: identity.Data},
			changes(registry.ResultsMissing),
		},
	} {
		in := activities.CompareInputsInput{
			IdentifyInput: c.in, Workflow: "shop-1", Run: c.run, Report: c.report, StageVersions: c.versions,
		}
		got, err := run[activities.CompareInputsResult](s, s.CompareInputs, in)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(c.want, got.Changes); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if _, err := run[activities.CompareInputsResult](s, s.CompareInputs, activities.CompareInputsInput{
		IdentifyInput: input(filepath.Join(t.TempDir(), "none.csv"), ""), Workflow: "shop-1", Run: "new",
	}); err == nil {
		t.Error("missing data are no error")
	}
}
