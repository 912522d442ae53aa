package storage

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
)

// disk makes writes to a file bucket survive a power failure: the blob library writes and renames,
// but never waits for the disk. Servers of other buckets do that themselves, so for them disk does
// nothing.
type disk struct {
	// root is the bucket's folder.
	root string
	// file is a second handle on the file that is being written. The rename changes the file's
	// name, not the handle.
	file *os.File
	dir  string
	// fsync is the bucket's.
	fsync func(*os.File) error
}

// watch receives the file from the blob library before it is written.
func (d *disk) watch(as func(any) bool) error {
	var f *os.File
	if !as(&f) {
		return nil
	}
	file, err := os.Open(f.Name())
	d.file, d.dir = file, filepath.Dir(f.Name())
	return err
}

// sync waits until the written file and the folders above it are on the disk.
func (d *disk) sync() error {
	if d.file == nil {
		return nil
	}
	if err := d.fsync(d.file); err != nil {
		return err
	}
	inside := d.root + string(filepath.Separator)
	for dir := d.dir; dir == d.root || strings.HasPrefix(dir, inside); dir = filepath.Dir(dir) {
		if err := syncPath(dir, d.fsync); err != nil {
			return err
		}
	}
	return nil
}

// syncPath calls fsync for a file or a folder.
func syncPath(path string, fsync func(*os.File) error) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(fsync(f), f.Close())
}

func (d *disk) close() {
	if d.file != nil {
		_ = d.file.Close() // reading only
	}
}
