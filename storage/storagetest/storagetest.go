// Package storagetest opens buckets that fail on purpose: a server in memory whose n-th call
// breaks. In: the server's objects and the number of the call; out: a [storage.Bucket] and the
// server. A test that breaks each call of an operation in turn shows that no failure is mistaken
// for success, or for an object that does not exist.
package storagetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/blob/driver"
	"gocloud.dev/gcerrors"

	"rdrec/storage"
)

// ErrBroken is the error of the call that fails.
var ErrBroken = errors.New("the connection is broken")

var errAbsent = errors.New("no such object")

// Server is a blob server in memory. Opening, reading or closing an object, listing, copying and
// deleting each count as a call. It is safe for concurrent use.
type Server struct {
	driver.Bucket
	mutex   sync.Mutex
	objects map[string][]byte
	written time.Time
	calls   int
	failAt  int
}

// NewServer returns a server that holds a copy of objects. The call failAt, counted from 1, fails
// with [ErrBroken]; with 0, no call fails.
func NewServer(objects map[string][]byte, failAt int) *Server {
	own := map[string][]byte{}
	maps.Copy(own, objects)
	return &Server{objects: own, written: time.Now(), failAt: failAt} //nolint:forbidigo // an object has an age
}

// Open returns a bucket on a new server ([NewServer]) and closes it when the test ends. Opening
// the bucket is no call.
func Open(t testing.TB, objects map[string][]byte, failAt int) (*storage.Bucket, *Server) {
	t.Helper()
	s := NewServer(objects, 0)
	rawURL := servers.add(s)
	defer servers.byURL.Delete(rawURL)
	b, err := storage.Open(t.Context(), rawURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() }) // may be the call that fails
	s.calls, s.failAt = 0, failAt
	return b, s
}

// Serve returns the URL of a new server ([NewServer]) for tests that open it themselves.
func Serve(t testing.TB, objects map[string][]byte, failAt int) (rawURL string, s *Server) {
	t.Helper()
	s = NewServer(objects, failAt)
	rawURL = servers.add(s)
	t.Cleanup(func() { servers.byURL.Delete(rawURL) })
	return rawURL, s
}

// Put replaces an object. It is no call.
func (s *Server) Put(key string, data []byte) { s.put(key, data) }

// FailAt makes the n-th call from now on fail; with 0, no call fails.
func (s *Server) FailAt(n int) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.calls, s.failAt = 0, n
}

// Calls returns the number of calls so far.
func (s *Server) Calls() int {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.calls
}

// Objects returns a copy of the objects by key.
func (s *Server) Objects() map[string][]byte {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return maps.Clone(s.objects)
}

// scheme is the scheme of the servers' URLs.
const scheme = "storagetest"

// opener opens servers by their URLs, because [storage.Open] takes nothing else.
type opener struct {
	byURL sync.Map
	count atomic.Int64
}

var servers = func() *opener { //nolint:gochecknoglobals // the URL opener is registered once
	o := &opener{}
	blob.DefaultURLMux().RegisterBucket(scheme, o)
	return o
}()

func (o *opener) add(s *Server) string {
	rawURL := fmt.Sprintf("%s://%d", scheme, o.count.Add(1))
	o.byURL.Store(rawURL, s)
	return rawURL
}

// OpenBucketURL implements [blob.BucketURLOpener].
func (o *opener) OpenBucketURL(_ context.Context, u *url.URL) (*blob.Bucket, error) {
	found, _ := o.byURL.Load(u.String())
	s, ok := found.(*Server)
	if !ok {
		return nil, fmt.Errorf("no server at %s", u)
	}
	return blob.NewBucket(s), nil
}

// call counts a call. Callers hold no lock.
func (s *Server) call() error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.calls++
	if s.calls == s.failAt {
		return ErrBroken
	}
	return nil
}

// find is a call that needs the object to exist.
func (s *Server) find(key string) ([]byte, error) {
	if err := s.call(); err != nil {
		return nil, err
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	data, ok := s.objects[key]
	if !ok {
		return nil, errAbsent
	}
	return data, nil
}

func (s *Server) put(key string, data []byte) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.objects[key] = data
}

// ErrorCode implements [driver.Bucket], like the methods that follow.
func (s *Server) ErrorCode(err error) gcerrors.ErrorCode {
	if errors.Is(err, errAbsent) {
		return gcerrors.NotFound
	}
	return gcerrors.Unknown
}

// ErrorAs has no error of its own kind.
func (s *Server) ErrorAs(error, any) bool { return false }

// Close is a call.
func (s *Server) Close() error { return s.call() }

// Attributes returns the size and the time of an object.
func (s *Server) Attributes(_ context.Context, key string) (*driver.Attributes, error) {
	data, err := s.find(key)
	return &driver.Attributes{
		Size: int64(len(data)), ModTime: s.written, ETag: fmt.Sprintf("%q", storage.Digest(data)),
	}, err
}

// ListPaged lists all objects with the prefix on one page.
func (s *Server) ListPaged(_ context.Context, options *driver.ListOptions) (*driver.ListPage, error) {
	if err := s.call(); err != nil {
		return nil, err
	}
	objects := s.Objects()
	var page driver.ListPage
	for _, key := range slices.Sorted(maps.Keys(objects)) {
		if strings.HasPrefix(key, options.Prefix) {
			entry := &driver.ListObject{Key: key, Size: int64(len(objects[key])), ModTime: s.written}
			page.Objects = append(page.Objects, entry)
		}
	}
	return &page, nil
}

// NewRangeReader opens a range of an object; a negative length is the rest.
func (s *Server) NewRangeReader(
	_ context.Context, key string, from, length int64, _ *driver.ReaderOptions,
) (driver.Reader, error) {
	data, err := s.find(key)
	if err != nil {
		return nil, err
	}
	data = data[min(from, int64(len(data))):]
	if length >= 0 {
		data = data[:min(length, int64(len(data)))]
	}
	return body{bytes.NewReader(data), s}, nil
}

// NewTypedWriter starts an upload.
func (s *Server) NewTypedWriter(
	ctx context.Context, key, _ string, _ *driver.WriterOptions,
) (driver.Writer, error) {
	return &upload{ctx: ctx, key: key, server: s}, s.call()
}

// Copy copies an object.
func (s *Server) Copy(_ context.Context, to, from string, _ *driver.CopyOptions) error {
	data, err := s.find(from)
	if err == nil {
		s.put(to, data)
	}
	return err
}

// Delete removes an object.
func (s *Server) Delete(_ context.Context, key string, _ *driver.DeleteOptions) error {
	if _, err := s.find(key); err != nil {
		return err
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	delete(s.objects, key)
	return nil
}

// body is an open object; each read is a call.
type body struct {
	*bytes.Reader
	server *Server
}

func (r body) Read(p []byte) (int, error) {
	if r.Len() > 0 {
		if err := r.server.call(); err != nil {
			return 0, err
		}
	}
	return r.Reader.Read(p)
}

// WriteTo hides that of bytes.Reader, which is no call.
func (r body) WriteTo(w io.Writer) (int64, error) { return io.Copy(w, struct{ io.Reader }{r}) }

func (r body) Close() error { return nil }

func (r body) As(any) bool { return false }

func (r body) Attributes() *driver.ReaderAttributes {
	return &driver.ReaderAttributes{Size: r.Size(), ModTime: r.server.written}
}

// upload becomes an object when it is closed, unless it was cancelled.
type upload struct {
	bytes.Buffer
	ctx    context.Context //nolint:containedctx // a driver's writer has one
	key    string
	server *Server
}

func (w *upload) Close() error {
	if err := errors.Join(w.ctx.Err(), w.server.call()); err != nil {
		return err
	}
	w.server.put(w.key, w.Bytes())
	return nil
}
