package train_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"rdrec/internal/spec"
	"rdrec/internal/torch"
	"rdrec/internal/train"
)

// TestJobsThatCannotBeginAreRefused has one thing wrong in each job; whatever was made before that
// is freed.
func TestJobsThatCannotBeginAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(j *train.Job)
		want  string
	}{
		"size":       {func(j *train.Job) { j.Spec.Student.Size = "t5-none" }, `no size "t5-none"`},
		"device":     {func(j *train.Job) { j.Device = "abacus" }, "abacus"},
		"pretrained": {func(j *train.Job) { j.Spec.Student.Pretrained = filepath.Join(j.Dir, "nowhere") }, "nowhere"},
		"dropout":    {func(j *train.Job) { one := 1.0; j.Spec.Student.Dropout = &one }, "dropout_rate"},
		"ratio":      {func(j *train.Job) { j.Spec.Train.Ratio = spec.Ratio{} }, "ratio"},
		"checkpoint": {func(j *train.Job) { j.Resume = filepath.Join(j.Dir, "nowhere") }, "resuming from checkpoint"},
		"validation": {func(j *train.Job) {
			j.Data.Explanations.Val, j.Spec.Train.Ratio = nil, spec.Ratio{Explanation: 1}
		}, "no validation data"},
	} {
		j := quick(t)
		c.spoil(&j)
		before := torch.Live()
		if _, err := train.Run(context.Background(), j); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
		if left := torch.Live() - before; left != 0 {
			t.Errorf("%s: %d tensors left", name, left)
		}
	}
}

// TestNoticeNamesTheFirstShortage: memory runs out for a batch of four at step 2 and for two rows
// at step 4.
func TestNoticeNamesTheFirstShortage(t *testing.T) {
	j := quick(t)
	j.Spec.Train.Batch = 4
	done, failed := 0, map[int]bool{}
	j.Progress = func(p train.Progress) { done = p.Step }
	end := torch.InjectOOM(func(int64) bool {
		short := (done == 1 || done == 4) && !failed[done]
		failed[done] = true
		return short
	})
	result := run(t, j)
	end()
	notices := strings.Join(result.Notices, "\n")
	if !strings.Contains(notices, "out of memory after step 1: from there on the micro-batch was 1 rows") {
		t.Errorf("notices %q", notices)
	}
}
