// Package remote reads files that a spec names by the URL of a bucket. In: a [spec.URL]; out: their
// names, sizes and digest ([Find]), and copies on this machine's disk ([Cache]), which are fetched
// once, in parts, and go on where a transfer was cut off. The credentials are those of the process.
package remote

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"gocloud.dev/blob"
	_ "gocloud.dev/blob/azureblob" // azblob:// buckets
	_ "gocloud.dev/blob/gcsblob"   // gs:// buckets
	_ "gocloud.dev/blob/s3blob"    // s3:// buckets
	"gocloud.dev/gcerrors"
	"golang.org/x/sync/errgroup"

	"rdrec/internal/fileset"
	"rdrec/internal/spec"
	"rdrec/internal/untrusted"
)

// File is an object of a bucket as a file.
type File struct {
	// Name is the file's path in the folder, with slashes.
	Name string
	// Size is in bytes.
	Size int64

	key, etag string
	md5       []byte // nil where the bucket has none
}

// Files are the files of a URL as the bucket has them now.
type Files struct {
	URL spec.URL
	// List is in the order of the names.
	List []File

	// folder is the name of their folder on the disk.
	folder string
	// single is set if the URL names one object.
	single bool
}

// maxFiles is the number of files that a URL may name.
const maxFiles = 100_000

// Find returns the files of a URL, as [fileset.Find] does for a path: an object, the objects below
// a folder, or those that match a pattern. Of a folder's files, choose, unless nil, returns those
// that are wanted.
func Find(ctx context.Context, u spec.URL, choose func(names []string) []string) (f Files, err error) {
	b, err := open(ctx, u)
	if err != nil {
		return f, err
	}
	defer b.Close() // reading only
	if u.Key != "" && !strings.HasSuffix(u.Key, "/") {
		file, err := look(ctx, b, u.Key)
		if err == nil {
			return Files{u, []File{file}, "files", true}, nil
		}
		if gcerrors.Code(err) != gcerrors.NotFound {
			return f, failed(u, err)
		}
	}
	f, keys, err := list(ctx, b, u)
	if err != nil {
		return f, err
	}
	f.choose(choose)
	if len(f.List) == 0 {
		return f, notFound(u, keys)
	}
	return f, f.identify(ctx, b)
}

// FindObjects returns the files of several objects of a folder of the bucket.
func FindObjects(ctx context.Context, u spec.URL, keys ...string) (f Files, err error) {
	b, err := open(ctx, u)
	if err != nil {
		return f, err
	}
	defer b.Close() // reading only
	f = Files{URL: u, folder: "files", single: len(keys) == 1}
	for _, key := range keys {
		file, err := look(ctx, b, key)
		if err != nil {
			return f, failed(spec.URL{Bucket: u.Bucket, Key: key}, err)
		}
		f.List = append(f.List, file)
	}
	return f, nil
}

func open(ctx context.Context, u spec.URL) (*blob.Bucket, error) {
	b, err := blob.OpenBucket(ctx, u.Bucket)
	if err != nil {
		return nil, failed(u, err)
	}
	return b, nil
}

// look returns the file of an object.
func look(ctx context.Context, b *blob.Bucket, key string) (File, error) {
	attrs, err := b.Attributes(ctx, key)
	if err != nil {
		return File{}, err //nolint:wrapcheck // callers classify it
	}
	return File{Name: path.Base(key), Size: attrs.Size, key: key, etag: attrs.ETag, md5: attrs.MD5}, nil
}

// list returns the objects of a folder or a pattern, and how many keys it looked at.
func list(ctx context.Context, b *blob.Bucket, u spec.URL) (f Files, keys int, err error) {
	folder, matches, err := scope(u)
	if err != nil {
		return f, 0, err
	}
	f = Files{URL: u, folder: folderName(folder)}
	for it := b.List(&blob.ListOptions{Prefix: folder}); ; keys++ {
		o, err := it.Next(ctx)
		if errors.Is(err, io.EOF) {
			return f, keys, nil
		}
		if err != nil {
			return f, keys, failed(u, err)
		}
		name := strings.TrimPrefix(o.Key, folder)
		if !matches(o.Key) || name == "" || strings.HasSuffix(name, "/") || inHiddenFolder(name) {
			continue
		}
		if len(f.List) == maxFiles {
			return f, keys, &Error{URL: u, Reason: ErrTooLarge, Detail: fmt.Sprintf("more than %d objects", maxFiles)}
		}
		f.List = append(f.List, File{Name: name, Size: o.Size, key: o.Key, md5: o.MD5})
	}
}

// scope returns the folder of a URL's files, and whether a key in it is among them.
func scope(u spec.URL) (folder string, matches func(key string) bool, err error) {
	i := strings.IndexAny(u.Key, "*?[")
	switch {
	case u.Key == "":
		return "", func(string) bool { return true }, nil
	case i < 0:
		return strings.TrimSuffix(u.Key, "/") + "/", func(string) bool { return true }, nil
	}
	if _, err := path.Match(u.Key, ""); err != nil {
		return "", nil, &Error{URL: u, Reason: ErrNotFound, Detail: "the pattern is invalid"}
	}
	return u.Key[:strings.LastIndex(u.Key[:i], "/")+1], func(key string) bool {
		ok, err := path.Match(u.Key, key)
		return ok && err == nil
	}, nil
}

// folderName returns the name of a folder of the bucket on the disk.
func folderName(folder string) string {
	name := path.Base(folder)
	if _, err := untrusted.Join("", name); err != nil || folder == "" {
		return "files"
	}
	return name
}

// inHiddenFolder reports whether a folder in a name is hidden.
func inHiddenFolder(name string) bool {
	folders := strings.Split(path.Dir(name), "/")
	return slices.ContainsFunc(folders, func(folder string) bool { return folder != "." && fileset.Hidden(folder) })
}

// choose drops the files that are not wanted.
func (f *Files) choose(choose func(names []string) []string) {
	if choose == nil {
		return
	}
	names := make([]string, len(f.List))
	for i, file := range f.List {
		names[i] = file.Name
	}
	wanted := choose(names)
	f.List = slices.DeleteFunc(f.List, func(file File) bool { return !slices.Contains(wanted, file.Name) })
}

// transfers is how many requests are made at a time.
const transfers = 8

// identify asks for the ETags of objects whose digests the bucket does not list, and sorts.
func (f *Files) identify(ctx context.Context, b *blob.Bucket) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(transfers)
	for i := range f.List {
		file := &f.List[i]
		if _, err := untrusted.Join("", file.Name); err != nil {
			return &Error{URL: f.URL, Reason: ErrNotFound, Detail: err.Error()}
		}
		if file.md5 != nil {
			continue
		}
		group.Go(func() error {
			found, err := look(ctx, b, file.key)
			if err != nil {
				return failed(f.URL, err)
			}
			file.Size, file.md5, file.etag = found.Size, found.md5, found.etag
			return nil
		})
	}
	err := group.Wait()
	slices.SortFunc(f.List, func(a, b File) int { return cmp.Compare(a.Name, b.Name) })
	return err //nolint:wrapcheck // our own
}

// Digest identifies the files by their names, sizes and MD5, or by the ETags of those that have
// none. It depends neither on the bucket nor on the URL's parameters.
func (f Files) Digest() string {
	h := sha256.New()
	for _, file := range f.List {
		fmt.Fprintf(h, "%q %d %s\n", file.Name, file.Size, file.version()) // a hash never returns an error
	}
	return hex.EncodeToString(h.Sum(nil))
}

// version identifies the content of a file.
func (f File) version() string {
	if f.md5 != nil {
		return hex.EncodeToString(f.md5)
	}
	return fmt.Sprintf("etag %q", f.etag)
}

// Bytes returns the size of all files.
func (f Files) Bytes() (sum int64) {
	for _, file := range f.List {
		sum += file.Size
	}
	return sum
}
