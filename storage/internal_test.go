package storage

import "os"

// SetFsync replaces what waits for the disk.
func (b *Bucket) SetFsync(fsync func(*os.File) error) { b.fsync = fsync }

// Fsync waits for the disk.
func (b *Bucket) Fsync(f *os.File) error { return b.fsync(f) }
