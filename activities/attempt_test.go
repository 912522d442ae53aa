package activities

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"rdrec/internal/spec"
	"rdrec/internal/teacher"
	"rdrec/storage"
	"rdrec/storage/storagetest"
)

// trainer is a student that does what the test wants.
type trainer struct {
	Students
	train func(ctx context.Context, job TrainJob) error
}

func (t trainer) Train(ctx context.Context, job TrainJob) error { return t.train(ctx, job) }

// tried is the activities on a file bucket, and what an earlier attempt left.
type tried struct {
	*Activities
	t    *testing.T
	root string
	last Progress
}

func newTried(t *testing.T) *tried {
	t.Helper()
	bucket, root := storagetest.OpenFolder(t)
	return &tried{
		&Activities{Bucket: bucket, Scratch: t.TempDir(), Log: zerolog.Nop(), Now: time.Now},
		t,
		root,
		Progress{},
	}
}

func (w *tried) do(activity, in any) error {
	w.t.Helper()
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	env.RegisterActivity(w.Activities)
	if !cmp.Equal(w.last, Progress{}) {
		env.SetHeartbeatDetails(w.last)
	}
	_, err := env.ExecuteActivity(activity, in)
	return err
}

func (w *tried) artifact(name, text string) storage.Ref {
	w.t.Helper()
	return storagetest.PutArtifact(w.t, w.Bucket, map[string]string{name: text})
}

// typeOf is the type of an activity's error, and whether it is final.
func typeOf(err error) string {
	var failed *temporal.ApplicationError
	if !errors.As(err, &failed) {
		return ""
	}
	if failed.NonRetryable() {
		return "final " + failed.Type()
	}
	return failed.Type()
}

// TestTwoLostWorkersInARowAreTheEnd has what an attempt reads of those before it. The test's
// attempt is the first, so it adds none.
func TestSixLostWorkersInARowAreTheEnd(t *testing.T) {
	for _, c := range []struct {
		last attemptHistory
		want string
	}{
		{attemptHistory{}, ""},
		{attemptHistory{Attempt: 1, Lost: 1}, ""},
		{attemptHistory{Attempt: 1, Lost: 2}, "final NoProgress"},
		{attemptHistory{Attempt: 1, Lost: 3}, "final NoProgress"},
		{attemptHistory{Attempt: 1, Lost: 2, Progressed: true}, ""},
		{attemptHistory{Attempt: 1, Lost: 2, Ended: true}, ""},
	} {
		w := newTried(t)
		w.last = Progress{Stage: "merge", History: c.last}
		if err := w.do(w.MergePredictions, MergePredictionsInput{}); typeOf(err) != c.want {
			t.Errorf("%+v: %v, want %q", c.last, err, c.want)
		}
	}
}

func TestAttemptHistoryOfTheNextAttempt(t *testing.T) {
	for _, c := range []struct {
		name    string
		last    attemptHistory
		attempt int
		want    attemptHistory
	}{
		{"the first attempt", attemptHistory{}, 1, attemptHistory{Attempt: 1}},
		{"the third, which knows of none", attemptHistory{}, 3, attemptHistory{Attempt: 3, Lost: 2}},
		{"one lost", attemptHistory{Attempt: 1}, 2, attemptHistory{Attempt: 2, Lost: 1}},
		{"one lost and one that left nothing", attemptHistory{Attempt: 1}, 3, attemptHistory{Attempt: 3, Lost: 2}},
		{
			"after some",
			attemptHistory{Attempt: 4, Lost: 2, MaxDone: 7},
			5,
			attemptHistory{Attempt: 5, Lost: 3, MaxDone: 7},
		},
		{
			"after progress",
			attemptHistory{Attempt: 4, Lost: 2, MaxDone: 7, Progressed: true},
			5,
			attemptHistory{Attempt: 5, MaxDone: 7},
		},
		{
			"after progress and one that left nothing",
			attemptHistory{Attempt: 4, Lost: 2, MaxDone: 7, Progressed: true},
			6,
			attemptHistory{Attempt: 6, Lost: 1, MaxDone: 7},
		},
		{
			"after an error",
			attemptHistory{Attempt: 4, Lost: 2, MaxDone: 7, Ended: true},
			5,
			attemptHistory{Attempt: 5, MaxDone: 7},
		},
	} {
		if diff := cmp.Diff(c.want, c.last.next(c.attempt)); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
	for done, want := range map[int]attemptHistory{
		6: {MaxDone: 7}, 7: {MaxDone: 7}, 8: {MaxDone: 8, Progressed: true},
	} {
		if diff := cmp.Diff(want, (attemptHistory{MaxDone: 7}).advance(done)); diff != "" {
			t.Errorf("%d done: %s", done, diff)
		}
	}
}

// TestThirtyAttemptsWithoutARationaleAreTheEnd has the last attempt that finished one so many
// attempts ago.
func TestThirtyAttemptsWithoutARationaleAreTheEnd(t *testing.T) {
	for ago, want := range map[int]string{29: "", 30: "", 31: "final NoProgress"} {
		w := newTried(t)
		w.last = Progress{Stage: "distill", ProgressAttempt: 1 - ago, History: attemptHistory{Attempt: 1, Ended: true}}
		in := DistillShardInput{Plan: w.artifact("000001.jsonl", ""), Shard: 1}
		if err := w.do(w.DistillShard, in); typeOf(err) != want {
			t.Errorf("%d attempts ago: %v, want %q", ago, err, want)
		}
	}
}

const pretrained = "aaaaaaaaaaaaaaaa"

// pretrain runs an attempt at training and returns its job and error.
func (w *tried) pretrain(train func(ctx context.Context, job TrainJob) error) error {
	w.t.Helper()
	w.Students = trainer{train: func(ctx context.Context, job TrainJob) error {
		if err := os.MkdirAll(job.Out, 0o750); err != nil {
			return err
		}
		return train(ctx, job)
	}}
	return w.do(w.Pretrain, PretrainInput{
		Preprocessed: w.artifact("e", "e"), Method: "rdrec", Train: spec.Train{KeepCheckpoints: 2}, Seed: 1,
		Fingerprint: pretrained,
	})
}

// TestEightAttemptsWithoutACheckpointAreTheEnd counts from the beginning, and from a checkpoint.
func TestEightAttemptsWithoutACheckpointAreTheEnd(t *testing.T) {
	for _, saved := range []bool{false, true} {
		for attempts, want := range map[int]string{0: "", 7: "", 8: "final NoProgress"} {
			w := newTried(t)
			if saved {
				w.checkpoint(10)
			}
			for range attempts {
				w.open()
			}
			trained := false
			err := w.pretrain(func(_ context.Context, job TrainJob) error {
				trained = true
				if (job.Resume != "") != saved {
					t.Errorf("resumes from %q", job.Resume)
				}
				return nil
			})
			if typeOf(err) != want || trained != (want == "") {
				t.Errorf(
					"a checkpoint: %t, then %d attempts without one: trained %t, %v; want %q",
					saved,
					attempts,
					trained,
					err,
					want,
				)
			}
		}
	}
}

func (w *tried) open() *storage.Checkpoints {
	w.t.Helper()
	c, err := storage.OpenCheckpoints(w.t.Context(), w.Bucket, pretrained, "test", 2)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// checkpoint saves one of an attempt of its own.
func (w *tried) checkpoint(step int) {
	w.t.Helper()
	dir := w.t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "weights"), fmt.Append(nil, step), 0o600); err != nil {
		w.t.Fatal(err)
	}
	if err := w.open().Save(w.t.Context(), step, dir); err != nil {
		w.t.Fatal(err)
	}
}

// TestTrainingResumesFromTheNewestCheckpoint hands its folder to the job; corrupt ones end it.
func TestTrainingResumesFromTheNewestCheckpoint(t *testing.T) {
	w := newTried(t)
	w.checkpoint(20)
	w.checkpoint(10)
	resumed := ""
	err := w.pretrain(func(_ context.Context, job TrainJob) error {
		data, err := os.ReadFile(filepath.Join(job.Resume, "weights"))
		resumed = string(data)
		return err
	})
	if err != nil || resumed != "10" {
		t.Errorf("resumed from %q, %v; want the newest attempt's", resumed, err)
	}
	weights, err := filepath.Glob(filepath.Join(w.root, "checkpoints/*/*/*/weights"))
	if err != nil || len(weights) != 2 {
		t.Fatal(weights, err)
	}
	for _, path := range weights {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	err = w.pretrain(func(context.Context, TrainJob) error { return errors.New("it trains") })
	if typeOf(err) != "final DataCorrupt" {
		t.Errorf("every checkpoint is corrupt: %v", err)
	}
}

// TestNightlyTrainingStartsFromTheModelInUse hands its folder to the job.
func TestNightlyTrainingStartsFromTheModelInUse(t *testing.T) {
	w := newTried(t)
	warmStart := w.artifact("model.safetensors", "warm")
	from := ""
	w.Students = trainer{train: func(_ context.Context, job TrainJob) error {
		data, err := os.ReadFile(filepath.Join(job.Student.Pretrained, "model.safetensors"))
		from = string(data)
		return errors.Join(err, os.MkdirAll(job.Out, 0o750))
	}}
	in := PretrainInput{
		Preprocessed: w.artifact("e", "e"), Student: spec.Student{WarmStart: &warmStart}, Fingerprint: pretrained,
	}
	if err := w.do(w.Pretrain, in); err != nil || from != "warm" {
		t.Errorf("it begins from %q, %v", from, err)
	}
}

// TestTheThirdFailedCheckpointInARowEndsTraining has saves that fail (f) and succeed (s).
func TestTheThirdFailedCheckpointInARowEndsTraining(t *testing.T) {
	for saves, want := range map[string]string{"ff": "", "fff": "third", "ffsff": "", "ffsfff": "third"} {
		w := newTried(t)
		err := w.pretrain(func(ctx context.Context, job TrainJob) error {
			for step, outcome := range saves {
				dir := job.Out
				if outcome == 'f' {
					dir = filepath.Join(job.Out, "no such folder")
				}
				if err := job.Save(ctx, step+1, dir); err != nil {
					if step+1 != len(saves) {
						t.Errorf("%s: save %d fails: %v", saves, step+1, err)
					}
					return fmt.Errorf("third: %w", err)
				}
			}
			return nil
		})
		if (err != nil) != (want != "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", saves, err)
		}
	}
}

// TestTheThirdFailureInARowEndsDistilling hands rows to a bucket that takes nothing, and then takes
// all.
func TestTheThirdFailureInARowEndsDistilling(t *testing.T) {
	w := newTried(t)
	rows := storage.OpenRationales[teacher.Rationale](w.Bucket, "t")
	k := &rowWriter{rows: rows, wake: make(chan struct{}, 1)}
	block := filepath.Join(w.root, "rationales")
	if err := os.WriteFile(block, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for failures := range 4 {
		if err := k.add(teacher.Rationale{ID: fmt.Sprint(failures)}); (err != nil) != (failures >= 3) {
			t.Errorf("after %d failures: %v", failures, err)
		}
		k.store(t.Context())
	}
	if err := os.Remove(block); err != nil {
		t.Fatal(err)
	}
	k.store(t.Context())
	if err := k.add(teacher.Rationale{ID: "4"}); err != nil {
		t.Errorf("after a success: %v", err)
	}
	k.store(t.Context())
	got, err := rows.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]int{}
	for _, row := range got {
		ids[row.ID]++
	}
	if diff := cmp.Diff(map[string]int{"0": 1, "1": 1, "2": 1, "3": 1, "4": 1}, ids); diff != "" {
		t.Error(diff)
	}
	if keep := newRowWriter(t.Context(), rows); keep.add(teacher.Rationale{ID: "5"}) != nil || keep.close() != nil {
		t.Error("the bucket takes rows, and yet they fail")
	}
}
