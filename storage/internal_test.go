package storage

import (
	"os"

	"gocloud.dev/blob"
)

// Over returns a bucket over one that was opened at a URL.
func Over(b *blob.Bucket, url string) *Bucket {
	return &Bucket{blob: b, url: url, fsync: (*os.File).Sync}
}

// SetFsync replaces what waits for the disk.
func (b *Bucket) SetFsync(fsync func(*os.File) error) { b.fsync = fsync }

// Fsync waits for the disk.
func (b *Bucket) Fsync(f *os.File) error { return b.fsync(f) }
