package activities_test

import (
	"bytes"
	"encoding/base64"
	"path/filepath"
	"strings"
	"testing"

	"rdrec/activities"
	"rdrec/internal/pseudonym"
	"rdrec/internal/spec"
	"rdrec/registry"
	"rdrec/storage"
)

func keyOf(t *testing.T, letter string) pseudonym.Key {
	t.Helper()
	key, err := pseudonym.ReadKey(base64.StdEncoding.EncodeToString(bytes.Repeat([]byte(letter), 32)))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// TestPseudonymsNeedTheirKey identifies and imports a folder with the key, without it and with
// another one.
func TestPseudonymsNeedTheirKey(t *testing.T) {
	t.Parallel()
	s := newInboxEnv(t)
	key := keyOf(t, "k")
	data := spec.Data{
		Folder: filepath.Join("..", "testdata", "rdrec", "beauty_mini"), Indexing: spec.AsIs, Pseudonyms: true,
	}
	identify := activities.IdentifyInput{Data: data}
	in := activities.ImportInput{Data: data, UserKey: key.Digest()}
	for name, c := range map[string]struct {
		key  pseudonym.Key
		want string
	}{
		"no key":      {pseudonym.Key{}, "RDREC_USER_KEY is not set"},
		"another key": {keyOf(t, "o"), "pseudonyms of the key with the digest " + key.Digest()},
	} {
		s.UserKey = c.key
		_, err := run[storage.Ref](s, s.Import, in)
		if err == nil || !strings.Contains(err.Error(), c.want) ||
			!strings.Contains(err.Error(), activities.TypeUserKey) {
			t.Errorf("import with %s: %v", name, err)
		}
		if _, err := run[registry.Identity](s, s.Identify, identify); (err != nil) != c.key.IsZero() {
			t.Errorf("identify with %s: %v", name, err)
		}
	}
	s.UserKey = key
	id, err := run[registry.Identity](s, s.Identify, identify)
	if err != nil || id.UserKey != key.Digest() {
		t.Errorf("identify: %+v, %v", id, err)
	}
	ref, err := run[storage.Ref](s, s.Import, in)
	if err != nil {
		t.Fatal(err)
	}
	maps, err := s.Bucket.ReadArtifactFile(t.Context(), ref, "datamaps.json")
	if err != nil || strings.Count(string(maps), `"u-`) < 10 {
		t.Errorf("%v, datamaps of %d bytes", err, len(maps))
	}
}
