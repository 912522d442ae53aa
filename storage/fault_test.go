package storage_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rdrec/registry"
	"rdrec/storage"
	"rdrec/storage/storagetest"
)

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
			return second(b.ReadArtifactFile(ctx, data, "titles.json"))
		}},
		{"look up", func(ctx context.Context, _ *testing.T, b *storage.Bucket) error {
			return third(b.LookUp(ctx, "import", strings.Repeat("a", 64)))
		}},
		{"commit", func(ctx context.Context, _ *testing.T, b *storage.Bucket) error {
			return b.Commit(ctx, storage.StageRecord{Stage: "s", Fingerprint: "f"})
		}},
		{"note", func(ctx context.Context, _ *testing.T, b *storage.Bucket) error {
			return b.AddLineage(ctx, "w", "r", storage.StageRecord{Stage: "s", Fingerprint: strings.Repeat("f", 64)})
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
			return b.PutTable(ctx, "m", storage.Table{Artifact: data})
		}},
		{"inbox", func(ctx context.Context, _ *testing.T, b *storage.Bucket) error {
			return second(b.Inbox(ctx, "inbox/", nil))
		}},
		{"put into the inbox", func(ctx context.Context, t *testing.T, b *storage.Bucket) error {
			t.Helper()
			return b.PutInbox(ctx, "inbox/b", filepath.Join(folder(t, map[string]string{"f": "x"}), "f"))
		}},
		{"ingest", func(ctx context.Context, t *testing.T, b *storage.Bucket) error {
			t.Helper()
			file := storage.File{Name: "inbox/a", Ref: storage.Ref{Digest: digestOfOne, Size: 3}}
			return b.IngestObject(ctx, file, filepath.Join(t.TempDir(), "f"))
		}},
		{"watermark", func(ctx context.Context, _ *testing.T, b *storage.Bucket) error {
			return second(b.Watermark(ctx, "shop"))
		}},
		{"put a watermark", func(ctx context.Context, _ *testing.T, b *storage.Bucket) error {
			return b.PutWatermark(ctx, "shop", storage.Watermark{})
		}},
		{"promote", func(ctx context.Context, _ *testing.T, b *storage.Bucket) error {
			p := registry.Promotion{
				Run:          "x",
				Dataset:      data,
				Preprocessed: data,
				Model:        registry.PromotedModel{Weights: model, Spec: []byte("{}")},
			}
			return second(registry.Promote(ctx, b, "shop", 2, p))
		}},
		{"promotions", func(ctx context.Context, _ *testing.T, b *storage.Bucket) error {
			return second(registry.Promotions(ctx, b, "shop"))
		}},
		{"runs", func(ctx context.Context, _ *testing.T, b *storage.Bucket) error {
			return third(b.NightlyRuns(ctx, "shop", 2))
		}},
		{"put a nightly run", func(ctx context.Context, _ *testing.T, b *storage.Bucket) error {
			return b.PutNightlyRun(ctx, "shop", 9, nil)
		}},
		{"put the page of runs", func(ctx context.Context, _ *testing.T, b *storage.Bucket) error {
			return b.PutNightlyPage(ctx, "shop", nil)
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
			rows := storage.OpenRationales[int](b, "teacher").Shard(strings.Repeat("a", 64))
			err := rows.Append(ctx, []int{7})
			if err == nil {
				err = rows.Compact(ctx, []int{1, 7})
			}
			if err == nil {
				_, err = rows.Load(ctx)
			}
			return err
		}},
		{"load past a torn part", func(ctx context.Context, _ *testing.T, b *storage.Bucket) error {
			return second(storage.OpenRationales[int](b, "torn").Load(ctx))
		}},
		{"export", func(ctx context.Context, t *testing.T, b *storage.Bucket) error {
			t.Helper()
			return second(b.Export(ctx, model, t.TempDir(), "f"))
		}},
		{
			"verify",
			func(ctx context.Context, _ *testing.T, b *storage.Bucket) error { return second(b.Verify(ctx, "")) },
		},
		{"collect", func(ctx context.Context, _ *testing.T, b *storage.Bucket) error {
			return second(b.Collect(ctx, storage.CollectOptions{Before: time.Now().Add(time.Hour)}))
		}},
	}
}

// dataAndModel are the references of the artifacts of [newRunHistory].
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
	h := newRunHistory(t)
	ctx := t.Context()
	h.promote(t, 0, h.promotion(t, "one"))
	h.promote(t, 1, h.promotion(t, "two"))
	c := attempt(t, h.Bucket)
	save(t, c, 10)
	save(t, c, 20)
	orphan := h.putArtifact(t, "model", map[string]string{"x": "orphan"})
	for _, err := range []error{
		h.PutRun(ctx, "first", "run-1", "run.json", []byte("{}")),
		h.PutTable(ctx, "m", storage.Table{Artifact: h.data}),
		h.PutNightlyRun(ctx, "shop", 1, []byte("{}")), h.PutNightlyRun(ctx, "shop", 2, []byte("{}")),
		h.PutWatermark(ctx, "shop", storage.Watermark{Value: "v"}),
		storage.OpenRationales[int](h.Bucket, "teacher").Shard(strings.Repeat("a", 64)).Append(ctx, []int{1}),
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
	corruptObject(t, h.root, "checkpoints/*/*/000000020/weights")
	corruptObject(t, h.root, "rationales/torn/*")
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
				b, server := storagetest.Open(t, objects, failAt)
				err := o.do(t.Context(), t, b)
				if failAt == 0 && err != nil {
					t.Fatal(err)
				}
				if failAt > server.Calls() {
					break
				}
				if failAt > 0 && !errors.Is(err, storagetest.ErrBroken) {
					t.Errorf("call %d of %d breaks: %v", failAt, server.Calls(), err)
				}
			}
		})
	}
}
