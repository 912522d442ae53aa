package storage

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"path/filepath"
	"sort"

	"golang.org/x/sync/errgroup"

	"rdrec/internal/untrusted"
)

// Artifact is a folder of files that is written once. Its own content lists each file's hash, so
// one [Ref] identifies the whole folder.
type Artifact struct {
	// Kind is the type of the folder: dataset, rationales, model, evaluation, report and so on.
	Kind string `json:"kind"`
	// Files are sorted by their slash-separated names.
	Files []File `json:"files"`
}

// File is one file of an artifact or a checkpoint.
type File struct {
	Name string `json:"name"`
	Ref
}

// PutFolder stores every file under dir, and then the artifact that lists them.
func (b *Bucket) PutFolder(ctx context.Context, kind, dir string) (Ref, error) {
	names, err := filesUnder(dir)
	if err != nil {
		return Ref{}, fmt.Errorf("store %s: %w", kind, err)
	}
	artifact := Artifact{Kind: kind, Files: make([]File, len(names))}
	err = inParallel(ctx, len(names), func(ctx context.Context, i int) error {
		ref, err := b.PutFile(ctx, filepath.Join(dir, filepath.FromSlash(names[i])))
		artifact.Files[i] = File{names[i], ref}
		return err
	})
	if err != nil {
		return Ref{}, fmt.Errorf("store %s: %w", kind, err)
	}
	return b.PutArtifact(ctx, artifact)
}

// Artifact returns the list of files of ref.
func (b *Bucket) Artifact(ctx context.Context, ref Ref) (Artifact, error) {
	data, err := b.Get(ctx, ref)
	if err != nil {
		return Artifact{}, err
	}
	var a Artifact
	if err := json.Unmarshal(data, &a); err != nil {
		return Artifact{}, &CorruptError{contentKey(ref.Digest), "not an artifact manifest: " + err.Error()}
	}
	for _, f := range a.Files {
		if _, err := untrusted.Join("", f.Name); err != nil {
			return Artifact{}, &CorruptError{contentKey(ref.Digest), err.Error()}
		}
	}
	return a, nil
}

// GetFolder writes the artifact's files under dir and checks each file's hash.
func (b *Bucket) GetFolder(ctx context.Context, ref Ref, dir string) error {
	artifact, err := b.Artifact(ctx, ref)
	if err != nil {
		return err
	}
	return inParallel(ctx, len(artifact.Files), func(ctx context.Context, i int) error {
		f := artifact.Files[i]
		path, err := untrusted.Join(dir, f.Name)
		if err != nil {
			return err
		}
		if err := b.GetFile(ctx, f.Ref, path); err != nil {
			return fmt.Errorf("fetch %q of %s: %w", f.Name, artifact.Kind, err)
		}
		return nil
	})
}

// maxTransfers is how many objects of a folder or of a list are transferred at a time.
const maxTransfers = 16

// inParallel calls do for each of n items, some at a time, and returns the first error, which
// cancels the others.
func inParallel(ctx context.Context, n int, do func(ctx context.Context, i int) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(maxTransfers)
	for i := range n {
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return do(ctx, i)
		})
	}
	return group.Wait() //nolint:wrapcheck // do's own
}

// ReadArtifactFile returns one file of an artifact.
func (b *Bucket) ReadArtifactFile(ctx context.Context, ref Ref, name string) ([]byte, error) {
	file, err := b.ArtifactFile(ctx, ref, name)
	if err != nil {
		return nil, err
	}
	return b.Get(ctx, file)
}

// ArtifactFile returns the reference of one file of an artifact.
func (b *Bucket) ArtifactFile(ctx context.Context, ref Ref, name string) (Ref, error) {
	artifact, err := b.Artifact(ctx, ref)
	if err != nil {
		return Ref{}, err
	}
	for _, f := range artifact.Files {
		if f.Name == name {
			return f.Ref, nil
		}
	}
	return Ref{}, fmt.Errorf("file %q of %s %s: %w", name, artifact.Kind, ref.Digest, ErrNotFound)
}

// filesUnder returns the slash-separated names of the regular files under dir, sorted.
func filesUnder(dir string) ([]string, error) {
	var names []string
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		names = append(names, filepath.ToSlash(name))
		return err
	})
	sort.Strings(names)
	return names, err
}
