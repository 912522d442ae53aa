package main

import (
	"context"
	"fmt"
	"path"

	"rdrec/activities"
	"rdrec/internal/gguf"
	"rdrec/internal/llama"
	"rdrec/internal/spec"
	"rdrec/storage/remote"
)

// findWeights returns the files of a teacher whose weights are at a URL: those that [llama.Files]
// returns for the same folder on a disk.
func findWeights(ctx context.Context, form llama.Format, place string) (files remote.Files, err error) {
	u, err := spec.ParseURL(place)
	if err != nil {
		return files, fmt.Errorf("%w: the teacher's weights: it %w", activities.ErrInvalid, err)
	}
	if form == llama.GGUF {
		files, err = remote.FindObjects(ctx, u, gguf.Parts(u.Key)...)
	} else {
		files, err = remote.Find(ctx, u, func(names []string) []string { return llama.Choose(form, names) })
	}
	return files, activities.SourceError(err)
}

// localWeights returns the path of weights on this machine's disk, where they stay until release is
// called.
func (t teachers) localWeights(
	ctx context.Context, form llama.Format, place string,
) (local string, release func(), err error) {
	if !spec.IsURL(place) {
		return place, func() {}, nil
	}
	files, err := findWeights(ctx, form, place)
	if err != nil {
		return "", nil, err
	}
	local, release, err = t.sources.Get(ctx, files)
	if err != nil {
		return "", nil, activities.SourceError(err)
	}
	if len(files.List) > 1 && form == llama.GGUF { // the first part names the others
		local = path.Join(local, files.List[0].Name)
	}
	return local, release, nil
}
