package review_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"rdrec/internal/review"
	"rdrec/internal/room"
)

// TestScratchOfAnImport compares the estimate of an import's scratch with what real reviews take,
// between its steps.
func TestScratchOfAnImport(t *testing.T) {
	t.Parallel()
	info, err := os.Stat(beauty)
	if err != nil {
		t.Fatal(err)
	}
	dir, most := t.TempDir(), int64(0)
	measure := func(review.Progress) {
		var bytes int64
		err := filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			info, err := entry.Info()
			bytes += info.Size()
			return err
		})
		if err != nil {
			t.Error(err)
		}
		most = max(most, bytes)
	}
	_, err = review.Importer{Options: options(beauty), Seed: 1, Dir: dir, Progress: measure}.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	need := room.Import(room.Files{Packed: info.Size()}, 0)[1]
	t.Logf("%d bytes packed took %d of scratch; at least %d, expected %d", info.Size(), most, need.Least, need.Expected)
	if most < need.Least || most > 2*need.Expected || need.Expected > 4*most {
		t.Errorf("%d bytes of scratch, estimated at least %d, expected %d", most, need.Least, need.Expected)
	}
}
