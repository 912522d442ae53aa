package remote

import (
	"bufio"
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // what buckets list
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"
	"golang.org/x/sync/errgroup"

	"rdrec/internal/progress"
	"rdrec/internal/untrusted"
)

// partBytes is the size of a part of a file: what is fetched in one request, and again after a
// failure.
const partBytes = 32 << 20

// Tries of a part, and the delay before the second, which doubles.
const (
	maxTries   = 4
	firstDelay = time.Second
)

// part is a part of a file of an entry: where it begins, and its size.
type part struct {
	file       int
	from, size int64
}

// transfer is one fetch of an entry's files.
type transfer struct {
	entry
	cache  *Cache
	bucket *blob.Bucket
	done   map[part]bool

	mutex   sync.Mutex
	journal *os.File
	bytes   atomic.Int64
}

// fetch fetches what an entry lacks and returns its manifest. What was fetched stays there after an
// error.
func (c *Cache) fetch(ctx context.Context, e entry) ([]fetchedFile, error) {
	bucket, err := open(ctx, e.files.URL)
	if err != nil {
		return nil, err
	}
	defer bucket.Close() // reading only
	t := &transfer{entry: e, cache: c, bucket: bucket}
	if err := t.begin(); err != nil {
		return nil, err
	}
	before := t.bytes.Load()
	err = t.run(ctx)
	c.bytes.Add(t.bytes.Load() - before)
	if err = errors.Join(err, t.journal.Close()); err != nil {
		return nil, fmt.Errorf("fetch %s: %w", e.files.URL, err)
	}
	manifest, err := t.check(ctx)
	if errors.Is(err, ErrChanged) {
		err = errors.Join(err, os.RemoveAll(e.dir))
	}
	return manifest, err
}

// begin reads the journal of an earlier transfer and makes the files. A complete entry that is
// fetched again is damaged.
func (t *transfer) begin() (err error) {
	if _, err := os.Stat(filepath.Join(t.dir, manifestName)); err == nil {
		if err := os.RemoveAll(t.dir); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(t.dir, 0o700); err != nil {
		return err
	}
	journal := filepath.Join(t.dir, partsName)
	if t.done, err = readJournal(journal); err != nil {
		return err
	}
	for i := range t.files.List {
		if err := t.create(i); err != nil {
			return err
		}
	}
	for p := range t.done {
		t.bytes.Add(p.size)
	}
	t.journal, err = os.OpenFile(journal, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	return err
}

// readJournal returns the parts that are complete.
func readJournal(path string) (map[part]bool, error) {
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	done := map[part]bool{}
	for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
		var p part
		if n, err := fmt.Sscanf(lines.Text(), "%d %d %d.", &p.file, &p.from, &p.size); n == 3 && err == nil {
			done[p] = true // the dot ends a line that was written completely
		}
	}
	return done, nil
}

// name returns the path of a file of the entry.
func (e entry) name(file int) (string, error) {
	return untrusted.Join(e.root(), e.files.List[file].Name)
}

// create makes a file of its final size, unless it is there with the parts of the journal.
func (t *transfer) create(i int) error {
	name, err := t.name(i)
	if err != nil {
		return err
	}
	if info, err := os.Stat(name); err == nil && info.Size() == t.files.List[i].Size {
		return nil
	}
	maps.DeleteFunc(t.done, func(p part, _ bool) bool { return p.file == i })
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY, 0o600) //nolint:gosec // in our own folder
	if err != nil {
		return err
	}
	return errors.Join(f.Truncate(t.files.List[i].Size), f.Close())
}

// run fetches the parts that are missing, some at a time.
func (t *transfer) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(transfers)
	t.report(ctx)
	for i, file := range t.files.List {
		for from := int64(0); from < file.Size; from += t.cache.partBytes {
			p := part{i, from, min(t.cache.partBytes, file.Size-from)}
			if t.done[p] {
				continue
			}
			group.Go(func() error { return t.fetch(ctx, p) })
		}
	}
	return group.Wait() //nolint:wrapcheck // our own
}

// report reports how much has been fetched.
func (t *transfer) report(ctx context.Context) {
	p := progress.Progress{Done: int(t.bytes.Load()), Total: int(t.files.Bytes()), Unit: progress.Bytes}
	progress.Step(ctx, fmt.Sprintf("fetch %s from %s", p.Counts(), t.files.URL))
}

// fetch fetches a part, again after a failure that may pass.
func (t *transfer) fetch(ctx context.Context, p part) error {
	delay := t.cache.delay
	for try := 1; ; try++ {
		err := t.copy(ctx, p)
		if err == nil {
			break
		}
		var failed *Error
		err = t.reason(err)
		if try == maxTries || ctx.Err() != nil || errors.As(err, &failed) || errors.Is(err, syscall.ENOSPC) {
			return err
		}
		timer := time.NewTimer(delay)
		select {
		case <-ctx.Done():
			timer.Stop()
			return err
		case <-timer.C:
		}
		delay *= 2
	}
	t.bytes.Add(p.size)
	t.report(ctx)
	return t.record(p)
}

// reason returns the error of a part. A missing object existed when the files were listed.
func (t *transfer) reason(err error) error {
	if gcerrors.Code(err) == gcerrors.NotFound {
		return fmt.Errorf("%w: %s", ErrChanged, t.files.URL)
	}
	return failed(t.files.URL, err)
}

// copy fetches a part and waits until it is on the disk.
func (t *transfer) copy(ctx context.Context, p part) (err error) {
	r, err := t.bucket.NewRangeReader(ctx, t.files.List[p.file].key, p.from, p.size, nil)
	if err != nil {
		return err
	}
	defer r.Close() // reading only
	name, err := t.name(p.file)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_WRONLY, 0o600) //nolint:gosec // in our own folder
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	n, err := io.Copy(io.NewOffsetWriter(f, p.from), io.LimitReader(progress.Reader(ctx, r), p.size))
	if err == nil && n != p.size {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return err
	}
	return f.Sync()
}

// record notes that a part is complete.
func (t *transfer) record(p part) error {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	_, err := fmt.Fprintf(t.journal, "%d %d %d.\n", p.file, p.from, p.size)
	return err
}

// check compares the files with what the bucket listed, and objects without an MD5 with what the
// bucket has now, and returns the manifest.
func (t *transfer) check(ctx context.Context) ([]fetchedFile, error) {
	for _, file := range t.files.List {
		if file.md5 != nil {
			continue
		}
		now, err := look(ctx, t.bucket, file.key)
		if err != nil {
			return nil, t.reason(err)
		}
		if now.etag != file.etag || now.Size != file.Size {
			return nil, fmt.Errorf("%w: %s", ErrChanged, t.files.URL)
		}
	}
	return hashes(ctx, t.entry)
}

// hashes returns the files of an entry as they are on the disk; [ErrChanged] if one has another MD5
// than the bucket listed.
func hashes(ctx context.Context, e entry) ([]fetchedFile, error) {
	found := make([]fetchedFile, len(e.files.List))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(transfers)
	progress.Step(ctx, "check the files of "+e.files.URL.String())
	for i, file := range e.files.List {
		group.Go(func() error {
			name, err := e.name(i)
			if err != nil {
				return err
			}
			sha, sum := sha256.New(), md5.New() //nolint:gosec // what buckets list
			size, err := hashFile(ctx, name, sha, sum)
			if err != nil {
				return err
			}
			if file.md5 != nil && !bytes.Equal(file.md5, sum.Sum(nil)) {
				return fmt.Errorf("%w: %s of %s has another MD5", ErrChanged, file.Name, e.files.URL)
			}
			found[i] = fetchedFile{file.Name, size, hex.EncodeToString(sha.Sum(nil))}
			return nil
		})
	}
	return found, group.Wait() //nolint:wrapcheck // our own
}

// hashFile writes a file into hashes and returns its size.
func hashFile(ctx context.Context, name string, into ...hash.Hash) (int64, error) {
	f, err := os.Open(name) //nolint:gosec // in our own folder
	if err != nil {
		return 0, err
	}
	defer f.Close() // reading only
	writers := make([]io.Writer, len(into))
	for i, h := range into {
		writers[i] = h
	}
	return io.Copy(io.MultiWriter(writers...), progress.Reader(ctx, f))
}
