package activities

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"rdrec/internal/room"
	"rdrec/storage"
)

// errScratchFull means that the files of activities fill the scratch folder's disk, or its quota.
// They are removed when these end.
var errScratchFull = errors.New("the scratch folder is full")

// The caches below the scratch folder: of the bucket's content and of the files of URLs.
const (
	ContentCache = "cache"
	SourceCache  = "sources"
)

// caches are their folders. They have limits of their own, and never shrink.
var caches = []string{ContentCache, SourceCache}

// checkQuota returns an error if the files of the scratch folder exceed its quota.
func (a *Activities) checkQuota() error {
	if a.MaxScratch <= 0 {
		return nil
	}
	used, err := bytesUnder(a.Scratch)
	if err == nil && used > a.MaxScratch {
		err = a.quotaError(used)
	}
	return err
}

func (a *Activities) quotaError(used int64) error {
	return fmt.Errorf("%w: its files have %s, the quota is %s (worker --max-scratch)",
		errScratchFull, room.Text(used), room.Text(a.MaxScratch))
}

// checkOwn returns an error if the scratch folder exceeds its quota and no attempt has more files
// in it than the one whose folder is dir: one attempt ends, and the others go on.
func (a *Activities) checkOwn(dir string) error {
	if a.checkQuota() == nil {
		return nil
	}
	own, err := bytesUnder(dir)
	if err != nil {
		return nil //nolint:nilerr // the work itself will tell
	}
	folders, err := os.ReadDir(a.Scratch)
	if err != nil {
		return nil //nolint:nilerr // as above
	}
	all := int64(0)
	for _, folder := range folders {
		if slices.Contains(caches, folder.Name()) {
			continue
		}
		used, err := bytesUnder(filepath.Join(a.Scratch, folder.Name()))
		if err != nil || used > own {
			return nil //nolint:nilerr // as above
		}
		all += used
	}
	return a.quotaError(all)
}

// bytesUnder returns the size of a folder's files.
func bytesUnder(dir string) (used int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // it has just been removed
		}
		if err == nil && entry.IsDir() && slices.Contains(caches, entry.Name()) {
			return fs.SkipDir
		}
		if err != nil || entry.IsDir() {
			return err
		}
		if info, err := entry.Info(); err == nil {
			used += info.Size()
		}
		return nil
	})
	return used, err
}

// fullScratch returns the error of a write that failed because a disk is full as [errScratchFull],
// unless the disk is the bucket's. Errors of DuckDB have the reason in their text only.
func fullScratch(err error) error {
	if errors.Is(err, errScratchFull) || errors.Is(err, storage.ErrFull) {
		return err
	}
	text := strings.ToLower(err.Error())
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) ||
		strings.Contains(text, "no space left on device") || strings.Contains(text, "max_temp_directory_size") {
		return fmt.Errorf("%w: %w", errScratchFull, err)
	}
	return err
}
