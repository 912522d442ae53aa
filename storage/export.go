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

// Export writes content to a place outside of the bucket, under a name: whole, or not at all. The
// place is a folder, or the URL of a bucket, whose path is where in it. It returns where the
// content is.
func (b *Bucket) Export(ctx context.Context, ref Ref, target, name string) (string, error) {
	if !strings.Contains(target, "://") {
		to := filepath.Join(target, name)
		return to, b.exportFile(ctx, ref, to)
	}
	bucketURL, prefix, err := splitTarget(target)
	if err != nil {
		return "", err
	}
	other, err := Open(ctx, bucketURL)
	if err != nil {
		return "", err
	}
	key := path.Join(prefix, name)
	return other.URL(key), errors.Join(b.exportObject(ctx, ref, other, key), other.Close())
}

// splitTarget cuts a URL into a bucket's and a prefix; a file bucket is the folder itself.
func splitTarget(target string) (bucketURL, prefix string, err error) {
	u, err := url.Parse(target)
	if err != nil {
		return "", "", fmt.Errorf("parse %q: %w", target, err)
	}
	if u.Scheme == "file" {
		return target, "", nil
	}
	prefix = strings.Trim(u.Path, "/")
	u.Path = ""
	return u.String(), prefix, nil
}

// exportFile writes beside the target and renames.
func (b *Bucket) exportFile(ctx context.Context, ref Ref, to string) error {
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

func (b *Bucket) exportObject(ctx context.Context, ref Ref, other *Bucket, key string) error {
	dir, err := os.MkdirTemp("", "rdrec-export-")
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
