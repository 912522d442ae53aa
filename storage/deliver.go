package storage

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// Deliver writes content to a place outside of the bucket, under a name: whole, or not at all. The place is a folder, or the URL of a
// bucket, whose path is where in it. It returns where the content is.
func (b *Bucket) Deliver(ctx context.Context, ref Ref, place, name string) (string, error) {
	if !strings.Contains(place, "://") {
		to := filepath.Join(place, name)
		return to, b.deliverFile(ctx, ref, to)
	}
	bucketURL, prefix, err := splitPlace(place)
	if err != nil {
		return "", err
	}
	other, err := Open(ctx, bucketURL)
	if err != nil {
		return "", err
	}
	key := path.Join(prefix, name)
	return other.Where(key), errors.Join(b.deliverObject(ctx, ref, other, key), other.Close())
}

// splitPlace cuts a URL into a bucket's and a prefix; a file bucket is the folder itself.
func splitPlace(place string) (bucketURL, prefix string, err error) {
	u, err := url.Parse(place)
	if err != nil {
		return "", "", fmt.Errorf("parse %q: %w", place, err)
	}
	if u.Scheme == "file" {
		return place, "", nil
	}
	prefix = strings.Trim(u.Path, "/")
	u.Path = ""
	return u.String(), prefix, nil
}

// deliverFile writes beside the target and renames.
func (b *Bucket) deliverFile(ctx context.Context, ref Ref, to string) error {
	part := to + ".part"
	if err := b.GetFile(ctx, ref, part); err != nil {
		return err
	}
	err := syncPath(part, b.fsync)
	if err == nil {
		err = os.Rename(part, to)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write %q: %w", to, err), os.Remove(part))
	}
	return syncPath(filepath.Dir(to), b.fsync)
}

func (b *Bucket) deliverObject(ctx context.Context, ref Ref, other *Bucket, key string) error {
	dir, err := os.MkdirTemp("", "rdrec-deliver-")
	if err != nil {
		return fmt.Errorf("make a temporary folder: %w", err)
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "content") // checked before any of it is written
	if err := b.GetFile(ctx, ref, file); err != nil {
		return err
	}
	f, err := os.Open(file)
	if err != nil {
		return fmt.Errorf("read %q: %w", file, err)
	}
	defer f.Close()
	return other.writeFrom(ctx, key, f)
}
