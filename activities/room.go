package activities

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"golang.org/x/sys/unix"

	"rdrec/internal/room"
	"rdrec/internal/spec"
)

// errScratchFull means that the files of other activities fill the scratch folder up to its quota.
// They are removed when these end.
var errScratchFull = errors.New("the scratch folder is full")

// checkRoom returns an error if this machine can never train a student. It costs nothing, so it
// comes before all work.
func (a *Activities) checkRoom(student spec.Student, train spec.Train) error {
	if err := room.CheckMemory(student, train, a.Memory); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return nil
}

// checkDisk returns an error if the disk of the scratch folder has too little room for a training.
func (a *Activities) checkDisk(student spec.Student, train spec.Train) error {
	var disk unix.Statfs_t
	if err := unix.Statfs(a.Scratch, &disk); err != nil {
		return nil //nolint:nilerr // unknown: the work itself will tell
	}
	free := int64(disk.Bavail) * int64(disk.Bsize) //nolint:gosec,unconvert // a disk has less than 8 EiB
	if err := room.CheckDisk(student, train, free); err != nil {
		return fmt.Errorf("%w: %w", errScratchFull, err)
	}
	return nil
}

// checkQuota returns an error if the scratch folder holds more than its quota.
func (a *Activities) checkQuota() error {
	if a.MaxScratch <= 0 {
		return nil
	}
	var used int64
	err := filepath.WalkDir(a.Scratch, func(_ string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // another activity has removed it
		}
		if err != nil || entry.IsDir() {
			return err
		}
		if info, err := entry.Info(); err == nil {
			used += info.Size()
		}
		return nil
	})
	if err == nil && used > a.MaxScratch {
		err = fmt.Errorf("%w: it holds %s, the quota is %s (worker --max-scratch)",
			errScratchFull, room.Text(used), room.Text(a.MaxScratch))
	}
	return err
}
