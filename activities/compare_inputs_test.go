package activities_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/activities"
	"rdrec/internal/spec"
	"rdrec/registry"
	"rdrec/storage"
)

// TestCompareInputs compares the files of a spec with those that a finished run read.
func TestCompareInputs(t *testing.T) {
	t.Parallel()
	s := newInboxEnv(t)
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
