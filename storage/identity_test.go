package storage_test

import (
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"rdrec/storage"
	"rdrec/storage/storagetest"
)

func openFile(t *testing.T, folder, parameters string) *storage.Bucket {
	t.Helper()
	address := url.URL{Scheme: "file", Path: filepath.ToSlash(folder), RawQuery: parameters}
	b, err := storage.Open(t.Context(), address.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

// TestIdentityIsMadeOnce makes the identity of one bucket in many places at the same time.
func TestIdentityIsMadeOnce(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	ids := make([]string, 32)
	var all sync.WaitGroup
	for i := range ids {
		b := openFile(t, folder, "")
		all.Go(func() {
			identity, err := b.Identity(t.Context())
			if err != nil {
				t.Error(err)
			}
			ids[i] = identity.ID
		})
	}
	all.Wait()
	if len(slices.Compact(ids)) != 1 || len(ids[0]) < 20 {
		t.Errorf("ids %q", ids)
	}
	left, err := filepath.Glob(filepath.Join(folder, "*"))
	if err != nil || len(left) != 1 || filepath.Base(left[0]) != "bucket.json" {
		t.Errorf("files %q, %v", left, err)
	}
	other, err := openFile(t, t.TempDir(), "").Identity(t.Context())
	if err != nil || other.ID == ids[0] {
		t.Errorf("another bucket has %s, %v", other.ID, err)
	}
}

// TestIdentityShowsNoParameters checks the URL that people see: it leads to the bucket and has no
// credentials.
func TestIdentityShowsNoParameters(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	identity, err := openFile(t, folder, "secret_key_path=").Identity(t.Context())
	if err != nil || identity.URL != "file://"+filepath.ToSlash(folder) {
		t.Errorf("URL %q, %v", identity.URL, err)
	}
	if want := identity.URL + " (id " + identity.ID[:8] + ")"; identity.String() != want {
		t.Errorf("%s, want %s", identity, want)
	}
}

func TestCorruptIdentityIsNamed(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "bucket.json"), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	var corrupt *storage.CorruptError
	_, err := openFile(t, folder, "").Identity(t.Context())
	if !errors.As(err, &corrupt) || corrupt.Key != "bucket.json" {
		t.Errorf("%v", err)
	}
}

// TestCheckAccessFindsEachMissingRight breaks each call of the check in turn.
func TestCheckAccessFindsEachMissingRight(t *testing.T) {
	t.Parallel()
	b, server := storagetest.Open(t, nil, 0)
	if err := b.CheckAccess(t.Context()); err != nil {
		t.Fatal(err)
	}
	if objects := server.Objects(); len(objects) != 0 {
		t.Errorf("the check left %d objects", len(objects))
	}
	for call := range server.Calls() {
		b, _ := storagetest.Open(t, nil, call+1)
		if err := b.CheckAccess(t.Context()); !errors.Is(err, storagetest.ErrBroken) {
			t.Errorf("call %d of %d: %v", call+1, server.Calls(), err)
		}
	}
}

// TestCheckAccessOfAFileBucket has a folder in which the check cannot write.
func TestCheckAccessOfAFileBucket(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "probes"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	err := openFile(t, folder, "").CheckAccess(t.Context())
	if err == nil || !strings.Contains(err.Error(), "write \"probes/") {
		t.Errorf("%v", err)
	}
}
