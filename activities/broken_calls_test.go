package activities_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/temporal"

	"rdrec/activities"
	"rdrec/internal/dataset"
	"rdrec/internal/prediction"
	"rdrec/internal/spec"
	"rdrec/internal/task"
	"rdrec/registry"
	"rdrec/storage"
	"rdrec/storage/storagetest"
)

// miniature has three users, eight items and a rationale for the first training explanation only.
func miniature() *dataset.Dataset {
	d := &dataset.Dataset{
		Items:   8,
		UserIDs: []string{"ann", "ben", "cid"},
		ItemIDs: []string{"A", "B", "C", "D", "E", "F", "G", "H"},
		Users: []dataset.User{
			{ID: 1, Items: []int{1, 2, 3, 4}}, {ID: 2, Items: []int{2, 3, 5, 6}}, {ID: 3, Items: []int{1, 3, 7, 8}},
		},
	}
	d.Explanations = dataset.Splits{
		Train: []dataset.Explanation{
			{User: 1, Item: 1, Explanation: "soft soap", Feature: "soft", Preference: "likes", Attribution: "is"},
			{User: 2, Item: 2, Explanation: "good brush", Feature: "good"},
		},
		Val:  []dataset.Explanation{{User: 1, Item: 3, Explanation: "nice cream", Feature: "nice"}},
		Test: []dataset.Explanation{{User: 2, Item: 6, Explanation: "fine comb", Feature: "fine"}},
	}
	return d
}

// toolbox does the work that needs heavy libraries, with fixed results.
type toolbox struct{ *answering }

// Import writes the miniature and the counts of its import.
func (toolbox) Import(_ context.Context, job activities.ImportJob) error {
	if err := dataset.Write(job.Dir, miniature()); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(job.Dir, "import.json"), []byte(importCounts), 0o600)
}

const importCounts = `{"rows":20,"bad":1,"duplicates":2,"filtered":5,"users":3,"items":8,"interactions":12}`

func (toolbox) Check(context.Context, activities.CheckJob) error { return nil }

func (toolbox) IngestSource(
	ctx context.Context, job activities.IngestSourceJob,
) (spec.Ingested, error) {
	return (&fakeSource{watermarks: []string{"1", "2"}}).IngestSource(ctx, job)
}

func (toolbox) Train(ctx context.Context, job activities.TrainJob) error {
	for _, dir := range []string{job.Scratch, job.Out} {
		if err := os.MkdirAll(dir, 0o750); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, "model.safetensors"), []byte("weights"), 0o600); err != nil {
			return err
		}
	}
	return job.Save(ctx, 7, job.Scratch)
}

func (toolbox) Sasrec(ctx context.Context, job activities.SasrecJob) (activities.SasrecRecord, error) {
	if err := os.MkdirAll(job.Scratch, 0o750); err != nil {
		return activities.SasrecRecord{}, err
	}
	if err := os.WriteFile(filepath.Join(job.Scratch, "state.json"), []byte("{}"), 0o600); err != nil {
		return activities.SasrecRecord{}, err
	}
	if err := job.Save(ctx, 7, job.Scratch); err != nil {
		return activities.SasrecRecord{}, err
	}
	for _, seed := range job.Seeds {
		for _, t := range []task.Task{task.Sequential, task.TopN} {
			if err := job.Ranked(seed, t, predicted(4, 1, 1)); err != nil {
				return activities.SasrecRecord{}, err
			}
		}
	}
	return activities.SasrecRecord{Description: "tuned", Tuning: json.RawMessage("[]")}, nil
}

func (toolbox) Write(_ context.Context, job activities.TableJob) error {
	data, err := os.ReadFile(job.Lines)
	if err != nil {
		return err
	}
	return os.WriteFile(job.Out, data, 0o600)
}

// predicted returns predictions for the miniature's users, each of whom gets one item first and
// item 2 second.
func predicted(first ...int) []prediction.Prediction {
	rows := make([]prediction.Prediction, len(first))
	for i, item := range first {
		rows[i] = prediction.Prediction{User: i + 1, Truth: []int{4, 6, 8}[i], Items: []int{item, 2}}
	}
	return rows
}

func explained() []prediction.Text {
	return []prediction.Text{{User: 2, Item: 6, Reference: "a fine comb", Generated: "a fine brush"}}
}

// newStages returns activities whose every dependency works, on a bucket of files.
func newStages(t *testing.T) *inboxEnv {
	t.Helper()
	s := newInboxEnv(t)
	s.Build = map[string]string{"rdrec": "1"}
	equip(s.Activities)
	return s
}

// equip gives activities tools of their own.
func equip(a *activities.Activities) {
	tools := toolbox{&answering{predictions: predicted(4, 1, 8), texts: explained()}}
	a.Importer, a.Students, a.Rankers, a.Recommenders, a.TableWriter = tools, tools, tools, tools, tools
	a.Teachers = &scripted{}
}

// must returns the result of an activity that succeeds.
func must[Out any](s *inboxEnv, activity, in any) Out {
	s.t.Helper()
	out, err := run[Out](s, activity, in)
	if err != nil {
		s.t.Fatal(err)
	}
	return out
}

// record returns a finished run of the miniature: one student with two seeds, SASRec and every
// untrained baseline.
func (s *inboxEnv) record() registry.RunRecord {
	s.t.Helper()
	in := registry.RunRecord{Spec: spec.Default(), Identity: registry.Identity{Data: "data", Teacher: "weights"}}
	in.Spec.Name, in.Spec.Trials, in.Spec.Data.Negatives = "mini", 2, 2
	in.Spec.Baselines = append(in.Spec.Baselines, "sasrec")
	in.Spec.Data.Reviews = &spec.Reviews{Path: "reviews.json"}
	in.Spec.Data.Indexing = spec.Random
	in.Dataset = must[storage.Ref](s, s.Import, activities.ImportInput{Data: in.Spec.Data, Seed: 1})
	distill := s.distillation(in.Dataset)
	plan := must[activities.DistillPlan](s, s.PlanDistillation, distill)
	must[any](s, s.DistillShard, activities.DistillShardInput{DistillInput: distill, Plan: plan.Of(1), Shard: 1})
	in.Rationales = must[storage.Ref](s, s.MergeRationales, distill)
	in.Preprocessed = must[storage.Ref](s, s.Preprocess, activities.PreprocessInput{
		Dataset: in.Dataset, Rationales: in.Rationales, Negatives: 2, Seed: 1,
	})
	in.Baseline = must[storage.Ref](s, s.RankBaselines, activities.RankBaselinesInput{
		Preprocessed: in.Preprocessed, Evaluate: in.Spec.Evaluate,
	})
	in.Sasrec = must[storage.Ref](s, s.TrainSasrec, activities.TrainSasrecInput{
		Fingerprint:  strings.Repeat("e", 64),
		Preprocessed: in.Preprocessed, Seeds: []int64{1, 2},
	})
	for seed := int64(1); seed <= 2; seed++ {
		trial := registry.TrialResult{Method: "rdrec", Seed: seed}
		trial.Model = s.putArtifact(prediction.TrainingRecordFile, fmt.Sprintf(`{"epochs":%d}`, seed))
		for _, t := range []task.Task{task.Sequential, task.TopN, task.Explanation} {
			ref := must[storage.Ref](s, s.Evaluate, activities.EvaluateInput{
				Preprocessed: in.Preprocessed, Model: trial.Model, Task: t, Seed: seed,
			})
			trial.Evaluations = append(trial.Evaluations, ref)
		}
		in.Trials = append(in.Trials, trial)
	}
	return in
}

func (s *inboxEnv) distillation(ref storage.Ref) activities.DistillInput {
	settings := spec.Default().Teacher
	settings.Model, settings.Prompt, settings.Parse = "hf:x", "paper", "paper"
	return activities.DistillInput{Dataset: ref, Teacher: settings, Weights: "weights"}
}

// call is an activity with its input.
type call struct {
	name     string
	activity func(a *activities.Activities) any
	in       any
	// tolerant means that the activity survives the failure of a call whose work can be done later,
	// with the same result.
	tolerant bool
	// ignoresCorrupt means that the activity reads no object, or takes a corrupt one for none.
	ignoresCorrupt bool
}

// TestEveryBrokenCallFailsTheActivity breaks each call of each activity's bucket in turn: the
// activity fails with that error, or the result is what it would have been.
func TestEveryBrokenCallFailsTheActivity(t *testing.T) {
	s := newStages(t)
	in := s.record()
	in.Spec.Trials = 1
	in.Spec.Baselines = []string{"popularity", "sasrec"}
	calls := s.calls(in)
	objects := map[string][]byte{}
	for key, text := range s.objects() {
		objects[key] = []byte(text)
	}
	for _, c := range calls {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.breakEach(t, objects)
		})
	}
}

// TestCorruptObjectsFailTheActivityForGood overwrites all objects: what an activity reads is not
// what it asks for, on any worker.
func TestCorruptObjectsFailTheActivityForGood(t *testing.T) {
	s := newStages(t)
	calls := s.calls(s.record())
	objects := map[string][]byte{}
	for key := range s.objects() {
		objects[key] = []byte("{")
	}
	for _, c := range calls {
		if c.ignoresCorrupt {
			continue
		}
		own := *s.Activities
		own.Bucket, _ = storagetest.Open(t, objects, 0)
		var failed *temporal.ApplicationError
		_, err := run[any](&inboxEnv{&own, t, ""}, c.activity(&own), c.in)
		if !errors.As(err, &failed) || failed.Type() != activities.TypeDataCorrupt || !failed.NonRetryable() {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestAScratchFolderThatCannotBeMadeFailsTheActivity has a file in its place.
func TestAScratchFolderThatCannotBeMadeFailsTheActivity(t *testing.T) {
	s := newStages(t)
	calls := s.calls(s.record())
	s.Scratch = filepath.Join(s.Scratch, "file", "scratch")
	s.must(os.WriteFile(filepath.Dir(s.Scratch), nil, 0o600))
	var without []string
	for _, c := range calls {
		_, err := run[any](s, c.activity(s.Activities), c.in)
		if err == nil || !strings.Contains(err.Error(), "make scratch folder: ") {
			without = append(without, c.name)
		}
	}
	equal(t, "activities without files of their own", []string{
		"distill", "look up", "commit", "sanity check", "compare models", "choose a run", "choose a promotion",
		"promote", "record",
	}, without)
}

func fixedClock() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }

func (c call) breakEach(t *testing.T, objects map[string][]byte) {
	t.Helper()
	want := ""
	for failAt := 0; ; failAt++ {
		own := &activities.Activities{Scratch: t.TempDir(), StallTimeout: time.Minute, Now: fixedClock}
		equip(own)
		var server *storagetest.Server
		own.Bucket, server = storagetest.Open(t, objects, failAt)
		out, err := run[json.RawMessage](&inboxEnv{own, t, ""}, c.activity(own), c.in)
		left, readErr := os.ReadDir(own.Scratch)
		if readErr != nil && !errors.Is(readErr, os.ErrNotExist) {
			t.Error(readErr)
		}
		if len(left) > 0 {
			t.Errorf("call %d breaks: %s is left behind", failAt, left)
		}
		switch {
		case failAt > server.Calls():
			if failAt < 2 {
				t.Error("makes no call")
			}
			return
		case failAt == 0 && err != nil:
			t.Fatal(err)
		case failAt == 0:
			want = string(out)
		case err == nil && (!c.tolerant || string(out) != want):
			t.Errorf("call %d of %d breaks: succeeds with %s", failAt, server.Calls(), out)
		case err != nil && !strings.Contains(err.Error(), storagetest.ErrBroken.Error()):
			t.Errorf("call %d of %d breaks: %v", failAt, server.Calls(), err)
		}
	}
}
