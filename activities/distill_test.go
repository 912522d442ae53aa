package activities_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.temporal.io/sdk/temporal"

	"rdrec/activities"
	"rdrec/internal/room"
	"rdrec/internal/spec"
	"rdrec/internal/teacher"
	"rdrec/storage"
)

// scripted is a teacher whose first reply of all can't be used, and whose later ones can. It counts
// what it is asked.
type scripted struct {
	asked, opened, freed int
	broken               error
}

func (*scripted) Digest(context.Context, spec.Teacher) (string, error) { return "weights", nil }

func (*scripted) Size(spec.Teacher) (room.Teacher, error) { return room.Teacher{}, nil }

func (s *scripted) Open(context.Context, spec.Teacher) (teacher.Engine, func(), error) {
	s.opened++
	return s, func() { s.freed++ }, nil
}

func (s *scripted) Complete(_ context.Context, prompts []teacher.Prompt, emit func(int, teacher.Reply) error) error {
	for i := range prompts {
		if s.broken != nil {
			return s.broken
		}
		reply := teacher.Reply{Text: "Sure.\n1. The user likes soap.\n2. The soap is soft.", PromptTokens: 5, Tokens: 3}
		if s.asked == 0 {
			reply = teacher.Reply{Failed: "too long", PromptTokens: 5}
		}
		s.asked++
		if err := emit(i, reply); err != nil {
			return err
		}
	}
	return nil
}

// undistilled is the small data set without its rationales.
func (s *inboxEnv) undistilled() storage.Ref {
	s.t.Helper()
	bare := s.t.TempDir()
	for _, name := range []string{"sequential.txt.gz", "datamaps.json.gz", "explanation.json.gz"} {
		data, err := os.ReadFile(filepath.Join("../testdata/rdrec/beauty_mini", name)) //nolint:gosec // testdata
		if err != nil {
			s.t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(bare, name), data, 0o600); err != nil {
			s.t.Fatal(err)
		}
	}
	return s.imports(bare)
}

func (s *inboxEnv) imports(folder string) storage.Ref {
	s.t.Helper()
	ref, err := run[storage.Ref](
		s,
		s.Import,
		activities.ImportInput{Data: spec.Data{Folder: folder, Indexing: spec.AsIs}},
	)
	if err != nil {
		s.t.Fatal(err)
	}
	return ref
}

// TestNoRationaleIsAskedTwice distils ten explanations in shards of four, each shard twice, and
// gathers them.
func TestNoRationaleIsAskedTwice(t *testing.T) {
	s := newInboxEnv(t)
	asks := &scripted{}
	s.Teachers = asks
	settings := spec.Default().Teacher
	settings.Model, settings.Prompt, settings.Parse = "hf:x", "paper", "paper"
	settings.MaxReviews, settings.ShardRows, settings.MaxBad = 10, 4, 0.1
	in := activities.DistillInput{Dataset: s.undistilled(), Teacher: settings, Weights: "weights"}
	plan, err := run[activities.DistillPlan](s, s.PlanDistillation, in)
	if err != nil || plan.Wanted != 10 || plan.Found != 0 || plan.Shards != 3 || plan.Explanations <= 10 {
		t.Fatalf("planned %+v, %v", plan, err)
	}
	var sum activities.DistillShardResult
	for shard, want := range []activities.DistillShardResult{
		{Rows: 4, Parsed: 3, Quarantined: 1, Tokens: 9},
		{Rows: 4, Parsed: 4, Tokens: 12},
		{Rows: 2, Parsed: 2, Tokens: 6},
	} {
		for range 2 {
			got, err := run[activities.DistillShardResult](
				s,
				s.DistillShard,
				activities.DistillShardInput{DistillInput: in, Plan: plan.Of(shard + 1), Shard: shard + 1},
			)
			if err != nil {
				t.Fatal(err)
			}
			got.Seconds = 0
			equal(t, fmt.Sprint("shard ", shard+1), want, got)
		}
		sum = sum.Add(want)
	}
	equal(t, "all shards", activities.DistillShardResult{Rows: 10, Parsed: 9, Quarantined: 1, Tokens: 27}, sum)
	if asks.asked != 10 || asks.opened != 3 || asks.freed != 3 {
		t.Errorf("the teacher was asked %d times, opened %d and freed %d times", asks.asked, asks.opened, asks.freed)
	}
	again, err := run[activities.DistillPlan](s, s.PlanDistillation, in)
	if err != nil {
		t.Fatal(err)
	}
	equal(
		t,
		"the plan afterwards",
		activities.DistillPlan{Explanations: plan.Explanations, Wanted: 10, Found: 10, Parsed: 9, Quarantined: 1},
		again,
	)
	s.gathersRationales(in)
	in.Nonce = "nonce"
	if fresh, err := run[activities.DistillPlan](s, s.PlanDistillation, in); err != nil || fresh.Found != 0 ||
		!slices.Equal(fresh.Parts, plan.Parts) {
		t.Errorf("asked anew: %+v, %v", fresh, err)
	}
}

// TestShardsReadTheirPartOfThePlan has 250 shards in three parts. No part lists the files of
// another one.
func TestShardsReadTheirPartOfThePlan(t *testing.T) {
	s := newInboxEnv(t)
	s.Teachers = &scripted{asked: 1}
	settings := spec.Default().Teacher
	settings.Model, settings.MaxReviews, settings.ShardRows = "hf:x", 250, 1
	in := activities.DistillInput{Dataset: s.undistilled(), Teacher: settings, Weights: "weights"}
	plan, err := run[activities.DistillPlan](s, s.PlanDistillation, in)
	if err != nil || plan.Shards != 250 || len(plan.Parts) != 3 {
		t.Fatalf("planned %+v, %v", plan, err)
	}
	for i, want := range []int{100, 100, 50} {
		part, err := s.Bucket.Artifact(t.Context(), plan.Parts[i])
		if err != nil || len(part.Files) != want {
			t.Errorf("part %d: %d files, %v, want %d", i, len(part.Files), err, want)
		}
	}
	for _, shard := range []int{1, 100, 101, 250} {
		in := activities.DistillShardInput{DistillInput: in, Plan: plan.Of(shard), Shard: shard}
		if got, err := run[activities.DistillShardResult](s, s.DistillShard, in); err != nil || got.Rows != 1 {
			t.Errorf("shard %d: %+v, %v", shard, got, err)
		}
	}
	earlier := activities.DistillPlan{Artifact: storage.Ref{Digest: "all"}}
	if earlier.Of(250) != earlier.Artifact {
		t.Error("a plan of an earlier version has all shards in one artifact")
	}
}

// gathersRationales has one of ten that can't be used, on the bound of max_bad and beyond it.
func (s *inboxEnv) gathersRationales(in activities.DistillInput) {
	s.t.Helper()
	ref, err := run[storage.Ref](s, s.MergeRationales, in)
	if err != nil {
		s.t.Fatal(err)
	}
	record, err := s.Bucket.ReadArtifactFile(s.t.Context(), ref, "distillation.json")
	if err != nil || !strings.Contains(string(record), `"wanted": 10`) ||
		strings.Contains(string(record), `"skipped"`) {
		s.t.Errorf("%s, %v", record, err)
	}
	again, err := run[storage.Ref](s, s.MergeRationales, in)
	if err != nil {
		s.t.Fatal(err)
	}
	equal(s.t, "gathered again", ref, again)
	in.Teacher.MaxBad = 0.09
	var failed *temporal.ApplicationError
	if _, err = run[storage.Ref](s, s.MergeRationales, in); !errors.As(err, &failed) ||
		failed.Type() != activities.TypeDataCorrupt {
		s.t.Errorf("one of ten is bad and 0.09 may be: %v", err)
	}
	in.Sample, in.Teacher.MaxBad = 10, 0
	if _, err = run[storage.Ref](s, s.MergeRationales, in); err != nil {
		s.t.Errorf("a sample is refused: %v", err)
	}
	in.Teacher.MaxReviews, in.Sample = 12, 0
	in.Teacher.MaxBad = 1
	more, err := run[storage.Ref](s, s.MergeRationales, in)
	if err != nil {
		s.t.Fatal(err)
	}
	if record, err = s.Bucket.ReadArtifactFile(s.t.Context(), more, "distillation.json"); err != nil ||
		!strings.Contains(string(record), `"skipped": 2`) {
		s.t.Errorf("two of twelve were not asked: %s, %v", record, err)
	}
}

// TestABrokenTeacherFailsTheShard keeps the type that decides what is retried.
func TestABrokenTeacherFailsTheShard(t *testing.T) {
	s := newInboxEnv(t)
	settings := spec.Default().Teacher
	settings.Model, settings.Prompt, settings.Parse = "hf:x", "paper", "paper"
	in := activities.DistillShardInput{
		DistillInput: activities.DistillInput{Teacher: settings, Weights: "weights"},
		Plan:         s.putArtifact("000001.jsonl", `{"id":"1","text":"good soap"}`+"\n"), Shard: 1,
	}
	for broken, want := range map[error]string{
		activities.ErrTeacherAuth: activities.TypeTeacherAuth, errors.New("no answer"): "",
	} {
		s.Teachers = &scripted{broken: broken}
		_, err := run[activities.DistillShardResult](s, s.DistillShard, in)
		var failed *temporal.ApplicationError
		if !errors.As(err, &failed) || !strings.Contains(err.Error(), broken.Error()) ||
			(want != "") != (failed.Type() == want) {
			t.Errorf("%v: %v", broken, err)
		}
	}
}
