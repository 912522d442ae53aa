package storage

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"time"

	"rdrec/internal/progress"
	"rdrec/internal/spec"
)

// Ref names immutable content by its hash. A nightly run's spec names its reviews by one, so the
// type is defined there.
type Ref = spec.Ref

// Digest returns the SHA-256 of data in hexadecimal.
func Digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// rewriteAfter is the age from which existing content is written again. Garbage collection goes by
// age, so content that is stored again must not look old ([Bucket.Collect]).
const rewriteAfter = time.Hour

// Put stores data under its hash. Content that exists already and is not old is not written again.
func (b *Bucket) Put(ctx context.Context, data []byte) (Ref, error) {
	ref := Ref{Digest: Digest(data), Size: int64(len(data))}
	there, err := b.contains(ctx, ref, rewriteAfter)
	if err != nil || there {
		return ref, err
	}
	return ref, b.write(ctx, contentKey(ref.Digest), data)
}

// PutFile stores the file at path under its hash without reading it into memory.
func (b *Bucket) PutFile(ctx context.Context, path string) (Ref, error) {
	ref, f, err := hashFile(ctx, path)
	if err != nil {
		return Ref{}, err
	}
	defer f.Close()
	b.cache.add(ref, path, clock())
	there, err := b.contains(ctx, ref, rewriteAfter)
	if err != nil || there {
		return ref, err
	}
	return ref, b.writeFrom(ctx, contentKey(ref.Digest), f)
}

// hashFile returns the file's hash and size, and the open file at its beginning.
func hashFile(ctx context.Context, path string) (Ref, *os.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return Ref{}, nil, fmt.Errorf("hash file: %w", err)
	}
	h := sha256.New()
	size, err := io.Copy(h, progress.Reader(ctx, f))
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return Ref{}, nil, errors.Join(fmt.Errorf("hash %q: %w", path, err), f.Close())
	}
	return Ref{Digest: hex.EncodeToString(h.Sum(nil)), Size: size}, f, nil
}

// contains reports whether content of ref's hash and size is stored, and was written within the
// given time (0: at any time). A truncated object has another size and is written again.
func (b *Bucket) contains(ctx context.Context, ref Ref, within time.Duration) (bool, error) {
	key := contentKey(ref.Digest)
	b.requests.heads.Add(1)
	attrs, err := b.blob.Attributes(ctx, key)
	if err = classify("look at", key, err); errors.Is(err, ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	recent := within == 0 || attrs.ModTime.After(clock().Add(-within))
	return attrs.Size == ref.Size && recent, nil
}

// Get returns the content of ref, after checking its hash.
func (b *Bucket) Get(ctx context.Context, ref Ref) ([]byte, error) {
	if !validDigest(ref.Digest) {
		return nil, &CorruptError{Key: ref.Digest, Reason: "not a SHA-256 digest"}
	}
	if data := b.cache.read(ref, clock()); data != nil {
		return data, nil
	}
	data, err := b.read(ctx, contentKey(ref.Digest))
	if err != nil {
		return nil, err
	}
	if got := Digest(data); got != ref.Digest {
		return nil, &CorruptError{
			contentKey(ref.Digest), fmt.Sprintf("its %d bytes hash to %s (%d expected)", len(data), got, ref.Size),
		}
	}
	b.cache.addData(ref, data, clock())
	return data, nil
}

// clock returns the time, by which content is old or was used recently.
func clock() time.Time { return time.Now() } //nolint:forbidigo // no result depends on it

// GetFile writes the content of ref to the file at path, after checking its hash. On error it
// leaves no file.
func (b *Bucket) GetFile(ctx context.Context, ref Ref, path string) error {
	if !validDigest(ref.Digest) {
		return &CorruptError{Key: ref.Digest, Reason: "not a SHA-256 digest"}
	}
	key := contentKey(ref.Digest)
	if f := b.cache.open(ref, clock()); f != nil {
		err := store(ctx, f, key, ref, path)
		if err := errors.Join(err, f.Close()); err == nil {
			return nil
		}
		b.cache.forget(ref)
	}
	if err := b.fetch(ctx, key, ref, path); err != nil {
		return err
	}
	b.cache.add(ref, path, clock())
	return nil
}

// fetch copies the object at key to path and checks that it is ref's content.
func (b *Bucket) fetch(ctx context.Context, key string, ref Ref, path string) (err error) {
	r, err := b.open(ctx, key)
	if err != nil {
		return classify("read", key, err)
	}
	defer r.Close()
	return store(ctx, r, key, ref, path)
}

// store writes ref's content, which r reads from key, to path. On error it leaves no file.
func store(ctx context.Context, r io.Reader, key string, ref Ref, path string) (err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return fmt.Errorf("make folder for %q: %w", path, err)
	}
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("create %q: %w", path, err)
	}
	h := sha256.New()
	size, err := io.Copy(io.MultiWriter(f, h), progress.Reader(ctx, r))
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		err = fmt.Errorf("copy %s to %q: %w", key, path, redact(err)) // a full disk is not the bucket's
	} else {
		err = check(key, ref, size, h)
	}
	if err != nil {
		_ = os.Remove(path)
	}
	return err
}

func check(key string, ref Ref, size int64, h hash.Hash) error {
	if got := hex.EncodeToString(h.Sum(nil)); got != ref.Digest {
		return &CorruptError{
			key, fmt.Sprintf("its %d bytes hash to %s; %d bytes of %s were written", size, got, ref.Size, ref.Digest),
		}
	}
	return nil
}
