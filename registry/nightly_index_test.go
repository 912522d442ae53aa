package registry_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rdrec/registry"
	"rdrec/storage"
	"rdrec/storage/storagetest"
)

// openIndex opens the index of the name shop. The files of reviews are named by their digest: one
// file for each letter.
func openIndex(ctx context.Context, b *storage.Bucket) (*registry.NightlyIndex, error) {
	return registry.OpenNightlyIndex(ctx, b, "shop",
		func(_ context.Context, reviews storage.Ref) (files []storage.File, err error) {
			for _, letter := range reviews.Digest {
				files = append(files, storage.File{Ref: storage.Ref{Digest: string(letter)}})
			}
			return files, nil
		})
}

func mustOpenIndex(t *testing.T, b *storage.Bucket) *registry.NightlyIndex {
	t.Helper()
	index, err := openIndex(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	return index
}

// file returns a file of an inbox.
func file(digest string) storage.File {
	return storage.File{Name: "inbox/" + digest, Ref: storage.Ref{Digest: digest}}
}

// putRuns stores the records of nightly runs: every tenth one rejected its file.
func putRuns(t *testing.T, b *storage.Bucket, first, last int) {
	t.Helper()
	for number := first; number <= last; number++ {
		run := registry.NightlyRun{
			Name: "shop", Number: number, Run: fmt.Sprint("run", number), SkipFiles: number%10 == 0,
			Ingested: []storage.File{file(fmt.Sprint("f", number))},
		}
		if err := putNightlyRun(t.Context(), b, run); err != nil {
			t.Fatal(err)
		}
	}
}

// An index skips what the records say, also after it was lost, damaged, or written by a run that
// did not know the latest records.
func TestIndexSkipsWhatTheRecordsSay(t *testing.T) {
	t.Parallel()
	b, _ := storagetest.OpenFolder(t)
	putRuns(t, b, 1, 9)
	set := registry.NightlyRun{
		Name: "shop", Number: 10, Run: "run10", SkipFiles: true, Ingested: []storage.File{file("f10")},
		SetAside: []registry.SetAside{{File: file("bad"), Reason: "empty"}},
	}
	if err := putNightlyRun(t.Context(), b, set); err != nil {
		t.Fatal(err)
	}
	for i, reviews := range []string{"ab", "abcd", "ab"} { // the rollback takes c and d out of use
		p := registry.Promotion{Kind: registry.NewPromotion, Reviews: storage.Ref{Digest: reviews}}
		if i == 2 {
			p.Kind, p.RollbackTo = registry.Rollback, 1
		}
		record := fmt.Sprintf(`{"number":%d,"kind":%q,"reviews":{"digest":%q,"size":1}}`, i+1, p.Kind, reviews)
		if err := b.PutPromotion(t.Context(), "shop", i+1, []byte(record)); err != nil {
			t.Fatal(err)
		}
	}
	stale, err := b.NightlyIndex(t.Context(), "shop")
	if err != nil {
		t.Fatal(err)
	}
	putRuns(t, b, 11, 20)
	for name, stored := range map[string][]byte{"damaged": []byte("{"), "stale": stale, "lost": []byte("null")} {
		if err := b.PutNightlyIndex(t.Context(), "shop", stored); err != nil {
			t.Fatal(err)
		}
		index := mustOpenIndex(t, b)
		if got := index.NextRun(); got != 21 {
			t.Errorf("%s: the next run is %d, want 21", name, got)
		}
		for _, c := range []struct {
			current int
			retry   bool
			want    []string
		}{
			{3, false, []string{"bad", "c", "d", "f10", "f20"}},
			{3, true, []string{"bad", "c", "d"}},
			{2, true, []string{"bad"}},
		} {
			var got []string
			for digest := range index.Skipped(c.current, c.retry) {
				got = append(got, digest)
			}
			slices.Sort(got)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("%s, promotion %d, retry %v: %s", name, c.current, c.retry, diff)
			}
		}
	}
}

// A nightly run makes as many requests after 300 runs as after 100, and reads no object of the
// inbox that it has hashed.
func TestRequestsDoNotGrow(t *testing.T) {
	t.Parallel()
	b, _ := storagetest.OpenFolder(t)
	inbox := func(name, text string) {
		t.Helper()
		path := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := b.PutInbox(t.Context(), "inbox/"+name, path); err != nil {
			t.Fatal(err)
		}
	}
	inbox("a", "one")
	inbox("b", "two")
	measure := func(number int) storage.Requests {
		before := b.Requests()
		index := mustOpenIndex(t, b)
		files, err := index.HashInbox(t.Context(), "inbox/")
		if err != nil || len(files) != 2 || files[0].Digest != storage.Digest([]byte("one")) {
			t.Fatalf("inbox %+v, %v", files, err)
		}
		if err := index.Store(t.Context()); err != nil {
			t.Fatal(err)
		}
		putRuns(t, b, number, number)
		if err := registry.WriteNightlyPage(t.Context(), b, "shop", time.Now()); err != nil {
			t.Fatal(err)
		}
		return b.Requests().Sub(before)
	}
	first := measure(1)
	if want := (storage.Requests{Reads: 6, Writes: 4, Lists: 6}); first != want {
		t.Errorf("first run: %+v, want %+v", first, want)
	}
	putRuns(t, b, 2, 99)
	hundredth := measure(100)
	putRuns(t, b, 101, 299)
	last := measure(300)
	if hundredth != last || last.Sum() > 75 {
		t.Errorf("run 100: %+v, run 300: %+v; want the same, 75 at most", hundredth, last)
	}
}
