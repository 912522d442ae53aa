package activities

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"sort"

	"rdrec/internal/dataset"
	"rdrec/internal/progress"
	"rdrec/internal/room"
	"rdrec/internal/spec"
	"rdrec/internal/token"
	"rdrec/internal/untrusted"
	"rdrec/registry"
)

// IdentifyInput names everything outside the bucket that an experiment reads.
type IdentifyInput struct {
	Data    spec.Data    `json:"data"`
	Teacher spec.Teacher `json:"teacher"`
	// UsesTeacher reports whether the methods need a teacher at all.
	UsesTeacher bool `json:"uses_teacher"`
	// ChecksEntailment reports whether a teacher checks explanations, whatever the methods and the
	// data.
	ChecksEntailment bool         `json:"checks_entailment,omitempty"`
	Student          spec.Student `json:"student"`
	// Train configures the training of a student, whose memory is estimated; it identifies nothing.
	Train spec.Train `json:"train,omitzero"`
}

// IdentifyResult is the digests of what an experiment reads from outside the bucket, and what the
// work on it takes.
type IdentifyResult struct {
	registry.Identity
	Room []room.Need `json:"room,omitempty"`
}

// Identify hashes the raw data, the teacher's weights and the student's starting weights.
func (a *Activities) Identify(ctx context.Context, in IdentifyInput) (out IdentifyResult, err error) {
	ctx, p := a.startHeartbeat(ctx, "identify")
	defer p.stop()
	defer func() { err = temporalError(ctx, err) }()
	if out.Room, err = a.checkInputs(ctx, in); err != nil {
		return out, err
	}
	if out.Identity, err = a.identify(ctx, in); err != nil {
		return out, err
	}
	return out, a.checkPretrained(in.Student.Pretrained)
}

// checkPretrained returns an error if a folder cannot start a student, before anything is computed
// for it. An empty folder is none.
func (a *Activities) checkPretrained(dir string) error {
	if dir == "" {
		return nil
	}
	if _, err := token.OpenStudent(dir); errors.Is(err, token.ErrTokenizer) {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	} else if err != nil {
		return err
	}
	return a.Students.CheckPretrained(dir)
}

func (a *Activities) identify(ctx context.Context, in IdentifyInput) (id registry.Identity, err error) {
	if id.Data, err = digestData(ctx, in.Data); err != nil {
		return id, fmt.Errorf("read the data: %w", err)
	}
	if in.Data.Pseudonyms {
		if id.UserKey, err = a.UserKey.Required(); err != nil {
			return id, err
		}
	}
	needed, err := a.needsTeacher(ctx, in)
	if err != nil {
		return id, err
	}
	if needed {
		if id.Teacher, err = a.Teachers.Digest(ctx, in.Teacher); err != nil {
			return id, fmt.Errorf("identify teacher %q: %w", in.Teacher.Model, err)
		}
	}
	if in.Student.Pretrained != "" {
		if id.Student, err = digestFiles(ctx, filepath.Join(in.Student.Pretrained, "*")); err != nil {
			return id, fmt.Errorf("read the student's weights: %w", err)
		}
	}
	return id, nil
}

// digestData identifies the raw data: files of this machine by their content, those of URLs by what
// their buckets know of it. Reviews that a nightly run accumulated are in the bucket under their
// hash already.
func digestData(ctx context.Context, data spec.Data) (string, error) {
	switch {
	case data.Accumulated != nil && data.Reviews.Metadata == "":
		return data.Accumulated.Reviews.Digest, nil
	case data.Accumulated != nil:
		titles, err := digestSources(ctx, data.Reviews.Metadata)
		return data.Accumulated.Reviews.Digest + titles, err
	case data.Reviews != nil:
		return digestSources(ctx, data.Reviews.Path, data.Reviews.Metadata)
	default:
		return digestFolder(ctx, data.Folder)
	}
}

// needsTeacher reports whether a method trains on rationales and the data lack any, or explanations
// are checked. A folder that has all rationales needs no teacher to train on, so the spec's teacher
// need not exist.
func (a *Activities) needsTeacher(ctx context.Context, in IdentifyInput) (bool, error) {
	switch {
	case in.ChecksEntailment:
		return true, nil
	case !in.UsesTeacher || in.Data.Reviews != nil:
		return in.UsesTeacher, nil
	}
	folder, release, err := LocalPath(ctx, a.Sources, in.Data.Folder)
	if err != nil {
		return false, err
	}
	defer release()
	if hasTables(folder) {
		dir, remove, err := a.scratch(ctx)
		if err != nil {
			return false, err
		}
		defer remove()
		if folder, err = a.textFolder(ctx, folder, dir); err != nil {
			return false, err
		}
	}
	data, err := readFolder(folder)
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(slices.Concat(data.Explanations.Train, data.Explanations.Val, data.Explanations.Test),
		func(e dataset.Explanation) bool { return !e.HasRationale() }), nil
}

// digestFiles hashes the files that match a pattern. A pattern without a match is an error.
func digestFiles(ctx context.Context, pattern string) (string, error) {
	paths, err := filepath.Glob(pattern)
	if err != nil {
		return "", fmt.Errorf("pattern %q: %w: %w", pattern, ErrInvalid, err)
	}
	if len(paths) == 0 {
		return "", fmt.Errorf("%w: no file matches %q", ErrInvalid, pattern)
	}
	sort.Strings(paths)
	return digest(ctx, paths)
}

// digest hashes the names and contents of files.
func digest(ctx context.Context, paths []string) (string, error) {
	h := sha256.New()
	for _, path := range paths {
		if err := digestFile(ctx, h, path); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func digestFile(ctx context.Context, w io.Writer, path string) (err error) {
	f, err := untrusted.Open(path)
	if errors.Is(err, untrusted.ErrIrregular) {
		return nil // a folder, which nothing reads
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(w, "%s %d\n", filepath.Base(path), info.Size()); err != nil {
		return err
	}
	_, err = io.Copy(w, progress.Reader(ctx, f))
	return err
}
