package activities_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"rdrec/activities"
	"rdrec/internal/dataset"
	"rdrec/internal/spec"
	"rdrec/storage"
)

// smallDisk mounts a file system of so many bytes on a folder, if the test may do that.
func smallDisk(t *testing.T, dir string, bytes int) {
	t.Helper()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", bytes)); err != nil {
		t.Skipf("a small file system can't be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

// writers do each work by writing files of a megabyte until that fails, or until the context ends.
type writers struct{ *answering }

func (writers) write(ctx context.Context, dir string) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	for n := 0; ctx.Err() == nil && n < 16; n++ {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(n)), make([]byte, 1<<20), 0o600); err != nil {
			return err
		}
	}
	<-ctx.Done()
	return context.Cause(ctx)
}

func (w writers) Import(ctx context.Context, job activities.ImportJob) error {
	return w.write(ctx, job.Dir)
}

func (writers) Check(context.Context, activities.CheckJob) error { return nil }

func (writers) IngestSource(context.Context, activities.IngestSourceJob) (spec.Ingested, error) {
	return spec.Ingested{}, nil
}

// Train writes a checkpoint. Its context ends with its job's stop channel.
func (w writers) Train(ctx context.Context, job activities.TrainJob) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-job.Stop:
		case <-ctx.Done():
		}
		cancel()
	}()
	return w.write(ctx, job.Scratch)
}

// Write fails as DuckDB does, with a text only.
func (w writers) Write(ctx context.Context, job activities.TableJob) error {
	return fmt.Errorf("write the table: IO Error: %v", w.write(ctx, job.Scratch)) //nolint:errorlint // see above
}

// large returns a dataset whose folder has more than a megabyte.
func large() *dataset.Dataset {
	d := miniature()
	for i := range 20_000 {
		e := dataset.Explanation{User: 1, Item: 1, Explanation: fmt.Sprintf("soft soap number %d", i), Feature: "soft"}
		d.Explanations.Train = append(d.Explanations.Train, e)
	}
	return d
}

// TestScratchFillsDuringTheWork runs what writes much on a scratch disk of two megabytes.
func TestScratchFillsDuringTheWork(t *testing.T) {
	s := newInboxEnv(t)
	smallDisk(t, s.Scratch, 2<<20)
	folder := t.TempDir()
	if err := dataset.Write(folder, large()); err != nil {
		t.Fatal(err)
	}
	small := filepath.Join(t.TempDir(), "reviews.csv")
	if err := os.WriteFile(small, []byte("user,item\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	data, err := s.Bucket.PutFolder(t.Context(), "dataset", folder)
	if err != nil {
		t.Fatal(err)
	}
	w := writers{&answering{}}
	s.Importer, s.Students, s.TableWriter = w, w, w
	table := s.putArtifact(activities.ExportFile(activities.FormatJSONL), strings.Repeat("{}\n", 1<<19))
	for name, do := range map[string]func() error{
		"fetch": func() error {
			_, err := run[storage.Ref](s, s.Preprocess, activities.PreprocessInput{Dataset: data, Negatives: 1})
			return err
		},
		"import": func() error {
			in := activities.ImportInput{Data: spec.Data{Reviews: &spec.Reviews{Path: small}, Indexing: spec.Random}}
			_, err := run[storage.Ref](s, s.Import, in)
			return err
		},
		"checkpoint": func() error {
			in := activities.PretrainInput{Preprocessed: s.putArtifact("f", "f"), Fingerprint: strings.Repeat("ab", 32)}
			_, err := run[storage.Ref](s, s.Pretrain, in)
			return err
		},
		"merged export": func() error {
			in := activities.MergeExportInput{Shards: []storage.Ref{table, table}}
			in.Model.Name = "demo/1"
			_, err := run[storage.Ref](s, s.MergeExport, in)
			return err
		},
		"format": func() error {
			in := activities.FormatExportInput{Table: table, Format: "csv"}
			_, err := run[storage.Ref](s, s.FormatExport, in)
			return err
		},
	} {
		err := do()
		if err == nil || !strings.Contains(err.Error(), "the scratch folder is full: ") ||
			!strings.Contains(strings.ToLower(err.Error()), "no space left on device") ||
			!strings.Contains(err.Error(), activities.TypeStorageFull) {
			t.Errorf("%s: %v", name, err)
		} else {
			t.Logf("%s: %v", name, err)
		}
		if left, err := os.ReadDir(s.Scratch); err != nil || len(left) > 0 {
			t.Errorf("%s leaves %d folders, %v", name, len(left), err)
		}
	}
}

// TestQuotaDuringTheWork ends an import whose files exceed the quota of a megabyte, and leaves one
// alone beside files of another that has more of them.
func TestQuotaDuringTheWork(t *testing.T) {
	t.Parallel()
	small := filepath.Join(t.TempDir(), "reviews.csv")
	if err := os.WriteFile(small, []byte("user,item\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	in := activities.ImportInput{Data: spec.Data{Reviews: &spec.Reviews{Path: small}, Indexing: spec.Random}}
	for want, importer := range map[string]func(scratch string) activities.Importer{
		"the scratch folder is full: its files have 16 MiB, the quota is 1 MiB (worker --max-scratch)": func(
			string,
		) activities.Importer {
			return writers{&answering{}}
		},
		"beside another": func(scratch string) activities.Importer { return beside{scratch} },
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newInboxEnv(t)
			s.MaxScratch, s.Importer = 1<<20, importer(s.Scratch)
			if _, err := run[storage.Ref](s, s.Import, in); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v, want %q", err, want)
			} else {
				t.Log(err)
			}
		})
	}
}

// beside imports for three seconds beside another import with more files.
type beside struct{ scratch string }

func (b beside) Import(ctx context.Context, job activities.ImportJob) error {
	other := filepath.Join(b.scratch, "other")
	if err := os.MkdirAll(other, 0o750); err != nil {
		return err
	}
	for dir, bytes := range map[string]int{other: 3 << 20, job.Dir: 2 << 20} {
		if err := os.WriteFile(filepath.Join(dir, "f"), make([]byte, bytes), 0o600); err != nil {
			return err
		}
	}
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(3 * time.Second):
		return fmt.Errorf("%w: beside another", activities.ErrData)
	}
}

func (beside) Check(context.Context, activities.CheckJob) error { return nil }

func (beside) IngestSource(context.Context, activities.IngestSourceJob) (spec.Ingested, error) {
	return spec.Ingested{}, nil
}
