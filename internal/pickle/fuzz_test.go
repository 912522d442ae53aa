package pickle_test

import (
	"archive/zip"
	"os"
	"path/filepath"
	"testing"

	"rdrec/internal/pickle"
)

// FuzzPickle opens pickles in zip files: an error or tensors within their storages, no panic.
func FuzzPickle(f *testing.F) {
	for _, seed := range []string{
		string(stateDict(text("x") + tensor(4, 2, 1))),
		"\x80\x04\x95\x06\x00\x00\x00\x00\x00\x00\x00}\x94\x8c\x01a\x94s.", "\x80\x02]q\x00h\x00a.",
		"\x80\x02ccollections\nOrderedDict\n)R}b.",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) { check(t, zipped(t, zip.Store, data, make([]byte, 16))) })
}

// FuzzFile opens whole files.
func FuzzFile(f *testing.F) {
	paths, err := filepath.Glob("../../testdata/cases/hostile/*.bin")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range append(paths, "../torch/testdata/statedict.bin", "../torch/testdata/module.pt") {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		if len(data) < 10_000 {
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) { check(t, stored(t, data)) })
}

// check reads every tensor of a file.
func check(t *testing.T, path string) {
	t.Helper()
	file, err := pickle.Open(path)
	if err != nil {
		return
	}
	defer file.Close()
	for name, tensor := range file.Tensors {
		first, end, err := tensor.Span()
		if err != nil {
			continue
		}
		if data, err := tensor.Storage.Read(first, end); err == nil &&
			int64(len(data)) != (end-first)*pickle.ElementSize(tensor.Storage.Class) {
			t.Errorf("%q: %d bytes of [%d, %d)", name, len(data), first, end)
		}
	}
}
