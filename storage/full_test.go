package storage_test

import (
	"crypto/rand"
	"errors"
	"syscall"
	"testing"

	"rdrec/storage"
)

// TestFullDiskReturnsErrFull needs the right to mount a file system of its own.
func TestFullDiskReturnsErrFull(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=256k"); err != nil {
		t.Skipf("a small file system can't be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	b := open(t, "file://"+dir+"/bucket")
	previous, err := b.Put(t.Context(), []byte("what was there before"))
	if err != nil {
		t.Fatal(err)
	}
	large := make([]byte, 1<<20)
	if _, err := rand.Read(large); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Put(t.Context(), large); !errors.Is(err, storage.ErrFull) {
		t.Errorf("a megabyte on a disk of a quarter: %v, want %v", err, storage.ErrFull)
	}
	if left := contents(t, dir); len(left) != 1 {
		t.Errorf("%d files after the failed write, want the one from before", len(left))
	}
	if _, err := b.Get(t.Context(), previous); err != nil {
		t.Errorf("what was there before: %v", err)
	}
}
