package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"rdrec/activities"
	"rdrec/internal/room"
	"rdrec/internal/spec"
	"rdrec/storage/remote"
)

// openSources returns the cache of the files of URLs in a folder, of at most limit bytes; 0 means
// half of its disk.
func openSources(folder string, limit int64) *remote.Cache {
	if limit == 0 {
		limit = diskSize(folder) / 2
	}
	return remote.NewCache(folder, limit)
}

// diskSize returns the size of the disk of a folder that may not exist yet; 0 if it is unknown.
func diskSize(folder string) int64 {
	for {
		if total, _ := room.Disk(folder); total > 0 {
			return total
		}
		parent := filepath.Dir(folder)
		if parent == folder {
			return 0
		}
		folder = parent
	}
}

// fetchReviews replaces URLs of reviews by files beside the folder that an import writes, which
// remove deletes.
func fetchReviews(ctx context.Context, reviews *spec.Reviews, out string) (remove func() error, err error) {
	folder := out + ".sources"
	sources := openSources(folder, 0)
	var releases []func()
	remove = func() error {
		for _, release := range releases {
			release()
		}
		return os.RemoveAll(folder)
	}
	for _, place := range []*string{&reviews.Path, &reviews.Metadata} {
		local, release, err := activities.LocalPath(ctx, sources, *place)
		if err != nil {
			return nil, errors.Join(err, remove())
		}
		releases = append(releases, release)
		*place = local
	}
	return remove, nil
}
