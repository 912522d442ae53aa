package main

import (
	"context"
	"maps"
	"slices"

	"github.com/dustin/go-humanize"

	"rdrec/internal/spec"
	"rdrec/storage/remote"
)

// checkURLs looks for the files that a spec names by URLs, with the credentials of this machine;
// those of the workers may be others.
func (d *doctor) checkURLs(ctx context.Context, s spec.Spec) {
	places := s.Places()
	for _, key := range slices.Sorted(maps.Keys(places)) {
		if _, inBucket := spec.PathOf(places[key]); inBucket {
			d.checkURL(ctx, key, places[key])
		}
	}
}

func (d *doctor) checkURL(ctx context.Context, key, place string) {
	u, err := spec.ParseURL(place)
	if err != nil {
		d.failWith(key, err)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	files, err := remote.Find(ctx, u, nil)
	if err != nil {
		d.fail(key, err.Error(), remote.Hint(err))
		return
	}
	size := uint64(files.Bytes()) //nolint:gosec // not negative
	d.ok(key, "%s: %s, %s; a worker fetches them once", u, plural(len(files.List), "file"),
		humanize.IBytes(size))
}
