package container_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"rdrec/internal/container"
)

const text = "user,item,time\n"

// bzip2ed is the text as Python's bz2 compresses it.
const bzip2ed = "QlpoOTFBWSZTWV9HbqEAAAdRgAAQAAQCIh4AIAAxBkxBDI0yFKmxyYhyeLuSKcKEgvo7dQg="

// pack writes data through a compressor.
func pack[W io.WriteCloser](t *testing.T, data string, open func(io.Writer) (W, error)) string {
	t.Helper()
	var packed bytes.Buffer
	w, err := open(&packed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return packed.String()
}

func gzipped(t *testing.T, data string) string {
	t.Helper()
	return pack(t, data, func(w io.Writer) (*gzip.Writer, error) { return gzip.NewWriter(w), nil })
}

// zipped returns an archive of files, each a name and its text.
func zipped(t *testing.T, files ...[2]string) string {
	t.Helper()
	var packed bytes.Buffer
	w := zip.NewWriter(&packed)
	for _, file := range files {
		entry, err := w.Create(file[0])
		if err == nil {
			_, err = io.WriteString(entry, file[1])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return packed.String()
}

func tarred(t *testing.T, files ...[2]string) string {
	t.Helper()
	var packed bytes.Buffer
	w := tar.NewWriter(&packed)
	for _, file := range files {
		err := w.WriteHeader(&tar.Header{Name: file[0], Size: int64(len(file[1])), Mode: 0o600, Typeflag: tar.TypeReg})
		if err == nil {
			_, err = io.WriteString(w, file[1])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return packed.String()
}

// unpack returns the unpacked text and the layers.
func unpack(data string) (string, []string, error) {
	r, err := container.Open(strings.NewReader(data), int64(len(data)))
	if err != nil {
		return "", nil, err
	}
	got, err := io.ReadAll(r)
	return string(got), r.Layers, errors.Join(err, r.Close())
}

func TestLayers(t *testing.T) {
	t.Parallel()
	bz, err := base64.StdEncoding.DecodeString(bzip2ed)
	if err != nil {
		t.Fatal(err)
	}
	zst := pack(t, text, func(w io.Writer) (*zstd.Encoder, error) { return zstd.NewWriter(w) })
	for _, c := range []struct {
		name, data string
		layers     []string
	}{
		{"plain", text, nil},
		{"gzip", gzipped(t, text), []string{"gzip"}},
		{"gzip in parts", gzipped(t, text[:4]) + gzipped(t, text[4:]), []string{"gzip"}},
		{"gzip twice", gzipped(t, gzipped(t, text)), []string{"gzip", "gzip"}},
		{"zstd", zst, []string{"zstd"}},
		{"zstd behind a frame to skip", "\x50\x2a\x4d\x18\x04\x00\x00\x00abcd" + zst, []string{"zstd"}},
		{"bzip2", string(bz), []string{"bzip2"}},
		{"xz", pack(t, text, xz.NewWriter), []string{"xz"}},
		{
			"zip", zipped(t, [2]string{"__MACOSX/._a", "x"}, [2]string{"d/", ""}, [2]string{"d/a.csv", text}),
			[]string{"zip"},
		},
		{"gzip in zip", zipped(t, [2]string{"a.csv.gz", gzipped(t, text)}), []string{"zip", "gzip"}},
		{"tar in gzip", gzipped(t, tarred(t, [2]string{"._a", "x"}, [2]string{"a", text})), []string{"gzip", "tar"}},
		{"empty within", gzipped(t, ""), []string{"gzip"}},
	} {
		got, layers, err := unpack(c.data)
		want := text
		if c.name == "empty within" {
			want = ""
		}
		if diff := cmp.Diff(c.layers, layers); err != nil || got != want || diff != "" {
			t.Errorf("%s: %q, %v\n%s", c.name, got, err, diff)
		}
	}
}

func TestWhatIsNotReadIsNamed(t *testing.T) {
	t.Parallel()
	two := [][2]string{{"a.csv", text}, {"b.csv", text}}
	for want, data := range map[string]string{
		"this is a zip archive of several files (a.csv, b.csv): unpack it and name one": zipped(t, two...),
		"the zip archive is empty": zipped(t),
		"the tar archive is empty": tarred(t, [2]string{"._a", "x"}),
		"this is an Office document: save its table as CSV": zipped(
			t, [2]string{"[Content_Types].xml", "x"}, two[0],
		),
		"this is a zip archive within gzip: unpack it":          gzipped(t, zipped(t, two[0])),
		"this is a tar archive of several files (a.csv, b.csv)": tarred(t, two...),
		"this is a 7z archive: unpack it":                       "7z\xbc\xaf\x27\x1c\x00\x04",
		"this is a RAR archive":                                 "Rar!\x1a\x07",
		"this is a web page: download the file itself":          "\n<!DOCTYPE html><html>",
		"this is an SQLite database: export its table":          "SQLite format 3\x00",
		"this is a Python pickle":                               "\x80\x04\x95",
		"this is a DuckDB database":                             "\x00\x00\x00\x00\x00\x00\x00\x00DUCK\x00\x00",
		"this is an Arrow file":                                 gzipped(t, "ARROW1\x00\x00"),
		"more than 4 layers of compression": gzipped(
			t, gzipped(t, gzipped(t, gzipped(t, gzipped(t, text)))),
		),
		"unexpected EOF": gzipped(t, text)[:25],
	} {
		if _, _, err := unpack(data); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// FuzzOpen: no bytes panic.
func FuzzOpen(f *testing.F) {
	for _, mark := range []string{
		"\x1f\x8b", "\x28\xb5\x2f\xfd", "\xfd7zXZ\x00", "PK\x03\x04", "BZh91AY&SY", "7z", text,
	} {
		f.Add(mark)
	}
	f.Fuzz(func(t *testing.T, data string) {
		r, err := container.Open(strings.NewReader(data), int64(len(data)))
		if err != nil {
			return
		}
		if _, err := io.Copy(io.Discard, io.LimitReader(r, 1<<20)); err != nil {
			t.Logf("reading: %v", err)
		}
		if err := r.Close(); err != nil {
			t.Logf("closing: %v", err)
		}
	})
}

// TestBombsAreRefused unpacks gzip and zstd, single and nested, of 120 MB.
func TestBombsAreRefused(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("user,item,time\n", 8<<20)
	once := gzipped(t, text)
	for name, data := range map[string]string{
		"gzip": once, "gzip twice": gzipped(t, once),
		"zstd": pack(t, text, func(w io.Writer) (*zstd.Encoder, error) { return zstd.NewWriter(w) }),
	} {
		r, err := container.Open(strings.NewReader(data), int64(len(data)))
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(io.Discard, r)
		if err == nil || !strings.Contains(err.Error(), "packed bytes unpack to more than") {
			t.Errorf("%s: %d bytes unpack to %d, error %v", name, len(data), n, err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestTextWithABlockMarkOfBzip2IsText opens a table whose first bytes are almost bzip2's.
func TestTextWithABlockMarkOfBzip2IsText(t *testing.T) {
	t.Parallel()
	const table = "abcd1AY&SY,1\n"
	if got, layers, err := unpack(table); got != table || len(layers) != 0 || err != nil {
		t.Errorf("%q, %q, %v", got, layers, err)
	}
}
