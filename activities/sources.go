package activities

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"syscall"

	"rdrec/internal/fileset"
	"rdrec/internal/spec"
	"rdrec/storage"
	"rdrec/storage/remote"
)

// findURL returns the files of a URL as its bucket has them now.
func findURL(ctx context.Context, path string) (remote.Files, error) {
	u, err := spec.ParseURL(path)
	if err != nil {
		return remote.Files{}, fmt.Errorf("%w: a path of the data %w", ErrInvalid, err)
	}
	files, err := remote.Find(ctx, u, nil)
	return files, SourceError(err)
}

// SourceError returns an error of package remote as one of this package, with its hint.
func SourceError(err error) error {
	switch hint := remote.Hint(err); {
	case err == nil:
		return nil
	case hint != "":
		return fmt.Errorf("%w: %w; %s", ErrInvalid, err, hint)
	case errors.Is(err, syscall.ENOSPC):
		return fmt.Errorf("%w: %w", storage.ErrFull, err)
	default:
		return err
	}
}

// LocalPath returns a path or a URL of a spec as a path whose files are on this machine's disk
// until release is called.
func LocalPath(
	ctx context.Context, sources *remote.Cache, place string,
) (local string, release func(), err error) {
	release = func() {}
	local, inBucket := spec.PathOf(place)
	if !inBucket {
		return local, release, nil
	}
	files, err := findURL(ctx, place)
	if err != nil {
		return "", release, err
	}
	local, release, err = sources.Get(ctx, files)
	if err != nil {
		return "", func() {}, SourceError(err)
	}
	return local, release, nil
}

// localData returns data whose files are on this machine's disk until release is called.
func (a *Activities) localData(ctx context.Context, data spec.Data) (local spec.Data, release func(), err error) {
	var releases []func()
	release = func() {
		for _, done := range releases {
			done()
		}
	}
	paths := []*string{&data.Folder}
	if data.Reviews != nil {
		reviews := *data.Reviews
		data.Reviews = &reviews
		paths = []*string{&reviews.Metadata}
		if data.Accumulated == nil {
			paths = append(paths, &reviews.Path)
		}
	}
	for _, path := range paths {
		found, done, err := LocalPath(ctx, a.Sources, *path)
		if err != nil {
			release()
			return data, func() {}, err
		}
		releases = append(releases, done)
		*path = found
	}
	return data, release, nil
}

// checkSource returns an error if the data are other ones than those that the run identified.
// Those of a path are not compared: hashing them takes as long as reading them.
func checkSource(ctx context.Context, in ImportInput) error {
	if in.Source == "" {
		return nil
	}
	now, err := digestData(ctx, in.Data)
	if err == nil && now != in.Source {
		err = fmt.Errorf("%w: the objects of the data changed after the run had begun: start it again", ErrInvalid)
	}
	return err
}

// digestSources identifies the files of places of raw data: files, folders, patterns or URLs. An
// empty place is none.
func digestSources(ctx context.Context, places ...string) (string, error) {
	var local []string
	var fetched []remote.Files
	for _, place := range places {
		if place == "" {
			continue
		}
		path, inBucket := spec.PathOf(place)
		if inBucket {
			files, err := findURL(ctx, place)
			if err != nil {
				return "", err
			}
			fetched = append(fetched, files)
			continue
		}
		files, _, err := fileset.Find(path)
		if err != nil {
			return "", fmt.Errorf("%w: %w", ErrInvalid, err)
		}
		local = append(local, files...)
	}
	sum, err := digest(ctx, local)
	if err != nil || len(fetched) == 0 {
		return sum, err
	}
	h := sha256.New()
	fmt.Fprintln(h, sum) // a hash never returns an error
	for _, files := range fetched {
		fmt.Fprintln(h, files.Digest())
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// digestFolder identifies the files of a dataset folder.
func digestFolder(ctx context.Context, place string) (string, error) {
	path, inBucket := spec.PathOf(place)
	if inBucket || hasTables(path) {
		return digestSources(ctx, place)
	}
	return digestFiles(ctx, filepath.Join(path, "*"))
}
