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

	"rdrec/internal/untrusted"
)

// Export writes content to a target outside the bucket under a name, completely or not at all. The
// target is a folder, or the URL of a bucket whose path is a prefix in it. Export returns the place
// of the content.
func (b *Bucket) Export(ctx context.Context, ref Ref, target, name string) (string, error) {
	if !strings.Contains(target, "://") {
		to, err := untrusted.Join(target, name)
		if err != nil {
			return "", err
		}
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

// splitTarget splits a URL into a bucket's URL and a prefix. A file bucket is the folder itself.
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

// exportFile writes a file beside the target and renames it.
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
	file := filepath.Join(dir, "content") // verified before any of it is written to the target
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
