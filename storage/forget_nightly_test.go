package storage_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rdrec/storage"
	"rdrec/storage/storagetest"
)

// TestForgetNightly forgets a user whom the data of a nightly name have: it is refused, until the
// name is retired. The reviews that another name uses, too, and the shop's own files remain.
func TestForgetNightly(t *testing.T) {
	const user = "ann-4711"
	bucket, root := storagetest.OpenFolder(t)
	s := &shopBucket{bucket, t, root}
	ctx := t.Context()
	reviews := func(files map[string]string) storage.Ref {
		t.Helper()
		return storagetest.PutArtifact(t, s.Bucket, files)
	}
	shared := map[string]string{"parts/1.csv": "bob,soap\n"}
	older := reviews(map[string]string{"parts/1.csv": "bob,soap\n", "parts/2.csv": user + ",soap\n"})
	newer := reviews(shared)
	dataset := s.put("import", `["bob", "`+user+`"]`, older.Digest)
	model := s.put("pretrain", "weights", dataset.Digest)
	for name, refs := range map[string][]storage.Ref{"old": {older, dataset, model}, "new": {newer}} {
		record, err := json.Marshal(refs)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.PutNightlyRun(ctx, name, 1, record); err != nil {
			t.Fatal(err)
		}
	}
	inbox := filepath.Join(root, "inbox", "2.csv")
	err := errors.Join(os.MkdirAll(filepath.Dir(inbox), 0o750), os.WriteFile(inbox, []byte(user+",soap\n"), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	options := storage.ForgetOptions{
		Users: []string{user, "u-1"}, Now: time.Unix(1_800_000_000, 0),
		Texts: func(context.Context, storage.Ref) ([]string, error) { return nil, nil },
	}
	if _, err := s.Forget(ctx, options); !errors.Is(err, storage.ErrInUse) || s.count(user) != 3 {
		t.Fatalf("with the name in use: %v; the user is in %d files", err, s.count(user))
	} else {
		t.Log(err)
	}
	options.Retire = []string{"older"}
	if _, err := s.Forget(ctx, options); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("retire an unknown name: %v", err)
	}
	options.Retire = []string{"old"}
	record, err := s.Forget(ctx, options)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"inbox/2.csv"}, record.Left); diff != "" || s.count(user) != 1 {
		t.Errorf("the user is in %d files, left (-want +got):\n%s", s.count(user), diff)
	}
	if _, err := os.Stat(filepath.Join(root, "nightly", "old", "runs", "000001.json")); !os.IsNotExist(err) {
		t.Errorf("the record of the retired name: %v", err)
	}
	for name, ref := range map[string]storage.Ref{"the model": model, "the reviews of the new name": newer} {
		if there, err := s.IsComplete(ctx, ref); err != nil || !there {
			t.Errorf("%s: %t, %v", name, there, err)
		}
	}
	checked, err := s.Verify(ctx, "")
	if err != nil || len(checked.BadObjects) != 0 {
		t.Errorf("verify: %+v, %v", checked.BadObjects, err)
	}
}

// TestUserKeys counts the imports by the digest of the key of their pseudonyms.
func TestUserKeys(t *testing.T) {
	bucket, root := storagetest.OpenFolder(t)
	s := &shopBucket{bucket, t, root}
	for i, settings := range []string{
		"", `{"user_core": 3}`, `{"user_key": "a1"}`, `{"user_key": "a1"}`, `{"user_key": "b2"}`,
	} {
		record := storage.StageRecord{
			Stage: "import", Settings: settings, Output: s.put("model", "x"),
			Fingerprint: storage.Digest([]byte{byte(i)}),
		}
		if err := s.Commit(t.Context(), record); err != nil {
			t.Fatal(err)
		}
	}
	keys, err := s.UserKeys(t.Context())
	if diff := cmp.Diff(map[string]int{"a1": 2, "b2": 1}, keys); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
}
