package activities_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rdrec/storage"
)

// TestCommitDeletesCheckpoints has a training with a checkpoint, whose record is written twice, and
// others whose checkpoints remain: of another work, by the bucket's settings, and after an error.
func TestCommitDeletesCheckpoints(t *testing.T) {
	own, other := strings.Repeat("a", 64), strings.Repeat("b", 64)
	for name, c := range map[string]struct {
		stage, settings string
		want            int
	}{
		"pretrain": {"pretrain", "", 1}, "sasrec": {"sasrec", "{}", 1}, "no training": {"import", "", 2},
		"kept": {"pretrain", `{"retention": {"keep_checkpoints": true}}`, 2}, "damaged settings": {"pretrain", "{", 2},
	} {
		s := newInboxEnv(t)
		if c.settings != "" {
			if err := os.WriteFile(filepath.Join(s.root, "settings.json"), []byte(c.settings), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for _, work := range []string{own, other} {
			checkpoints, err := storage.OpenCheckpoints(t.Context(), s.Bucket, work, "owner", 1)
			if err != nil {
				t.Fatal(err)
			}
			if err := checkpoints.Save(t.Context(), 5, t.TempDir()); err != nil {
				t.Fatal(err)
			}
		}
		done := storage.StageRecord{Stage: c.stage, Fingerprint: own, Output: s.putArtifact("f", "x")}
		for range 2 {
			if _, err := run[any](s, s.CommitStage, done); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		left, err := filepath.Glob(filepath.Join(s.root, "checkpoints/*/*/*/manifest.json"))
		if err != nil || len(left) != c.want {
			t.Errorf("%s: %v remain, %v, want %d", name, left, err, c.want)
		}
	}
}
