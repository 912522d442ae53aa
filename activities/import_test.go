package activities_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/testsuite"

	"rdrec/activities"
	"rdrec/internal/room"
	"rdrec/internal/spec"
	"rdrec/internal/teacher"
)

// missingTeacher is a worker's teachers where the one asked for is not installed.
type missingTeacher struct{}

var errMissingTeacher = errors.New("there is no such teacher")

func (missingTeacher) Digest(context.Context, spec.Teacher) (string, error) {
	return "", errMissingTeacher
}

func (missingTeacher) Size(spec.Teacher) (room.Teacher, error) {
	return room.Teacher{}, errMissingTeacher
}

func (missingTeacher) Open(context.Context, spec.Teacher) (teacher.Engine, func(), error) {
	return nil, nil, errMissingTeacher
}

// A folder with a rationale for each explanation needs no teacher, so its weights need not be here;
// without one of them it does.
func TestIdentifyNeedsTeacherOnlyWhenUsed(t *testing.T) {
	folder := filepath.Join("..", "testdata", "rdrec", "beauty_mini")
	bare := t.TempDir()
	for _, name := range []string{"sequential.txt.gz", "datamaps.json.gz", "explanation.json.gz"} {
		data, err := os.ReadFile(filepath.Join(folder, name)) //nolint:gosec // testdata
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(bare, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name, folder string
		distils      bool
		want         string
	}{
		{"rationales are there", folder, true, ""},
		{"rationales are missing", bare, true, errMissingTeacher.Error()},
		{"the methods learn none", bare, false, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var suite testsuite.WorkflowTestSuite
			env := suite.NewTestActivityEnvironment()
			acts := &activities.Activities{Teachers: missingTeacher{}, Now: time.Now}
			env.RegisterActivity(acts)
			in := activities.IdentifyInput{
				Data: spec.Data{Folder: c.folder}, Teacher: spec.Default().Teacher, UsesTeacher: c.distils,
			}
			_, err := env.ExecuteActivity(acts.Identify, in)
			if c.want == "" && err != nil {
				t.Errorf("got %v, want none", err)
			}
			if c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}
