package storage_test

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gocloud.dev/blob"

	"rdrec/storage"
	"rdrec/storage/storagetest"
)

// TestUploadsToAzureAreStored has the way of writing that only Azure's buckets have; its third and
// last call stores the object.
func TestUploadsToAzureAreStored(t *testing.T) {
	for failAt, want := range []string{"one", "", "", ""} {
		server := storagetest.NewServer(nil, failAt)
		_, err := storage.Over(blob.NewBucket(server), "azblob://container").Put(t.Context(), []byte("one"))
		if got := string(server.Objects()[content(digestOfOne)]); got != want ||
			errors.Is(err, storagetest.ErrBroken) != (failAt > 0) ||
			server.Calls() > 3 {
			t.Errorf("call %d of %d breaks: stored %q, %v", failAt, server.Calls(), got, err)
		}
	}
}

func TestABucketThatCannotBeClosedSaysSo(t *testing.T) {
	b := storage.Over(blob.NewBucket(storagetest.NewServer(nil, 1)), "mem://")
	if err := b.Close(); !errors.Is(err, storagetest.ErrBroken) {
		t.Error(err)
	}
}

func TestWhatCannotBeReadOrEncodedIsNotStored(t *testing.T) {
	server := storagetest.NewServer(nil, 0)
	b := storage.Over(blob.NewBucket(server), "mem://")
	gone := filepath.Join(t.TempDir(), "gone")
	if ref, err := b.PutFolder(t.Context(), "x", gone); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a folder that is not there: %v, %v", ref, err)
	}
	if ref, err := b.PutFile(t.Context(), gone); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v, %v", ref, err)
	}
	if err := b.PutInbox(t.Context(), "inbox/x", gone); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
	done := storage.StageRecord{
		Stage: "s", Fingerprint: strings.Repeat("f", 64), Stats: storage.Stats{Seconds: math.NaN()},
	}
	for _, err := range []error{b.Commit(t.Context(), done), b.AddLineage(t.Context(), "w", "r", done)} {
		if err == nil || !strings.Contains(err.Error(), `record of stage "s"`) {
			t.Errorf("a figure that is no number: %v", err)
		}
	}
	if _, err := storage.Fingerprint("s", 1, math.NaN()); err == nil {
		t.Error("settings that are no JSON have a fingerprint")
	}
	if err := storage.OpenRationales[any](b, "t").Append(t.Context(), []any{math.NaN()}); err == nil {
		t.Error("a row that is no JSON is kept")
	}
	if len(server.Objects()) > 0 {
		t.Errorf("stored %v", server.Objects())
	}
}

func TestWhereAnObjectIs(t *testing.T) {
	for url, want := range map[string]string{
		"file:///a/bucket": "/a/bucket/runs/w", "file:///a/bucket/": "/a/bucket/runs/w",
		"file:///a/bucket?metadata=skip": "/a/bucket/runs/w",
		"s3://bucket?region=x":           "s3://bucket/runs/w", "gs://bucket/": "gs://bucket/runs/w", "::": "::/runs/w",
	} {
		if got := storage.Over(nil, url).URL("runs/w"); got != want {
			t.Errorf("%s: %q, want %q", url, got, want)
		}
	}
}
