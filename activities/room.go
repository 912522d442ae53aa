package activities

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"rdrec/internal/dataset"
	"rdrec/internal/fileset"
	"rdrec/internal/room"
	"rdrec/internal/spec"
	"rdrec/internal/untrusted"
)

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
	if err != nil {
		return nil, err
	}
	folder := sizesOfDataset(ctx, in.Data)
	return slices.Concat(imports, teachers, students, folder.Experiment()),
		a.fits(folder.Needs(room.PreprocessWork), a.HostMemory) // each experiment has this stage
}

// fits returns an error if needs exceed a number of bytes of memory, or the disk of the scratch
// folder.
func (a *Activities) fits(needs []room.Need, memory int64) error {
	total, _ := room.Disk(a.Scratch)
	if err := room.Check(needs, map[string]int64{room.Memory: memory, room.Scratch: total}); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return nil
}

// importNeeds returns what the import of the spec's files takes; none where they are missing, which
// the import itself reports, or in the bucket.
func (a *Activities) importNeeds(ctx context.Context, data spec.Data) []room.Need {
	if data.Reviews == nil || data.Accumulated != nil {
		return nil
	}
	return room.Import(sizes(ctx, data.Reviews.Path, data.Reviews.Metadata), a.ImportMemory)
}

// sizes returns the bytes of the files of paths and URLs to raw data, without those that are
// missing.
func sizes(ctx context.Context, places ...string) (files room.Files) {
	for _, place := range places {
		found, err := fileSizes(ctx, place)
		if err != nil {
			continue
		}
		for name, size := range found {
			if slices.Contains(packedExtensions, filepath.Ext(name)) {
				files.Packed += size
			} else {
				files.Plain += size
			}
		}
	}
	return files
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

// sizesOfDataset returns the sizes of a spec's dataset: those of its folder, or roughly what an
// import will make of its reviews. It is empty where they are unknown.
func sizesOfDataset(ctx context.Context, data spec.Data) room.Folder {
	switch {
	case data.Accumulated != nil:
		return room.Folder{}
	case data.Reviews != nil:
		return room.Reviews(sizes(ctx, data.Reviews.Path), data.Negatives)
	default:
		found, err := fileSizes(ctx, data.Folder)
		if err != nil {
			return room.Folder{} // identifying the data reports it
		}
		return room.Folder{Files: dataset.SizesOf(found), Negatives: data.Negatives}
	}
}

// checkDataset returns an error if this machine can never read a dataset folder in the stage of an
// activity.
func (a *Activities) checkDataset(ctx context.Context, dir string) error {
	folder := room.Folder{Files: dataset.Sizes(os.DirFS(dir))}
	return a.fits(folder.Needs(workOf(ctx)), a.HostMemory)
}

// workOf returns the name of an activity's stage among those that take room.
func workOf(ctx context.Context) string {
	p, ok := ctx.Value(heartbeatKey{}).(*heartbeat)
	if !ok {
		return "reading the dataset"
	}
	latest, _ := p.read()
	if latest.Stage == "import" {
		return room.IndexWork
	}
	return latest.Stage // how much more a training reads depends on its method, an evaluation on its task
}

// packedExtensions are the extensions of packed files.
var packedExtensions = []string{".gz", ".zip", ".bz2", ".zst", ".xz", ".tgz"}

// checkImport returns an error if the scratch folder has too little room for an import now.
func (a *Activities) checkImport(ctx context.Context, data spec.Data) error {
	needs := a.importNeeds(ctx, data)
	_, free := room.Disk(a.Scratch)
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
	_, free := room.Disk(a.Scratch)
	if err := room.CheckDisk(student, train, free); err != nil {
		return fmt.Errorf("%w: %w", errScratchFull, err)
	}
	return nil
}
