package activities_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rdrec/activities"
	"rdrec/internal/spec"
	"rdrec/registry"
	"rdrec/storage"
)

// TestAMachineThatIsTooSmall refuses a run when its inputs are identified, and a training, before
// any work: neither the data nor the models exist.
func TestAMachineThatIsTooSmall(t *testing.T) {
	t.Parallel()
	s := newInboxEnv(t)
	s.Memory = 24 << 30
	large := spec.Default()
	large.Student.Size = "t5-3b"
	const want = "training t5-3b needs 42.5 GiB of memory, has 24.0 GiB: student.size=t5-large would fit (11.0 GiB)"
	_, err := run[registry.Identity](s, s.Identify, activities.IdentifyInput{Student: large.Student})
	if err == nil || !strings.Contains(err.Error(), want) ||
		!strings.Contains(err.Error(), activities.TypeInvalidConfig) {
		t.Errorf("identify: %v", err)
	}
	_, err = run[storage.Ref](s, s.Pretrain, activities.PretrainInput{Student: large.Student, Train: large.Train})
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("pretrain: %v", err)
	} else {
		t.Log(err)
	}
}

// TestScratchQuota starts an activity while the files of others fill the scratch folder.
func TestScratchQuota(t *testing.T) {
	t.Parallel()
	s := newInboxEnv(t)
	s.MaxScratch = 1 << 20
	if err := os.WriteFile(filepath.Join(s.Scratch, "other"), make([]byte, 3<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := run[storage.Ref](s, s.Pretrain, activities.PretrainInput{})
	const want = "it holds 3 MiB, the quota is 1 MiB (worker --max-scratch)"
	if err == nil || !strings.Contains(err.Error(), want) ||
		!strings.Contains(err.Error(), activities.TypeStorageFull) {
		t.Errorf("with a full folder: %v", err)
	}
}
