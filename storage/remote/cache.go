package remote

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"rdrec/internal/room"
)

// Cache keeps the files of URLs on this machine's disk. Several processes may share its folder. The
// files that nobody has used for longest go first, and none that are in use.
type Cache struct {
	dir   string
	limit int64
	// partBytes is the size of a part, delay the time before a part is fetched again.
	partBytes int64
	delay     time.Duration

	mutex sync.Mutex
	// checked has the entries whose files this process has hashed.
	checked map[string]bool

	hits, fetched, bytes atomic.Int64
}

// NewCache returns a cache of at most limit bytes in a folder, which is made when it is needed.
func NewCache(dir string, limit int64) *Cache {
	return &Cache{dir: dir, limit: limit, partBytes: partBytes, delay: firstDelay, checked: map[string]bool{}}
}

// Stats are what a cache did.
type Stats struct {
	// Hits is how often files were on the disk already, Fetched how often they were fetched.
	Hits, Fetched int64
	// Bytes is how many bytes were fetched.
	Bytes int64
}

// Stats returns what the cache has done since it was opened.
func (c *Cache) Stats() Stats { return Stats{c.hits.Load(), c.fetched.Load(), c.bytes.Load()} }

// errInUse means that the files of other jobs fill the cache.
var errInUse = errors.New("the cache is full of files that are in use")

// maxTurns is how often a process tries to use what it has fetched: another one may remove it in
// between.
const maxTurns = 5

// Get returns the path of the file, or of the folder of files, on this machine's disk, after
// checking them. They stay there until release is called.
func (c *Cache) Get(ctx context.Context, f Files) (path string, release func(), err error) {
	if f.Bytes() > c.limit {
		return "", nil, &Error{f.URL, ErrTooLarge, fmt.Sprintf(
			"%s of files, and the cache may hold %s", room.Text(f.Bytes()), room.Text(c.limit))}
	}
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return "", nil, fmt.Errorf("make the cache of %s: %w", f.URL, err)
	}
	e := entry{filepath.Join(c.dir, f.Digest()), f}
	for turn := range maxTurns {
		lock, err := acquire(ctx, e.dir, false)
		if err != nil {
			return "", nil, err
		}
		complete, err := c.complete(ctx, e)
		if complete {
			if turn == 0 {
				c.hits.Add(1)
			}
			path, err := e.path()
			return path, sync.OnceFunc(lock.release), err
		}
		lock.release()
		if err == nil {
			err = c.fetchLocked(ctx, e)
		}
		if err != nil {
			return "", nil, err
		}
	}
	return "", nil, fmt.Errorf("%w: %s", errInUse, f.URL)
}

// fetchLocked fetches an entry, unless another process has just done so.
func (c *Cache) fetchLocked(ctx context.Context, e entry) error {
	lock, err := acquire(ctx, e.dir, true)
	if err != nil {
		return err
	}
	defer lock.release()
	if complete, err := c.complete(ctx, e); complete || err != nil {
		return err
	}
	if err := c.makeRoom(e); err != nil {
		return err
	}
	manifest, err := c.fetch(ctx, e)
	if err != nil {
		return err
	}
	c.fetched.Add(1)
	c.setChecked(e.dir, true)
	return e.finish(manifest)
}

func (c *Cache) setChecked(dir string, checked bool) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.checked[dir] = checked
}

// complete reports whether an entry's files are on the disk. The first time in this process it
// hashes them; damaged files are as good as none.
func (c *Cache) complete(ctx context.Context, e entry) (bool, error) {
	manifest, ok := e.manifest()
	if !ok {
		return false, nil
	}
	c.mutex.Lock()
	checked := c.checked[e.dir]
	c.mutex.Unlock()
	for i, file := range manifest {
		name, err := e.name(i)
		if err != nil {
			return false, err
		}
		if info, err := os.Stat(name); err != nil || info.Size() != file.Size {
			return false, nil //nolint:nilerr // it is fetched again
		}
	}
	if !checked {
		found, err := hashes(ctx, e)
		if err != nil || !slices.Equal(found, manifest) {
			return false, context.Cause(ctx)
		}
		c.setChecked(e.dir, true)
	}
	e.touch()
	return true, nil
}

// entry is the files of a URL in the cache: a folder that their digest names.
type entry struct {
	dir   string
	files Files
}

// The files of an entry: its manifest, which is written last, and the parts that were fetched.
const (
	manifestName = "manifest.json"
	partsName    = "parts"
	filesName    = "files"
)

// fetchedFile is a file of a manifest.
type fetchedFile struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// root returns the folder of the entry's files.
func (e entry) root() string { return filepath.Join(e.dir, filesName, e.files.folder) }

// path returns what the URL names.
func (e entry) path() (string, error) {
	if e.files.single {
		return e.name(0)
	}
	return e.root(), nil
}

// manifest returns the files of a complete entry; false for one that is not.
func (e entry) manifest() ([]fetchedFile, bool) {
	data, err := os.ReadFile(filepath.Join(e.dir, manifestName))
	if err != nil {
		return nil, false
	}
	var files []fetchedFile
	err = json.Unmarshal(data, &files)
	return files, err == nil && len(files) == len(e.files.List)
}

// finish writes the manifest.
func (e entry) finish(files []fetchedFile) error {
	data, err := json.Marshal(files)
	if err != nil {
		return err
	}
	temporary := filepath.Join(e.dir, manifestName+".tmp")
	if err := os.WriteFile(temporary, data, 0o600); err != nil {
		return err
	}
	_ = os.Remove(filepath.Join(e.dir, partsName)) // only of use to a transfer
	return os.Rename(temporary, filepath.Join(e.dir, manifestName))
}

// touch marks the entry as used now.
func (e entry) touch() {
	now := clock()
	_ = os.Chtimes(filepath.Join(e.dir, manifestName), now, now) //nolint:errcheck // only the order of removal
}

// clock returns the time, by which files were used recently.
func clock() time.Time { return time.Now() } //nolint:forbidigo // no result depends on it

// stored is an entry on the disk.
type stored struct {
	dir  string
	size int64
	used time.Time
}

// makeRoom removes what was not used for longest until an entry fits.
func (c *Cache) makeRoom(e entry) error {
	all, err := c.stored()
	if err != nil {
		return err
	}
	total := e.files.Bytes()
	for _, s := range all {
		if s.dir != e.dir {
			total += s.size
		}
	}
	slices.SortFunc(all, func(a, b stored) int {
		return cmp.Or(a.used.Compare(b.used), strings.Compare(a.dir, b.dir))
	})
	for _, s := range all {
		if total <= c.limit {
			return nil
		}
		if s.dir != e.dir && c.remove(s.dir) {
			total -= s.size
		}
	}
	if total > c.limit {
		return fmt.Errorf("%w: %s needs %s, the cache may hold %s", errInUse, e.files.URL,
			room.Text(e.files.Bytes()), room.Text(c.limit))
	}
	return nil
}

// remove removes an entry unless it is in use.
func (c *Cache) remove(dir string) bool {
	lock, ok := tryLock(dir, true)
	if !ok {
		return false
	}
	defer lock.release()
	c.setChecked(dir, false)
	return os.RemoveAll(dir) == nil
}

// stored returns the entries on the disk.
func (c *Cache) stored() ([]stored, error) {
	folders, err := os.ReadDir(c.dir)
	if err != nil {
		return nil, fmt.Errorf("read the cache of URLs: %w", err)
	}
	var all []stored
	for _, folder := range folders {
		if !folder.IsDir() {
			continue // a lock
		}
		s := stored{dir: filepath.Join(c.dir, folder.Name())}
		err := filepath.WalkDir(s.dir, func(_ string, file fs.DirEntry, err error) error {
			if err != nil {
				return nil //nolint:nilerr // another process has removed it
			}
			if info, err := file.Info(); err == nil && info.Mode().IsRegular() {
				s.size += info.Size()
				if info.ModTime().After(s.used) {
					s.used = info.ModTime()
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}
