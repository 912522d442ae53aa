package activities

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"

	"rdrec/internal/dataset"
	"rdrec/internal/indexing"
	"rdrec/internal/spec"
	"rdrec/storage"
)

// IdentifyInput names everything outside the bucket that an experiment reads.
type IdentifyInput struct {
	Data    spec.Data    `json:"data"`
	Teacher spec.Teacher `json:"teacher"`
	// UsesTeacher says whether the teacher is needed at all.
	UsesTeacher bool         `json:"uses_teacher"`
	Student     spec.Student `json:"student"`
}

// Identity is the digests of what an experiment reads from outside the bucket: they are part of the
// stages' fingerprints, so a changed file is a changed input.
type Identity struct {
	Data    string `json:"data"`
	Teacher string `json:"teacher,omitempty"`
	Student string `json:"student,omitempty"`
}

// Identify hashes the raw data, the teacher's weights and the student's starting weights.
func (a *Activities) Identify(ctx context.Context, in IdentifyInput) (id Identity, err error) {
	ctx, p := a.startHeartbeat(ctx, "identify")
	defer p.stop()
	defer func() { err = temporalError(ctx, err) }()
	if id.Data, err = digestData(in.Data); err != nil {
		return id, fmt.Errorf("read the data: %w", err)
	}
	needed, err := needsTeacher(in)
	if err != nil {
		return id, err
	}
	if needed {
		if id.Teacher, err = a.Teachers.Digest(ctx, in.Teacher); err != nil {
			return id, fmt.Errorf("identify teacher %q: %w", in.Teacher.Model, err)
		}
	}
	if in.Student.Pretrained != "" {
		if id.Student, err = digestFiles(filepath.Join(in.Student.Pretrained, "*")); err != nil {
			return id, fmt.Errorf("read the student's weights: %w", err)
		}
	}
	return id, nil
}

// digestData hashes the raw data. What a night accumulated lies in the bucket under its hash
// already.
func digestData(data spec.Data) (string, error) {
	switch {
	case data.Accumulated != nil && data.Reviews.Metadata == "":
		return data.Accumulated.Reviews.Digest, nil
	case data.Accumulated != nil:
		titles, err := digestFiles(data.Reviews.Metadata)
		return data.Accumulated.Reviews.Digest + titles, err
	case data.Reviews != nil:
		return digestFiles(data.Reviews.Path, data.Reviews.Metadata)
	default:
		return digestFiles(filepath.Join(data.Folder, "*"))
	}
}

// needsTeacher says whether a method learns rationales and the data lack any: a folder that holds
// them all needs no teacher, so the one of the spec does not have to be here.
func needsTeacher(in IdentifyInput) (bool, error) {
	if !in.UsesTeacher || in.Data.Reviews != nil {
		return in.UsesTeacher, nil
	}
	data, err := readFolder(in.Data.Folder)
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(slices.Concat(data.Explanations.Train, data.Explanations.Val, data.Explanations.Test),
		func(e dataset.Explanation) bool { return !e.HasRationale() }), nil
}

// digestFiles hashes the names and contents of the files that the patterns match. A pattern that
// matches nothing is an error.
func digestFiles(patterns ...string) (string, error) {
	h := sha256.New()
	for _, pattern := range patterns {
		if pattern == "" {
			continue
		}
		paths, err := filepath.Glob(pattern)
		if err != nil {
			return "", fmt.Errorf("pattern %q: %w: %w", pattern, ErrInvalid, err)
		}
		if len(paths) == 0 {
			return "", fmt.Errorf("%w: no file matches %q", ErrInvalid, pattern)
		}
		sort.Strings(paths)
		for _, path := range paths {
			if err := digestFile(h, path); err != nil {
				return "", err
			}
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func digestFile(w io.Writer, path string) (err error) {
	f, err := os.Open(path) //nolint:gosec // the user's own data
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return err
	}
	if _, err := fmt.Fprintf(w, "%s %d\n", filepath.Base(path), info.Size()); err != nil {
		return err
	}
	_, err = io.Copy(w, f)
	return err
}

// ImportInput is the settings of [Activities.Import].
type ImportInput struct {
	// Data names its numbering in full.
	Data spec.Data `json:"data"`
	// Seed numbers the items; 0 where the numbering has no seed.
	Seed int64 `json:"seed"`
}

// Import makes a dataset artifact of raw reviews or of a folder in RDRec's format.
func (a *Activities) Import(ctx context.Context, in ImportInput) (ref storage.Ref, err error) {
	ctx, work, err := a.begin(ctx, "import")
	defer work.finish(&err)
	if err != nil {
		return ref, err
	}
	out := work.dir
	switch {
	case in.Data.Accumulated != nil:
		out = filepath.Join(work.dir, "dataset")
		err = a.importAccumulated(ctx, in, work.dir, out)
	case in.Data.Reviews != nil:
		err = a.importReviews(ctx, in, out)
	default:
		err = importFolder(in, out)
	}
	if err != nil {
		return ref, err
	}
	return a.Bucket.PutFolder(ctx, "dataset", out)
}

// importAccumulated imports what a night gathered, and gives known users and items the numbers that
// they have in the dataset that the night goes on from.
func (a *Activities) importAccumulated(ctx context.Context, in ImportInput, dir, out string) error {
	from := *in.Data.Accumulated
	parts := filepath.Join(dir, "reviews")
	if err := a.Bucket.GetFolder(ctx, storage.Ref(from.Reviews), parts); err != nil {
		return err
	}
	reviews := *in.Data.Reviews
	reviews.Path = filepath.Join(parts, partsFolder, "*")
	in.Data.Reviews = &reviews
	if err := a.importReviews(ctx, in, out); err != nil {
		return err
	}
	if from.PreviousDataset.Digest == "" {
		return nil
	}
	old, err := a.readDataset(ctx, storage.Ref(from.PreviousDataset), filepath.Join(dir, "previous"))
	if err != nil {
		return err
	}
	data, err := readFolder(out)
	if err != nil {
		return err
	}
	if err := data.KeepIDs(old); err != nil {
		return fmt.Errorf("keep the item ids of dataset %s: %w: %w", from.PreviousDataset.Digest, ErrData, err)
	}
	return dataset.Write(out, data)
}

// importReviews numbers items at random or by appearance inside DuckDB, out of core; the other
// numberings need the dataset in memory.
func (a *Activities) importReviews(ctx context.Context, in ImportInput, dir string) error {
	name := in.Data.Indexing
	err := a.Importer.Import(ctx, ImportJob{
		Reviews: *in.Data.Reviews, Appearance: name == spec.Appearance, Seed: in.Seed, Dir: dir,
	})
	if err != nil {
		return err
	}
	if name == spec.Appearance || name == spec.Random {
		return writeJSON(filepath.Join(dir, indexingRecord), indexing.Record{Indexing: name, Seed: in.Seed})
	}
	data, err := dataset.Read(os.DirFS(dir), filepath.Base(dir))
	if err != nil {
		return fmt.Errorf("read imported reviews: %w", err)
	}
	return writeIndexed(dir, data, in)
}

// importFolder reads a dataset folder, which checks it whole, and writes it anew with the items
// numbered.
func importFolder(in ImportInput, to string) error {
	data, err := readFolder(in.Data.Folder)
	if err != nil {
		return err
	}
	return writeIndexed(to, data, in)
}

// indexingRecord stands beside the dataset and says how items were numbered.
const indexingRecord = "indexing.json"

// writeIndexed writes a dataset folder whose items are numbered as the settings say.
func writeIndexed(dir string, data *dataset.Dataset, in ImportInput) error {
	record, err := indexing.Apply(data, in.Data.Indexing, in.Seed)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if err := dataset.Write(dir, data); err != nil {
		return err
	}
	return writeJSON(filepath.Join(dir, indexingRecord), record)
}

func readFolder(path string) (*dataset.Dataset, error) {
	data, err := dataset.Read(os.DirFS(path), filepath.Base(path))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("folder %q: %w: %w", path, ErrInvalid, err)
	}
	if err != nil {
		return nil, fmt.Errorf("folder %q: %w: %w", path, ErrData, err)
	}
	return data, nil
}
