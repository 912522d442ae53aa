package activities

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"rdrec/internal/fileset"
	"rdrec/internal/room"
	"rdrec/internal/spec"
	"rdrec/internal/untrusted"
)

// errScratchFull means that the files of other activities fill the scratch folder up to its quota.
// They are removed when these end.
var errScratchFull = errors.New("the scratch folder is full")

// checkInputs returns what the work on an experiment's inputs takes, and an error if this machine
// can never do it. It reads sizes and headers only, so it comes before all work.
func (a *Activities) checkInputs(ctx context.Context, in IdentifyInput) (needs []room.Need, err error) {
	if err := a.checkStudent(in.Student, in.Train); err != nil {
		return nil, err
	}
	imports := a.importNeeds(ctx, in.Data)
	if err := a.fits(imports, a.HostMemory); err != nil {
		return nil, err
	}
	teachers, err := a.checkTeacher(in.Teacher, in.UsesTeacher || in.ChecksEntailment)
	if err != nil {
		return nil, err
	}
	students, err := pretrainedNeeds(in.Student, in.Train)
	return slices.Concat(imports, teachers, students), err
}

// fits returns an error if needs exceed a number of bytes of memory, or the disk of the scratch
// folder.
func (a *Activities) fits(needs []room.Need, memory int64) error {
	total, _ := a.disk()
	if err := room.Check(needs, map[string]int64{room.Memory: memory, room.Scratch: total}); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return nil
}

// disk returns the size of the disk of the scratch folder and how much of it is free; 0 if unknown.
func (a *Activities) disk() (total, free int64) {
	var disk unix.Statfs_t
	if err := unix.Statfs(a.Scratch, &disk); err != nil {
		return 0, 0 // the work itself will tell
	}
	size := int64(disk.Bsize)                                   //nolint:unconvert // not on all systems
	return int64(disk.Blocks) * size, int64(disk.Bavail) * size //nolint:gosec // a disk has less than 8 EiB
}

// importNeeds returns what the import of the spec's files takes; none where they are missing, which
// the import itself reports, or in the bucket.
func (a *Activities) importNeeds(ctx context.Context, data spec.Data) []room.Need {
	if data.Reviews == nil || data.Accumulated != nil {
		return nil
	}
	var files room.Files
	for _, place := range []string{data.Reviews.Path, data.Reviews.Metadata} {
		sizes, err := fileSizes(ctx, place)
		if err != nil {
			continue
		}
		for name, size := range sizes {
			if slices.Contains(packedExtensions, filepath.Ext(name)) {
				files.Packed += size
			} else {
				files.Plain += size
			}
		}
	}
	return room.Import(files, a.ImportMemory)
}

// fileSizes returns the sizes of the files of a path or a URL, by their names.
func fileSizes(ctx context.Context, place string) (map[string]int64, error) {
	path, inBucket := spec.PathOf(place)
	sizes := map[string]int64{}
	if inBucket {
		files, err := findURL(ctx, place)
		for _, file := range files.List {
			sizes[file.Name] = file.Size
		}
		return sizes, err
	}
	found, _, err := fileset.Find(path)
	for _, name := range found {
		if info, err := os.Stat(name); err == nil { // else the import reports it
			sizes[name] = info.Size()
		}
	}
	return sizes, err
}

// packedExtensions are the extensions of packed files.
var packedExtensions = []string{".gz", ".zip", ".bz2", ".zst", ".xz", ".tgz"}

// checkImport returns an error if the scratch folder has too little room for an import now.
func (a *Activities) checkImport(ctx context.Context, data spec.Data) error {
	needs := a.importNeeds(ctx, data)
	_, free := a.disk()
	if err := room.Check(needs, map[string]int64{room.Scratch: free}); err != nil {
		return fmt.Errorf("%w: %w", errScratchFull, err)
	}
	return a.fits(needs, a.HostMemory)
}

// checkTeacher returns what a teacher takes if it is used, and an error if this machine can never
// load it.
func (a *Activities) checkTeacher(settings spec.Teacher, used bool) ([]room.Need, error) {
	if !used {
		return nil, nil
	}
	size, err := a.Teachers.Size(settings)
	if err != nil {
		return nil, nil //nolint:nilerr // identifying or opening it reports the same problem
	}
	needs := size.Need("teacher " + settings.Model)
	return needs, a.fits(needs, a.Memory)
}

// pretrainedNeeds returns what training takes of a student that starts from a folder; none if its
// size is unknown.
func pretrainedNeeds(student spec.Student, train spec.Train) ([]room.Need, error) {
	if student.Pretrained == "" {
		return nil, nil
	}
	config, err := untrusted.ReadFile(filepath.Join(student.Pretrained, room.PretrainedConfig), untrusted.MaxSettings)
	if err != nil {
		return nil, nil //nolint:nilerr // a file of the reference's, or one that the training reports
	}
	needs, err := room.Pretrained(config, train)
	if err != nil {
		return nil, fmt.Errorf("%w: read the student's size: %w", ErrInvalid, err)
	}
	return needs, nil
}

// checkStudent returns an error if this machine can never train a student.
func (a *Activities) checkStudent(student spec.Student, train spec.Train) error {
	if err := room.CheckMemory(student, train, a.Memory); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	needs, err := pretrainedNeeds(student, train)
	if err != nil {
		return err
	}
	return a.fits(needs, a.Memory)
}

// checkDisk returns an error if the disk of the scratch folder has too little room for a training
// now.
func (a *Activities) checkDisk(student spec.Student, train spec.Train) error {
	_, free := a.disk()
	if err := room.CheckDisk(student, train, free); err != nil {
		return fmt.Errorf("%w: %w", errScratchFull, err)
	}
	return nil
}

// The caches below the scratch folder: of the bucket's content and of the files of URLs.
const (
	ContentCache = "cache"
	SourceCache  = "sources"
)

// caches are their folders.
var caches = []string{ContentCache, SourceCache}

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
		if err == nil && entry.IsDir() && slices.Contains(caches, entry.Name()) {
			return fs.SkipDir // they have limits of their own, and never shrink
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
