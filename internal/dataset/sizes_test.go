package dataset_test

import (
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/dataset"
)

// TestSizes has a folder of ours, and one with P5's names and packed files.
func TestSizes(t *testing.T) {
	t.Parallel()
	of := func(n int) *fstest.MapFile { return &fstest.MapFile{Data: make([]byte, n)} }
	for name, c := range map[string]struct {
		folder fstest.MapFS
		want   map[string]int64
	}{
		"ours": {
			fstest.MapFS{
				"sequential.txt": of(3), "datamaps.json": of(5), "explanation.json": of(7),
				"explanation_rationale.json": of(11), "import.json": of(13),
			},
			map[string]int64{
				"sequential.txt": 3, "datamaps.json": 5, "explanation.json": 7, "explanation_rationale.json": 11,
			},
		},
		"P5's": {
			fstest.MapFS{
				"sequential_data.txt": of(3), "negative_samples.txt.gz": of(5), "explanation.json.gz": of(7),
				"datamaps.json": {Mode: 0o755 | fs.ModeDir},
			},
			map[string]int64{"sequential.txt": 3, "negative.txt": 20, "explanation.json": 28},
		},
		"OpenP5's": {fstest.MapFS{"user_sequence.txt": of(9)}, map[string]int64{"sequential.txt": 9}},
		"empty":    {fstest.MapFS{}, map[string]int64{}},
	} {
		if diff := cmp.Diff(c.want, dataset.Sizes(c.folder)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
