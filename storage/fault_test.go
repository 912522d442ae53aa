package storage_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/blob/driver"
	"gocloud.dev/gcerrors"

	"rdrec/storage"
)

var (
	errBroken = errors.New("the connection is broken")
	errAbsent = errors.New("no such object")
)

// broken is a server of blobs in memory. It breaks at a call: opening, reading or closing an
// object, listing, copying or deleting.
type broken struct {
	driver.Bucket
	objects map[string][]byte
	written time.Time
	calls   int
	// failAt is the call that fails, counted from 1; 0 is none.
	failAt int
}

func (b *broken) call() error {
	b.calls++
	if b.calls == b.failAt {
		return errBroken
	}
	return nil
}

// find is a call that needs the object to be there.
func (b *broken) find(key string) ([]byte, error) {
	if err := b.call(); err != nil {
		return nil, err
	}
	data, ok := b.objects[key]
	if !ok {
		return nil, errAbsent
	}
	return data, nil
}

func (b *broken) ErrorCode(err error) gcerrors.ErrorCode {
	if errors.Is(err, errAbsent) {
		return gcerrors.NotFound
	}
	return gcerrors.Unknown
}

func (b *broken) ErrorAs(error, any) bool { return false }

func (b *broken) Close() error { return b.call() }

func (b *broken) Attributes(_ context.Context, key string) (*driver.Attributes, error) {
	data, err := b.find(key)
	return &driver.Attributes{Size: int64(len(data)), ModTime: b.written}, err
}

func (b *broken) ListPaged(_ context.Context, options *driver.ListOptions) (*driver.ListPage, error) {
	var page driver.ListPage
	for _, key := range slices.Sorted(maps.Keys(b.objects)) {
		if strings.HasPrefix(key, options.Prefix) {
			page.Objects = append(
				page.Objects,
				&driver.ListObject{Key: key, Size: int64(len(b.objects[key])), ModTime: b.written},
			)
		}
	}
	return &page, b.call()
}

// body breaks when it is read.
type body struct {
	*bytes.Reader
	of *broken
}

func (r body) Read(p []byte) (int, error) {
	if r.Len() > 0 {
		if err := r.of.call(); err != nil {
			return 0, err
		}
	}
	return r.Reader.Read(p)
}

func (r body) WriteTo(w io.Writer) (int64, error) { return io.Copy(w, struct{ io.Reader }{r}) }

func (r body) Close() error { return nil }

func (r body) As(any) bool { return false }

func (r body) Attributes() *driver.ReaderAttributes {
	return &driver.ReaderAttributes{Size: r.Size(), ModTime: r.of.written}
}

func (b *broken) NewRangeReader(
	_ context.Context,
	key string,
	_, _ int64,
	_ *driver.ReaderOptions,
) (driver.Reader, error) {
	data, err := b.find(key)
	if err != nil {
		return nil, err
	}
	return body{bytes.NewReader(data), b}, nil
}

// upload becomes an object when it is closed, unless it was cancelled.
type upload struct {
	bytes.Buffer
	ctx context.Context //nolint:containedctx // a writer of the library's has one
	key string
	of  *broken
}

func (w *upload) Close() error {
	if err := errors.Join(w.ctx.Err(), w.of.call()); err != nil {
		return err
	}
	w.of.objects[w.key] = w.Bytes()
	return nil
}

func (b *broken) NewTypedWriter(ctx context.Context, key, _ string, _ *driver.WriterOptions) (driver.Writer, error) {
	return &upload{ctx: ctx, key: key, of: b}, b.call()
}

func (b *broken) Copy(_ context.Context, to, from string, _ *driver.CopyOptions) error {
	data, err := b.find(from)
	if err == nil {
		b.objects[to] = data
	}
	return err
}

func (b *broken) Delete(_ context.Context, key string, _ *driver.DeleteOptions) error {
	_, err := b.find(key)
	if err == nil {
		delete(b.objects, key)
	}
	return err
}

// operation is something that a bucket does for a caller.
type operation struct {
	name string
	do   func(ctx context.Context, t *testing.T, b *storage.Bucket) error
}

// operations are all that a bucket does, on the objects of [stocked].
func operations() []operation {
	second := func(_ any, err error) error { return err }
	third := func(_, _ any, err error) error { return err }
	data, model := dataAndModel()
	return []operation{
		{"put", func(ctx context.Context, _ *testing.T, b *storage.Bucket) error {
			return second(b.Put(ctx, []byte("x")))
		}},
		{"put a folder", func(ctx context.Context, t *testing.T, b *storage.Bucket) error {
			t.Helper()
			return second(b.PutFolder(ctx, "x", folder(t, map[string]string{"a": "1", "b": "2"})))
		}},
		{"get a folder", func(ctx context.Context, t *testing.T, b *storage.Bucket) error {
			t.Helper()
			return b.GetFolder(ctx, data, t.TempDir())
		}},
		{"get a file by name", func(ctx context.Context, _ *testing.T, b *storage.Bucket) error {
			return second(b.GetNamed(ctx, data, "titles.json"))
		}},
		{"look up", func(ctx context.Context, _ *testing.T, b *storage.Bucket) error {
			return third(b.LookUp(ctx, "import", strings.Repeat("a", 64)))
		}},
		{"commit", func(ctx context.Context, _ *testing.T, b *storage.Bucket) error {
			return b.Commit(ctx, storage.Done{Stage: "s", Fingerprint: "f"})
		}},
		{"note", func(ctx context.Context, _ *testing.T, b *storage.Bucket) error {
			return b.Note(ctx, "w", "r", storage.Done{Stage: "s", Fingerprint: strings.Repeat("f", 64)})
		}},
		{"put a run's file", func(ctx context.Context, _ *testing.T, b *storage.Bucket) error {
			return b.PutRun(ctx, "w", "r", "f", nil)
		}},
		{"get a run's file", func(ctx context.Context, _ *testing.T, b *storage.Bucket) error {
			return second(b.GetRun(ctx, "first", "run-1", "run.json"))
		}},
		{"latest run", func(ctx context.Context, _ *testing.T, b *storage.Bucket) error {
			return third(b.LatestRun(ctx, "first"))
		}},
		{"table", func(ctx context.Context, _ *testing.T, b *storage.Bucket) error { return third(b.Table(ctx, "m")) }},
		{"put a table", func(ctx context.Context, _ *testing.T, b *storage.Bucket) error {
			return b.PutTable(ctx, "m", storage.Table{Artefact: data})
		}},
		{"inbox", func(ctx context.Context, _ *testing.T, b *storage.Bucket) error {
			return second(b.Inbox(ctx, "inbox/"))
		}},
		{"put into the inbox", func(ctx context.Context, t *testing.T, b *storage.Bucket) error {
			t.Helper()
			return b.PutInbox(ctx, "inbox/b", filepath.Join(folder(t, map[string]string{"f": "x"}), "f"))
		}},
		{"take in", func(ctx context.Context, t *testing.T, b *storage.Bucket) error {
			t.Helper()
			file := storage.File{Name: "inbox/a", Ref: storage.Ref{Digest: digestOfOne, Size: 3}}
			return b.TakeIn(ctx, file, filepath.Join(t.TempDir(), "f"))
		}},
		{"watermark", func(ctx context.Context, _ *testing.T, b *storage.Bucket) error {
			return second(b.Watermark(ctx, "shop"))
		}},
		{"put a watermark", func(ctx context.Context, _ *testing.T, b *storage.Bucket) error {
			return b.PutWatermark(ctx, "shop", storage.Watermark{})
		}},
		{"promote", func(ctx context.Context, _ *testing.T, b *storage.Bucket) error {
			p := storage.Promotion{
				Run:      "x",
				Dataset:  data,
				Examples: data,
				Model:    storage.PromotedModel{Weights: model, Spec: []byte("{}")},
			}
			return second(b.Promote(ctx, "shop", 2, p))
		}},
		{"promotions", func(ctx context.Context, _ *testing.T, b *storage.Bucket) error {
			return second(b.Promotions(ctx, "shop"))
		}},
		{"nights", func(ctx context.Context, _ *testing.T, b *storage.Bucket) error {
			return third(b.Nights(ctx, "shop", 2))
		}},
		{"put a night", func(ctx context.Context, _ *testing.T, b *storage.Bucket) error {
			return b.PutNight(ctx, "shop", 9, nil)
		}},
		{"put the page of nights", func(ctx context.Context, _ *testing.T, b *storage.Bucket) error {
			return b.PutNightsPage(ctx, "shop", nil)
		}},
		{"begin an attempt and save twice", func(ctx context.Context, t *testing.T, b *storage.Bucket) error {
			t.Helper()
			c, err := storage.OpenCheckpoints(ctx, b, work, "b", 1)
			for step := 1; step <= 2 && err == nil; step++ {
				err = c.Save(ctx, step, folder(t, map[string]string{"weights": "x"}))
			}
			return err
		}},
		{"restore past a corrupt checkpoint", func(ctx context.Context, t *testing.T, b *storage.Bucket) error {
			t.Helper()
			c, err := storage.OpenCheckpoints(ctx, b, work, "b", 1)
			if err != nil {
				return err
			}
			return second(c.Restore(ctx, t.TempDir()))
		}},
		{"find no checkpoint", func(ctx context.Context, t *testing.T, b *storage.Bucket) error {
			t.Helper()
			c, err := storage.OpenCheckpoints(ctx, b, "never-trained", "b", 1)
			if err != nil {
				return err
			}
			if _, err = c.Restore(ctx, t.TempDir()); errors.Is(err, storage.ErrNotFound) {
				return nil
			}
			return err
		}},
		{"append, close and load rationales", func(ctx context.Context, _ *testing.T, b *storage.Bucket) error {
			rows := storage.OpenRationales[int](b, "teacher").In(strings.Repeat("a", 64))
			err := rows.Append(ctx, []int{7})
			if err == nil {
				err = rows.Close(ctx, []int{1, 7})
			}
			if err == nil {
				_, err = rows.Load(ctx)
			}
			return err
		}},
		{"load past a torn part", func(ctx context.Context, _ *testing.T, b *storage.Bucket) error {
			return second(storage.OpenRationales[int](b, "torn").Load(ctx))
		}},
		{"deliver", func(ctx context.Context, t *testing.T, b *storage.Bucket) error {
			t.Helper()
			return second(b.Deliver(ctx, model, t.TempDir(), "f"))
		}},
		{
			"verify",
			func(ctx context.Context, _ *testing.T, b *storage.Bucket) error { return second(b.Verify(ctx, "")) },
		},
		{"collect", func(ctx context.Context, _ *testing.T, b *storage.Bucket) error {
			return second(b.Collect(ctx, storage.Collection{Before: time.Now().Add(time.Hour)}))
		}},
	}
}

// dataAndModel are the references of the artefacts of [newHistory].
func dataAndModel() (data, model storage.Ref) {
	list := func(kind string, files ...string) storage.Ref {
		var lines []string
		for i := 0; i < len(files); i += 2 {
			lines = append(
				lines,
				fmt.Sprintf(
					`{"name":%q,"digest":%q,"size":%d}`,
					files[i],
					storage.Digest([]byte(files[i+1])),
					len(files[i+1]),
				),
			)
		}
		text := fmt.Sprintf(`{"kind":%q,"files":[%s]}`, kind, strings.Join(lines, ","))
		return storage.Ref{Digest: storage.Digest([]byte(text)), Size: int64(len(text))}
	}
	return list(
			"dataset",
			"sequential.txt",
			"1 2 3",
			"titles.json",
			"[]",
		), list(
			"model",
			"model.safetensors",
			"weights",
		)
}

// stocked are the objects of a bucket that has something of each kind.
func stocked(t *testing.T) map[string][]byte {
	t.Helper()
	h := newHistory(t)
	ctx := t.Context()
	h.promote(t, 0, h.promotion(t, "one"))
	h.promote(t, 1, h.promotion(t, "two"))
	c := attempt(t, h.Bucket)
	save(t, c, 10)
	save(t, c, 20)
	orphan := h.artefact(t, "model", map[string]string{"x": "orphan"})
	for _, err := range []error{
		h.PutRun(ctx, "first", "run-1", "run.json", []byte("{}")),
		h.PutTable(ctx, "m", storage.Table{Artefact: h.data}),
		h.PutNight(ctx, "shop", 1, []byte("{}")), h.PutNight(ctx, "shop", 2, []byte("{}")),
		h.PutWatermark(ctx, "shop", storage.Watermark{Value: "v"}),
		storage.OpenRationales[int](h.Bucket, "teacher").In(strings.Repeat("a", 64)).Append(ctx, []int{1}),
		storage.OpenRationales[int](h.Bucket, "torn").Append(ctx, []int{1}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if orphan.IsZero() {
		t.Fatal("nothing to collect")
	}
	writeFile(t, filepath.Join(h.root, "inbox/a"))
	if err := os.WriteFile(filepath.Join(h.root, "inbox/a"), []byte("one"), 0o600); err != nil {
		t.Fatal(err)
	}
	spoil(t, h.root, "checkpoints/*/*/000000020/weights")
	spoil(t, h.root, "rationales/torn/*")
	objects := map[string][]byte{}
	for key, text := range contents(t, h.root) {
		objects[key] = []byte(text)
	}
	return objects
}

// TestEveryBrokenCallIsReported breaks each call of each operation in turn: no failure looks like
// an object that is not there, or like success.
func TestEveryBrokenCallIsReported(t *testing.T) {
	objects := stocked(t)
	for _, o := range operations() {
		t.Run(o.name, func(t *testing.T) {
			for failAt := 0; ; failAt++ {
				server := &broken{objects: maps.Clone(objects), written: time.Now(), failAt: failAt}
				b := storage.Over(blob.NewBucket(server), "mem://")
				err := o.do(t.Context(), t, b)
				if failAt == 0 && err != nil {
					t.Fatal(err)
				}
				if failAt > server.calls {
					break
				}
				if failAt > 0 && !errors.Is(err, errBroken) {
					t.Errorf("call %d of %d breaks: %v", failAt, server.calls, err)
				}
			}
		})
	}
}
