// Package storage keeps everything that outlives a process in one blob bucket: content-addressed
// artifacts, the cache of stages, finished rationales, checkpoints, and the records of runs. In:
// bytes and folders; out: [Ref]s, which are small enough to travel as workflow payloads. Content is
// hashed when it is written and again when it is read. The keys are documented in key.go.
package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"gocloud.dev/blob"
	_ "gocloud.dev/blob/azureblob" // azblob:// buckets
	_ "gocloud.dev/blob/fileblob"  // file:// buckets
	_ "gocloud.dev/blob/gcsblob"   // gs:// buckets
	_ "gocloud.dev/blob/memblob"   // mem:// buckets, for tests
	_ "gocloud.dev/blob/s3blob"    // s3:// buckets
	"gocloud.dev/gcerrors"

	"rdrec/internal/document"
	"rdrec/internal/progress"
	"rdrec/internal/untrusted"
)

// Bucket holds all artifacts and records. It is safe for concurrent use.
type Bucket struct {
	blob *blob.Bucket
	url  string
	// fsync waits until a file or a folder is on the disk.
	fsync    func(*os.File) error
	requests requestCounter
	cache    *cache // nil for none
}

// Open opens the bucket at a URL: file:///path, s3://, gs://, azblob:// or mem://. The folder of a
// file bucket is created if its parent exists.
func Open(ctx context.Context, rawURL string) (*Bucket, error) {
	full, err := withFileOptions(rawURL)
	if err != nil {
		return nil, err
	}
	b, err := blob.OpenBucket(ctx, full)
	if err != nil {
		return nil, fmt.Errorf("open bucket %q: %w", document.Redact(rawURL), redact(err))
	}
	if _, err := b.IsAccessible(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("reach bucket %q: %w", document.Redact(rawURL), redact(err)), b.Close())
	}
	return &Bucket{blob: b, url: rawURL, fsync: (*os.File).Sync}, nil
}

// withFileOptions adds the options of a file bucket: temporary files beside their targets (a rename
// must not cross disks), no side files for metadata, and creation of the folder.
func withFileOptions(rawURL string) (string, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return "", fmt.Errorf("parse bucket URL %q: %w", document.Redact(rawURL), redact(err))
	}
	if u.Scheme != "file" {
		return rawURL, nil
	}
	q := u.Query()
	for key, value := range map[string]string{"no_tmp_dir": "true", "metadata": "skip", "create_dir": "true"} {
		if !q.Has(key) {
			q.Set(key, value)
		}
	}
	u.RawQuery = q.Encode()
	return u.String(), nil
}

// Close releases the bucket.
func (b *Bucket) Close() error { return b.blob.Close() }

// URL returns the place of an object for people: a path for a file bucket, a URL for others.
func (b *Bucket) URL(key string) string {
	if folder := b.folder(); folder != "" {
		return filepath.Join(folder, filepath.FromSlash(key))
	}
	return strings.TrimSuffix(strings.SplitN(b.url, "?", 2)[0], "/") + "/" + key
}

// folder returns the folder of a file bucket, empty for others.
func (b *Bucket) folder() string {
	u, err := url.Parse(b.url)
	if err != nil || u.Scheme != "file" {
		return ""
	}
	return filepath.Clean(filepath.FromSlash(u.Path))
}

// read returns the whole object at key, of at most [untrusted.MaxObject] bytes.
func (b *Bucket) read(ctx context.Context, key string) ([]byte, error) {
	r, err := b.open(ctx, key)
	if err != nil {
		return nil, classify("read", key, err)
	}
	data, err := untrusted.ReadAll(progress.Reader(ctx, r), untrusted.MaxObject)
	if err = errors.Join(err, r.Close()); errors.Is(err, untrusted.ErrTooLarge) {
		return nil, &CorruptError{key, err.Error()}
	}
	if err != nil {
		return nil, classify("read", key, err)
	}
	return data, nil
}

// open opens the object at key for reading.
func (b *Bucket) open(ctx context.Context, key string) (*blob.Reader, error) {
	b.requests.reads.Add(1)
	return b.blob.NewReader(ctx, key, nil) //nolint:wrapcheck // callers classify it
}

// write stores data at key, completely or not at all.
func (b *Bucket) write(ctx context.Context, key string, data []byte) error {
	return b.writeFrom(ctx, key, bytes.NewReader(data))
}

// writeFrom stores all of r at key, completely or not at all: a cancelled writer leaves no object.
func (b *Bucket) writeFrom(ctx context.Context, key string, r io.Reader) error {
	disk := &disk{root: b.folder(), fsync: b.fsync}
	defer disk.close()
	options := &blob.WriterOptions{ContentType: "application/octet-stream", BeforeWrite: disk.watch}
	if err := b.copyTo(ctx, key, r, options); err != nil {
		return classify("write", key, err)
	}
	if err := disk.sync(); err != nil {
		return classify("write", key, err)
	}
	return nil
}

// list returns the keys under prefix in order.
func (b *Bucket) list(ctx context.Context, prefix string) ([]string, error) {
	var keys []string
	err := b.scan(ctx, prefix, func(o object) error {
		keys = append(keys, o.key)
		return nil
	})
	return keys, err
}

// object is an entry of a listing.
type object struct {
	key     string
	size    int64
	written time.Time
	md5     []byte
}

// copyTo writes r to key. A writer that is cancelled before it is closed leaves no object; one that
// is only closed would leave a partial one. Azure's writer panics when it is cancelled (gocloud.dev
// 0.47.0), and there an interrupted upload leaves no object anyway.
func (b *Bucket) copyTo(ctx context.Context, key string, r io.Reader, options *blob.WriterOptions) error {
	b.requests.writes.Add(1)
	if strings.HasPrefix(b.url, "azblob:") {
		return b.blob.Upload(ctx, key, progress.Reader(ctx, r), options)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w, err := b.blob.NewWriter(ctx, key, options)
	if err != nil {
		return err
	}
	if _, err := io.Copy(w, progress.Reader(ctx, r)); err != nil {
		cancel()
		return errors.Join(err, ignoreCanceled(w.Close()))
	}
	return w.Close()
}

func ignoreCanceled(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// scan visits the objects under prefix in the order of their keys.
func (b *Bucket) scan(ctx context.Context, prefix string, visit func(object) error) error {
	b.requests.lists.Add(1)
	for it := b.blob.List(&blob.ListOptions{Prefix: prefix}); ; {
		o, err := it.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return classify("list", prefix, err)
		}
		if err := visit(object{o.Key, o.Size, o.ModTime, o.MD5}); err != nil {
			return err
		}
	}
}

// remove deletes the objects at keys; an object that is gone already is no error.
func (b *Bucket) remove(ctx context.Context, keys ...string) error {
	for _, key := range keys {
		b.requests.deletes.Add(1)
		if err := b.blob.Delete(ctx, key); err != nil && gcerrors.Code(err) != gcerrors.NotFound {
			return classify("delete", key, err)
		}
	}
	return nil
}

// quarantine moves an object out of the way, so that it is never read again but can still be
// inspected.
func (b *Bucket) quarantine(ctx context.Context, key string) error {
	disk := &disk{root: b.folder(), fsync: b.fsync}
	defer disk.close()
	b.requests.writes.Add(1)
	if err := b.blob.Copy(ctx, quarantineKey(key), key, &blob.CopyOptions{BeforeCopy: disk.watch}); err != nil {
		return classify("quarantine", key, err)
	}
	if err := disk.sync(); err != nil { // the copy may be the only sign of a corrupt checkpoint
		return classify("quarantine", key, err)
	}
	return b.remove(ctx, key)
}

// classify wraps the error of a failed operation as not found, disk full, or neither.
func classify(verb, key string, err error) error {
	err = redact(err)
	switch {
	case err == nil:
		return nil
	case gcerrors.Code(err) == gcerrors.NotFound:
		return fmt.Errorf("%s %q: %w", verb, key, ErrNotFound)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("%s %q: %w: %w", verb, key, ErrFull, err)
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("%s %q (is the bucket writable?): %w", verb, key, err)
	default:
		return fmt.Errorf("%s %q: %w", verb, key, err)
	}
}
