package main_test

import (
	"path/filepath"
	"runtime"
	"testing"

	"rdrec/internal/cachedir"
	"rdrec/internal/spec"
	"rdrec/internal/staging"
	"rdrec/workflows"
)

// The end-to-end tests run the worker program against the embedded server and a file bucket, on
// real reviews, with the demo's teacher and a small student. They kill the worker with SIGKILL and
// compare the result with an undisturbed run's.

// smallSpec returns a small version of the demo: a few rationales, a tiny student, few users.
func smallSpec(t *testing.T) spec.Spec {
	t.Helper()
	if _, err := cachedir.DemoTeacherFile(); err != nil {
		t.Skipf("the demo's teacher is missing: %v", err)
	}
	s, err := spec.Load(filepath.Join(staging.Root(), "experiments/demo.yaml"), []string{
		"name=end-to-end", "student.size=t5-tiny", "teacher.max_reviews=4", "teacher.batch=1", "teacher.shard_rows=1",
		"train.epochs=2", "train.epoch_steps=20", "train.checkpoint_steps=5", "train.batch=4",
		"train.validation_rows=16",
		"evaluate.sequential_users=40", "evaluate.topn_users=8", "evaluate.explanations=8", "evaluate.num_beams=10",
		"evaluate.num_return_sequences=10", "evaluate.fusion.users=40",
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestKilledWorkerResumes(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("kills processes as Linux does")
	}
	t.Parallel()
	s := smallSpec(t)
	undisturbed := newFaultEnv(t)
	undisturbed.StartWorker()
	other := undisturbed.StartExperiment(s) // runs while the killed workers' heartbeats are missed

	p := newFaultEnv(t)
	w := p.StartWorker()
	run := p.StartExperiment(s)
	p.AwaitFiles("rationales/*/*.jsonl", 1)
	w.Kill()
	if n := p.CountFiles("stages/distill/*.json"); n != 0 {
		t.Fatal("the distillation ended before the worker was killed, so nothing was tested")
	}
	w = p.StartWorker()
	p.AwaitFiles("checkpoints/*/*/*/manifest.json", 1)
	w.Kill()
	if n := p.CountFiles("stages/pretrain/*.json"); n != 0 {
		t.Fatal("training ended before the worker was killed, so nothing was tested")
	}
	p.StartWorker()
	want := undisturbed.AwaitWeights(other)
	if got := p.AwaitWeights(run); got != want {
		t.Errorf("weights %s after two kills, want %s as in the undisturbed run", got, want)
	}
	if attempts := p.CountFiles("checkpoints/*/*/attempt.json"); attempts < 2 {
		t.Errorf("%d attempts at training: it did not resume", attempts)
	}
	if parts := p.CountFiles("rationales/*/*.jsonl"); parts != 4 {
		t.Errorf("%d parts of rationales, want one for each of 4 shards", parts)
	}
	p.checkSecondRunIsCached(s, want)
	undisturbed.recordAll("Experiment", "experiment")
	undisturbed.recordAll("Trial", "trial")
	p.recordAll("Experiment", "", "experiment-stages-found")
	p.recordAll("Trial", "trial-resumed")
}

// checkSecondRunIsCached runs the same spec again and checks that every stage is cached.
func (s *faultEnv) checkSecondRunIsCached(settings spec.Spec, want string) {
	s.T.Helper()
	run := s.StartExperiment(settings)
	if got := s.AwaitWeights(run); got != want {
		s.T.Errorf("second run: weights %s, want %s", got, want)
	}
	value, err := s.Client.QueryWorkflow(s.T.Context(), run.GetID(), run.GetRunID(), workflows.QueryStages)
	if err != nil {
		s.T.Fatal(err)
	}
	var stages []workflows.StageStatus
	if err := value.Get(&stages); err != nil {
		s.T.Fatal(err)
	}
	if len(stages) < 4 {
		s.T.Errorf("only %d stages: %+v", len(stages), stages)
	}
	for _, stage := range stages {
		if stage.State != workflows.Cached {
			s.T.Errorf("stage %s is %q in the second run, want it cached", stage.Name, stage.State)
		}
	}
}
