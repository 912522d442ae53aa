package storage_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rdrec/storage"
)

func TestInboxIsSortedByKey(t *testing.T) {
	b, s := syncedBucket(t, "")
	for _, key := range []string{"inbox/b", "inbox/sub/c", "inbox/a", "inbox/d.tmp", "inboxes/e", "other/f"} {
		path := filepath.Join(s.root, key)
		writeFile(t, path)
		if err := os.WriteFile(path, []byte("one"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	files, err := b.Inbox(t.Context(), "inbox/", nil)
	if err != nil {
		t.Fatal(err)
	}
	ref := storage.Ref{Digest: digestOfOne, Size: 3}
	want := []storage.File{
		{Name: "inbox/a", Ref: ref},
		{Name: "inbox/b", Ref: ref},
		{Name: "inbox/sub/c", Ref: ref},
	}
	if diff := cmp.Diff(want, filesOf(files)); diff != "" {
		t.Error(diff)
	}
	// Only what has changed is read again: another time, another size.
	later := time.Now().Add(time.Hour)
	if err := os.Chtimes(filepath.Join(s.root, "inbox/a"), later, later); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.root, "inbox/b"), []byte("four"), 0o600); err != nil {
		t.Fatal(err)
	}
	before := b.Requests()
	again, err := b.Inbox(t.Context(), "inbox/", files)
	if err != nil {
		t.Fatal(err)
	}
	want[1].Ref = storage.Ref{Digest: storage.Digest([]byte("four")), Size: 4}
	if diff := cmp.Diff(want, filesOf(again)); diff != "" {
		t.Error(diff)
	}
	if n := b.Requests().Sub(before).Reads; n != 2 {
		t.Errorf("%d objects were read again, want 2", n)
	}
}

// filesOf returns the files of an inbox without their times.
func filesOf(found []storage.InboxFile) (files []storage.File) {
	for _, f := range found {
		files = append(files, f.File)
	}
	return files
}

// TestInboxRejectsReservedKeys has each of them, a key inside and a prefix that holds it.
func TestInboxRejectsReservedKeys(t *testing.T) {
	b := open(t, "mem://")
	own := []string{
		"cas/sha256/", "stages/", "rationales/", "checkpoints/", "runs/", "nightly/", "exports/", "quarantine/",
	}
	for _, prefix := range own {
		for _, inbox := range []string{prefix, prefix + "x/", prefix[:len(prefix)-1], prefix[:1], ""} {
			if _, err := b.Inbox(t.Context(), inbox, nil); err == nil {
				t.Errorf("inbox %q is not refused", inbox)
			}
		}
	}
	for _, inbox := range []string{"inbox/", "stages2/", "cas/other/", "my/stages/"} {
		if _, err := b.Inbox(t.Context(), inbox, nil); err != nil {
			t.Errorf("inbox %q: %v", inbox, err)
		}
	}
}

func TestIngestObjectRejectsChangedObject(t *testing.T) {
	b, s := syncedBucket(t, "")
	dir := folder(t, map[string]string{"rows": "one", "others": "two"})
	if err := b.PutInbox(t.Context(), "inbox/rows", filepath.Join(dir, "rows")); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(written("inbox/rows"), s.synced); diff != "" {
		t.Errorf("synced: %s", diff)
	}
	file := storage.File{Name: "inbox/rows", Ref: storage.Ref{Digest: digestOfOne, Size: 3}}
	path := filepath.Join(t.TempDir(), "taken", "rows")
	if err := b.IngestObject(t.Context(), file, path); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(path); err != nil || string(data) != "one" {
		t.Errorf("the file is %q, %v", data, err)
	}
	if data, err := b.Get(t.Context(), file.Ref); err != nil || string(data) != "one" {
		t.Errorf("the content is %q, %v", data, err)
	}
	if err := b.PutInbox(t.Context(), "inbox/rows", filepath.Join(dir, "others")); err != nil {
		t.Fatal(err)
	}
	var corrupt *storage.CorruptError
	if err := b.IngestObject(t.Context(), file, path); !errors.As(err, &corrupt) || corrupt.Key != "inbox/rows" {
		t.Errorf("another object under the key: %v", err)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("a file is left: %v", err)
	}
	if _, err := b.Get(t.Context(), storage.Ref{Digest: digestOfTwo, Size: 3}); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("it became content: %v", err)
	}
}

func TestWatermarkIsZeroBeforeTheFirstIngest(t *testing.T) {
	b := open(t, "mem://")
	if mark, err := b.Watermark(t.Context(), "shop"); err != nil || mark != (storage.Watermark{}) {
		t.Errorf("%+v, %v", mark, err)
	}
}
