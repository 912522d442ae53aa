package storage_test

import (
	"errors"
	"testing"

	"rdrec/storage"
)

// TestReadPageServesPagesOnly asks for every kind of object.
func TestReadPageServesPagesOnly(t *testing.T) {
	t.Parallel()
	b, err := storage.Open(t.Context(), "mem://")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	for _, name := range []string{"report.html", storage.RunRecord} {
		if err := b.PutRun(t.Context(), "shop", "1", name, []byte(name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.PutNightlyPage(t.Context(), "shop", []byte("page")); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"runs/shop/1/report.html": "report.html", "nightly/shop/nightly.html": "page", "runs/shop/1/run.json": "",
		"runs/shop/../shop/1/report.html": "", "cas/report.html": "", "bucket.json": "", "": "",
	} {
		got, err := b.ReadPage(t.Context(), key)
		if string(got) != want || (want == "") != errors.Is(err, storage.ErrNotFound) {
			t.Errorf("%q is %q, %v; want %q", key, got, err, want)
		}
	}
}
