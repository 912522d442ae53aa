package storage

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"rdrec/internal/untrusted"
)

// cache keeps content on the local disk under its hash, so that the stages that run on one machine
// fetch it once. Content is checked again whenever it is used, so a damaged file is no content. The
// least recently used content goes first.
type cache struct {
	dir   string
	limit int64

	mutex sync.Mutex
	files map[string]cached // by digest
	size  int64

	hits atomic.Int64
}

type cached struct {
	size int64
	used time.Time
}

// UseCache keeps up to limit bytes of content in a folder, which is made if needed and may have
// content of an earlier process. A bucket of files needs no cache and uses none.
func (b *Bucket) UseCache(dir string, limit int64) error {
	if b.folder() != "" || limit <= 0 {
		return nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the cache of the bucket: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("read the cache of the bucket: %w", err)
	}
	c := &cache{dir: dir, limit: limit, files: map[string]cached{}}
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil || !info.Mode().IsRegular() || !validDigest(entry.Name()) {
			continue // gone meanwhile, or not ours
		}
		c.files[entry.Name()] = cached{info.Size(), info.ModTime()}
		c.size += info.Size()
	}
	c.evict()
	b.cache = c
	return nil
}

// CacheHits returns how often the cache had content that was asked for.
func (b *Bucket) CacheHits() int64 {
	if b.cache == nil {
		return 0
	}
	return b.cache.hits.Load()
}

func (c *cache) path(digest string) string { return filepath.Join(c.dir, digest) }

// open returns the content of ref if the cache has it; nil if not. The caller checks its hash.
func (c *cache) open(ref Ref, now time.Time) *os.File {
	if c == nil {
		return nil
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	found, ok := c.files[ref.Digest]
	if !ok {
		return nil
	}
	f, err := os.Open(c.path(ref.Digest))
	if err != nil || found.size != ref.Size {
		c.drop(ref.Digest)
		return nil
	}
	c.hits.Add(1)
	found.used = now
	c.files[ref.Digest] = found
	_ = os.Chtimes(f.Name(), now, now) //nolint:errcheck // only the order of a later process
	return f
}

// forget removes content that turned out to be damaged.
func (c *cache) forget(ref Ref) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.drop(ref.Digest)
}

// drop removes content; the mutex is held.
func (c *cache) drop(digest string) {
	c.size -= c.files[digest].size
	delete(c.files, digest)
	_ = os.Remove(c.path(digest))
}

// add keeps the content of ref, which the file at path has. A cache that cannot keep it, such as
// one on a full disk, is only slower.
func (c *cache) add(ref Ref, path string, now time.Time) {
	if c == nil || ref.Size > c.limit {
		return
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if _, ok := c.files[ref.Digest]; ok {
		return
	}
	if err := linkOrCopy(path, c.path(ref.Digest)); err != nil && !errors.Is(err, fs.ErrExist) {
		_ = os.Remove(c.path(ref.Digest)) // a part of it at most
		return
	}
	c.files[ref.Digest] = cached{ref.Size, now}
	c.size += ref.Size
	c.evict()
}

// addData is [cache.add] for content in memory.
func (c *cache) addData(ref Ref, data []byte, now time.Time) {
	if c == nil || int64(len(data)) > c.limit {
		return
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if _, ok := c.files[ref.Digest]; ok {
		return
	}
	if err := os.WriteFile(c.path(ref.Digest), data, 0o600); err != nil {
		_ = os.Remove(c.path(ref.Digest)) // a part of it at most
		return
	}
	c.files[ref.Digest] = cached{int64(len(data)), now}
	c.size += int64(len(data))
	c.evict()
}

// read returns the content of ref if the cache has it undamaged; nil if not.
func (c *cache) read(ref Ref, now time.Time) []byte {
	f := c.open(ref, now)
	if f == nil {
		return nil
	}
	defer f.Close() // reading only
	data, err := untrusted.ReadAll(f, untrusted.MaxObject)
	if err != nil || Digest(data) != ref.Digest {
		c.forget(ref)
		return nil
	}
	return data
}

// evict removes the least recently used content beyond the limit; the mutex is held, or nobody else
// has the cache yet.
func (c *cache) evict() {
	if c.size <= c.limit {
		return
	}
	digests := make([]string, 0, len(c.files))
	for digest := range c.files {
		digests = append(digests, digest)
	}
	slices.SortFunc(digests, func(a, b string) int { return c.files[a].used.Compare(c.files[b].used) })
	for _, digest := range digests {
		if c.size <= c.limit {
			return
		}
		c.drop(digest)
	}
}

// linkOrCopy makes a file that has the content of another one, without copying where both are on
// one disk.
func linkOrCopy(from, to string) (err error) {
	if err := os.Link(from, to); err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	source, err := os.Open(from) //nolint:gosec // a file of our own
	if err != nil {
		return err
	}
	defer source.Close()                                                     // reading only
	target, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600) //nolint:gosec // in our own folder
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, target.Close()) }()
	_, err = io.Copy(target, source)
	return err
}
