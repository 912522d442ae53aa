package activities_test

import (
	"os"
	"path/filepath"
	"testing"

	"rdrec/activities"
	"rdrec/internal/spec"
	"rdrec/registry"
)

// TestTheDataAreIdentifiedByNameAndContent has files whose names, contents and borders change.
func TestTheDataAreIdentifiedByNameAndContent(t *testing.T) {
	s := newInboxEnv(t)
	identify := func(data spec.Data) (string, error) {
		id, err := run[registry.Identity](s, s.Identify, activities.IdentifyInput{Data: data})
		return id.Data, err
	}
	seen := map[string]string{}
	for name, files := range map[string]map[string]string{
		"itself": {"a": "1", "b": "2"}, "content": {"a": "1", "b": "3"}, "name": {"a": "1", "c": "2"},
		"border": {"a": "1b 1\n2"}, "less": {"a": "1"},
	} {
		dir := t.TempDir()
		for file, text := range files {
			if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		id, err := identify(spec.Data{Folder: dir})
		if err != nil {
			t.Fatal(err)
		}
		if other, found := seen[id]; found {
			t.Errorf("%s and %s are the same", name, other)
		}
		seen[id] = name
		if again, err := identify(spec.Data{Reviews: &spec.Reviews{Path: filepath.Join(dir, "*")}}); err != nil ||
			again != id {
			t.Errorf("%s: as reviews %q, %v", name, again, err)
		}
		if err := os.WriteFile(filepath.Join(dir, "_SUCCESS"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{dir, filepath.Join(dir, "*")} {
			if again, err := identify(spec.Data{Reviews: &spec.Reviews{Path: path}}); err != nil || again != id {
				t.Errorf("%s with a marker: %s as reviews %q, %v", name, path, again, err)
			}
		}
		stored := &spec.Accumulated{Reviews: spec.Ref{Digest: "r"}}
		if got, err := identify(spec.Data{Reviews: &spec.Reviews{}, Accumulated: stored}); err != nil || got != "r" {
			t.Errorf("accumulated: %q, %v", got, err)
		}
		titled := spec.Data{Reviews: &spec.Reviews{Metadata: filepath.Join(dir, "*")}, Accumulated: stored}
		if got, err := identify(titled); err != nil || got != "r"+id {
			t.Errorf("accumulated with titles: %q, %v", got, err)
		}
		titled.Reviews.Metadata = filepath.Join(dir, "nosuch")
		_, err = identify(titled)
		s.isInvalid("titles that are not there", err)
	}
}
