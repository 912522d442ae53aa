package storage_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rdrec/storage"
	"rdrec/storage/storagetest"
)

// shopBucket has two datasets, one with ann, and what stages made of the first.
type shopBucket struct {
	*storage.Bucket
	t    *testing.T
	root string
}

func (s *shopBucket) put(stage string, text string, inputs ...string) storage.Ref {
	s.t.Helper()
	dir := s.t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	ref, err := s.PutFolder(s.t.Context(), stage, dir)
	if err != nil {
		s.t.Fatal(err)
	}
	record := storage.StageRecord{
		Stage: stage, Label: stage + " rdrec/1", Output: ref, Inputs: inputs, Workflow: "shop", Run: "r",
		Fingerprint: storage.Digest([]byte(stage + text)),
	}
	err = errors.Join(s.Commit(s.t.Context(), record), s.AddLineage(s.t.Context(), "shop", "r", record))
	if err != nil {
		s.t.Fatal(err)
	}
	return ref
}

// count returns how many files of the bucket contain a text.
func (s *shopBucket) count(text string) (n int) {
	s.t.Helper()
	err := filepath.WalkDir(s.root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(path) //nolint:gosec // a file of the test's own
		if bytes.Contains(data, []byte(text)) {
			n++
		}
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

// TestForget removes a marked user: nothing names her afterwards, what others need remains, and
// the bucket can still be verified and collected.
func TestForget(t *testing.T) {
	const user, text = "ann-4711", "soft as a marked cloud"
	bucket, root := storagetest.OpenFolder(t)
	s := &shopBucket{bucket, t, root}
	dataset := s.put("import", `{"users": ["bob", "`+user+`"]} `+text)
	other := s.put("import", `{"users": ["bob", "`+user+`-not"]}`)
	prepared := s.put("preprocess", user+" 1 2 3 "+text, dataset.Digest)
	model := s.put("pretrain", "weights", prepared.Digest)
	s.put("evaluate", "predictions by number", prepared.Digest, model.Digest)
	rows := storage.OpenRationales[map[string]string](s.Bucket, "t").Shard(storage.Digest(nil))
	err := errors.Join(
		rows.Append(t.Context(), []map[string]string{
			{"text": text, "preference": "a"}, {"text": "of bob", "preference": "b"},
		}),
		s.PutRun(t.Context(), "shop", "r", "report.html", []byte("<p>"+user+"</p>")),
		s.PutRun(t.Context(), "shop", "r", "report.txt", []byte("a table")),
	)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("before: %q in %d files, %q in %d", user, s.count(user), text, s.count(text))
	options := storage.ForgetOptions{
		Users: []string{user}, Now: time.Unix(1_800_000_000, 0),
		Texts: func(context.Context, storage.Ref) ([]string, error) { return []string{text}, nil },
	}
	record, err := s.Forget(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("removed %d contents, %d objects, %d rationales; seen by %d models",
		len(record.Removed), len(record.Keys), record.Rationales, len(record.Models))
	if n := s.count(user) - s.count(user+"-not"); n != 0 || s.count(text) != 0 || s.count("predictions") != 0 {
		t.Errorf("the user is in %d files, the text in %d", n, s.count(text))
	}
	t.Logf("after: %q in %d files, %q in %d", user, s.count(user)-s.count(user+"-not"), text, s.count(text))
	want := []storage.SeenBy{{Stage: "pretrain", Label: "pretrain rdrec/1", Workflow: "shop", Run: "r", Model: model}}
	if diff := cmp.Diff(want, record.Models); diff != "" || record.Rationales != 1 {
		t.Errorf("%d rationales; models (-want +got):\n%s", record.Rationales, diff)
	}
	for name, ref := range map[string]storage.Ref{"the model": model, "the other dataset": other} {
		if there, err := s.IsComplete(t.Context(), ref); err != nil || !there {
			t.Errorf("%s is gone: %v", name, err)
		}
	}
	left, err := rows.Load(t.Context())
	if diff := cmp.Diff([]map[string]string{{"text": "of bob", "preference": "b"}}, left); diff != "" || err != nil {
		t.Error(diff, err)
	}
	checked, err := s.Verify(t.Context(), "")
	if err != nil || len(checked.BadObjects) != 0 {
		t.Errorf("verify: %+v, %v", checked.BadObjects, err)
	}
	if _, err := s.Collect(t.Context(), storage.CollectOptions{Before: time.Now()}); err != nil {
		t.Errorf("collect: %v", err)
	}
	if again, err := s.Forget(t.Context(), options); err != nil || len(again.Removed)+len(again.Keys) != 0 {
		t.Errorf("a second time: %+v, %v", again, err)
	}
}

// TestForgetNeedsTheUsersTexts fails where a dataset with the user cannot be read: without its
// texts, rows of the user would remain.
func TestForgetNeedsTheUsersTexts(t *testing.T) {
	bucket, root := storagetest.OpenFolder(t)
	s := &shopBucket{bucket, t, root}
	s.put("import", `{"users": ["ann-4711"]}`)
	broken := errors.New("the dataset is torn")
	_, err := s.Forget(t.Context(), storage.ForgetOptions{
		Users: []string{"ann-4711"}, Now: time.Unix(1_800_000_000, 0),
		Texts: func(context.Context, storage.Ref) ([]string, error) { return nil, broken },
	})
	if !errors.Is(err, broken) || s.count("ann-4711") == 0 {
		t.Errorf("%v; the user is in %d files", err, s.count("ann-4711"))
	}
}

// TestForgetMatchesCompleteIDs forgets ann where her id is beside characters of an id, which are
// others' ids, and beside characters that are not.
func TestForgetMatchesCompleteIDs(t *testing.T) {
	for text, names := range map[string]bool{
		"ann": true, "[ann]": true, "{ann": true, "@ann`": true, "annzann ann": true,
		"annz": false, "zann": false, "annA": false, "Zann": false, "ann9": false, "0ann": false, "ann_": false,
		"-ann": false, "an n": false,
	} {
		bucket, root := storagetest.OpenFolder(t)
		s := &shopBucket{bucket, t, root}
		ref := s.put("import", text)
		_, err := s.Forget(t.Context(), storage.ForgetOptions{
			Users: []string{"ann"}, Now: time.Unix(1_800_000_000, 0),
			Texts: func(context.Context, storage.Ref) ([]string, error) { return nil, nil },
		})
		there, failed := s.IsComplete(t.Context(), ref)
		if err != nil || failed != nil || there == names {
			t.Errorf("%q: it remains %t, %v, %v", text, there, err, failed)
		}
	}
}
