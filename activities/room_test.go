package activities_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rdrec/activities"
	"rdrec/internal/dataset"
	"rdrec/internal/room"
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

// llamaTeachers have a Llama 2 7B in bfloat16.
type llamaTeachers struct{ activities.Teachers }

func (llamaTeachers) Size(spec.Teacher) (room.Teacher, error) {
	return room.Teacher{
		Parameters: 6_738_415_616, WeightBytes: 2, TokenBytes: 2 * 2 * 32 * 4096, Context: 512, Batch: 256,
	}, nil
}

// TestInputsThatNeverFit refuses an import, a teacher and a pretrained student before any of them
// is read.
func TestInputsThatNeverFit(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	config := `{"d_model": 1024, "d_kv": 128, "d_ff": 16384, "num_layers": 24, "num_heads": 32, "vocab_size": 32128}`
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	reviews := filepath.Join(dir, "huge.json")
	if err := os.WriteFile(reviews, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(reviews, 1<<43); err != nil { // a hole takes no space
		t.Skip(err)
	}
	size := spec.Default().Student
	data := func(path string) spec.Data { return spec.Data{Reviews: &spec.Reviews{Path: path}} }
	for name, c := range map[string]struct {
		in   activities.IdentifyInput
		want string
	}{
		"memory of an import": {
			activities.IdentifyInput{Data: data(filepath.Join(dir, "config.json")), Student: size},
			"import needs 640 MiB of memory, has 600 MiB",
		},
		"scratch of an import": {
			activities.IdentifyInput{Data: data(reviews), Student: size}, "import needs 2048.0 GiB of scratch, has ",
		},
		"a teacher": {
			activities.IdentifyInput{UsesTeacher: true, Student: size},
			"distill needs 12.8 GiB of memory, has 12.0 GiB",
		},
		"a pretrained student": {
			activities.IdentifyInput{Student: spec.Student{Pretrained: dir}, Train: spec.Default().Train},
			"training needs 42.5 GiB of memory, has 12.0 GiB (the pretrained student has 2852.1 million parameters",
		},
	} {
		s := newInboxEnv(t)
		s.Teachers, s.Memory, s.HostMemory = llamaTeachers{}, 12<<30, 8<<30
		if name == "memory of an import" {
			s.HostMemory = 600 << 20
		}
		_, err := run[activities.IdentifyResult](s, s.Identify, c.in)
		if err == nil || !strings.Contains(err.Error(), c.want) ||
			!strings.Contains(err.Error(), activities.TypeInvalidConfig) {
			t.Errorf("%s: %v", name, err)
		} else {
			t.Log(err)
		}
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
	const want = "its files have 3 MiB, the quota is 1 MiB (worker --max-scratch)"
	if err == nil || !strings.Contains(err.Error(), want) ||
		!strings.Contains(err.Error(), activities.TypeStorageFull) {
		t.Errorf("with a full folder: %v", err)
	}
}

// TestADatasetThatNeverFits refuses a folder before any of it is read, and a dataset of the bucket
// in each stage that reads it whole.
func TestADatasetThatNeverFits(t *testing.T) {
	t.Parallel()
	s := newInboxEnv(t)
	s.HostMemory = 1 << 30
	folder := t.TempDir()
	if err := dataset.Write(folder, miniature()); err != nil {
		t.Fatal(err)
	}
	ref, err := s.Bucket.PutFolder(t.Context(), "dataset", folder)
	if err != nil {
		t.Fatal(err)
	}
	largest := filepath.Join(folder, "sequential.txt")
	if err := os.Truncate(largest, 1<<33); err != nil { // a hole takes no space
		t.Skip(err)
	}
	_, err = run[activities.IdentifyResult](s, s.Identify, activities.IdentifyInput{Data: spec.Data{Folder: folder}})
	checkRefused(t, "preprocess needs 28.0 GiB of memory, has 1.0 GiB (", err)
	s.HostMemory = 100
	for want, do := range map[string]func() error{
		"item indexing": func() error {
			in := activities.ImportInput{Data: spec.Data{Folder: folder, Indexing: spec.AsIs}}
			_, err := run[storage.Ref](s, s.Import, in)
			return err
		},
		"preprocess": func() error {
			_, err := run[storage.Ref](s, s.Preprocess, activities.PreprocessInput{Dataset: ref})
			return err
		},
		"baseline": func() error {
			_, err := run[storage.Ref](s, s.RankBaselines, activities.RankBaselinesInput{Preprocessed: ref})
			return err
		},
		"pretrain": func() error {
			in := activities.PretrainInput{Preprocessed: ref, Fingerprint: strings.Repeat("ab", 32)}
			_, err := run[storage.Ref](s, s.Pretrain, in)
			return err
		},
		"evaluate explanation": func() error {
			in := activities.EvaluateInput{Preprocessed: ref, Model: s.putArtifact("m", "m")}
			_, err := run[storage.Ref](s, s.Evaluate, in)
			return err
		},
		"export": func() error {
			in := activities.ExportInput{Top: 1}
			in.Model.Preprocessed, in.Model.Method = ref, "rdrec"
			_, err := run[activities.ExportPlan](s, s.PlanExport, in)
			return err
		},
	} {
		checkRefused(t, want+" needs ", do())
	}
}

// checkRefused checks that the error is final and has the number.
func checkRefused(t *testing.T, want string, err error) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) ||
		!strings.Contains(err.Error(), activities.TypeInvalidConfig) {
		t.Errorf("%v, want %q", err, want)
	} else {
		t.Log(err)
	}
}
