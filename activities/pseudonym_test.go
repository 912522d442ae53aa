package activities_test

import (
	"bytes"
	"encoding/base64"
	"io/fs"
	"os"
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

// TestIngestWithPseudonyms ingests files of two kinds: no content of the bucket but the inbox has a
// user's id. A model in use of another kind, or of another key, is refused.
func TestIngestWithPseudonyms(t *testing.T) {
	t.Parallel()
	s := newInboxEnv(t)
	s.Importer, s.UserKey = realImporter{}, keyOf(t, "k")
	settings := spec.DefaultReviews()
	pseudonyms := func(on bool) activities.IngestInput {
		return activities.IngestInput{Name: "shop", Inbox: "inbox/", Reviews: &settings, Pseudonyms: on}
	}
	s.putFile("a.csv", "user,item,time,rating\nmarked-ann,i1,2014-01-02,4\n")
	s.putFile("b.json", `{"user": "marked-ann", "item": "i2", "time": 1500000000}`+"\n")
	s.putFile("bad.csv", "user,item,time,rating\nmarked-ann,i1,marked-ann,4\n")
	got, err := run[activities.IngestResult](s, s.Ingest, pseudonyms(true))
	if err != nil || len(got.Ingested) != 2 || len(got.SetAside) != 1 || got.UserKey != s.UserKey.Digest() {
		t.Fatalf("%+v, %v", got, err)
	}
	if strings.Contains(got.SetAside[0].Reason, "marked-ann") {
		t.Error(got.SetAside[0].Reason)
	}
	read := 0
	err = filepath.WalkDir(filepath.Join(s.root, "cas"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(path) //nolint:gosec // the test's own
		if read += len(data); bytes.Contains(data, []byte("marked-ann")) {
			t.Errorf("%s has the id", path)
		}
		return err
	})
	if err != nil || read == 0 {
		t.Errorf("read %d bytes, %v", read, err)
	}
	s.promote(got, "kept ids") // its model has no key
	if _, err := run[activities.IngestResult](s, s.Ingest, pseudonyms(true)); err == nil ||
		!strings.Contains(err.Error(), "use another name") {
		t.Errorf("after a model without pseudonyms: %v", err)
	}
	if _, err := run[activities.IngestResult](s, s.Ingest, pseudonyms(false)); err != nil {
		t.Errorf("without pseudonyms: %v", err)
	}
	s.UserKey = pseudonym.Key{}
	if _, err := run[activities.IngestResult](s, s.Ingest, pseudonyms(true)); err == nil ||
		!strings.Contains(err.Error(), "RDREC_USER_KEY is not set") {
		t.Errorf("without a key: %v", err)
	}
}
