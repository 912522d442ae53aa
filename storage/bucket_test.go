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
)

// TestUploadsToAzureAreStored has the way of writing that only Azure's buckets have; its third and
// last call stores the object.
func TestUploadsToAzureAreStored(t *testing.T) {
	for failAt, want := range []string{"one", "", "", ""} {
		server := &broken{objects: map[string][]byte{}, failAt: failAt}
		_, err := storage.Over(blob.NewBucket(server), "azblob://container").Put(t.Context(), []byte("one"))
		if got := string(server.objects[content(digestOfOne)]); got != want ||
			errors.Is(err, errBroken) != (failAt > 0) ||
			server.calls > 3 {
			t.Errorf("call %d of %d breaks: stored %q, %v", failAt, server.calls, got, err)
		}
	}
}

func TestABucketThatCannotBeClosedSaysSo(t *testing.T) {
	if err := storage.Over(blob.NewBucket(&broken{failAt: 1}), "mem://").Close(); !errors.Is(err, errBroken) {
		t.Error(err)
	}
}

func TestWhatCannotBeReadOrEncodedIsNotStored(t *testing.T) {
	server := &broken{objects: map[string][]byte{}}
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
	done := storage.Done{Stage: "s", Fingerprint: strings.Repeat("f", 64), Figures: map[string]float64{"x": math.NaN()}}
	for _, err := range []error{b.Commit(t.Context(), done), b.Note(t.Context(), "w", "r", done)} {
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
	if len(server.objects) > 0 {
		t.Errorf("stored %v", server.objects)
	}
}

func TestWhereAnObjectIs(t *testing.T) {
	for url, want := range map[string]string{
		"file:///a/bucket": "/a/bucket/runs/w", "file:///a/bucket/": "/a/bucket/runs/w",
		"file:///a/bucket?metadata=skip": "/a/bucket/runs/w",
		"s3://bucket?region=x":           "s3://bucket/runs/w", "gs://bucket/": "gs://bucket/runs/w", "::": "::/runs/w",
	} {
		if got := storage.Over(nil, url).Where("runs/w"); got != want {
			t.Errorf("%s: %q, want %q", url, got, want)
		}
	}
}
