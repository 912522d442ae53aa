package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.temporal.io/sdk/workflow"

	"rdrec/internal/exitcode"
	"rdrec/internal/teacher"
	"rdrec/storage"
	"rdrec/workflows"
)

// rationaleFolder returns a folder with the output of a distillation.
func rationaleFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, value := range map[string]any{
		"rationales.jsonl": teacher.Rationale{
			Text:        "soft hair",
			Preference:  "The user prefers soft hair.",
			Attribution: "The item's attributes are foam.",
		},
		"distillation.json": teacher.Distillation{
			Teacher: "smollm2", Prompt: "few-shot", Explanations: 100, Wanted: 1,
			Quality: teacher.Quality{Rationales: 1, Parsed: 1, Grounded: 0.5, Tokens: 30, PromptTokens: 300},
		},
	} {
		text, err := json.Marshal(value)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// distillation is a fake of workflows.Distillation. A sample ends at once, any other distillation
// when a shard is skipped.
func (env *testEnv) distillation(
	ctx workflow.Context, in workflows.DistillationInput,
) (workflows.DistillationResult, error) {
	status := workflows.DistillationStatus{Pending: 2, Running: []int{1}}
	if !workflow.IsReplaying(ctx) {
		env.inputs <- in
	}
	stage := workflows.StageStatus{Name: "distill", Stage: "distill", State: workflows.Running}
	pause := func(paused bool) func(workflow.Context) (workflows.DistillationStatus, error) {
		return func(workflow.Context) (workflows.DistillationStatus, error) {
			status.Paused = paused
			return status, nil
		}
	}
	skip := func(_ workflow.Context, in workflows.SkipShard) (workflows.DistillationStatus, error) {
		status.Skipped = append(status.Skipped, in.Shard)
		return status, nil
	}
	validate := func(in workflows.SkipShard) error {
		if in.Shard > 3 {
			return errors.New("there are 3 shards")
		}
		return nil
	}
	err := errors.Join(
		workflow.SetQueryHandler(ctx, workflows.QueryStages, func() ([]workflows.StageStatus, error) {
			return []workflows.StageStatus{stage}, nil
		}),
		workflow.SetUpdateHandler(ctx, workflows.UpdatePause, pause(true)),
		workflow.SetUpdateHandler(ctx, workflows.UpdateResume, pause(false)),
		workflow.SetUpdateHandlerWithOptions(ctx, workflows.UpdateSkip, skip,
			workflow.UpdateHandlerOptions{Validator: validate}),
	)
	if err == nil {
		err = workflow.Await(ctx, func() bool { return in.Sample > 0 || len(status.Skipped) > 0 })
	}
	return workflows.DistillationResult{
		Rationales: env.rationales, Partial: len(status.Skipped) > 0, Seconds: 3,
		Stats: storage.Stats{
			Requests: 1, Seconds: 2, Tokens: 30,
			BatchHalvings: 2,
		},
	}, err
}

func TestDistillPrintsSample(t *testing.T) {
	t.Parallel()
	env, stderr := newTestEnv(t, nil), &watchedBuffer{}
	stdout, code := env.command(t, stderr, "distill", writeSpec(t, "shop"), "--sample", "20", "--parallel", "3",
		"--teacher", "gguf:model.gguf", "--set", "teacher.prompt=paper", "--set", "teacher.constrain=two-lines")
	if code != exitcode.OK {
		t.Fatalf("code %d, stderr:\n%s", code, stderr)
	}
	in := <-env.inputs
	if in.Sample != 20 || in.Parallel != 3 || in.Teacher.Model != "gguf:model.gguf" || in.Teacher.Prompt != "paper" ||
		in.Teacher.Constrain != "two-lines" || in.Data.Folder == "" {
		t.Errorf("the workflow received %+v", in)
	}
	contains(t, stdout,
		"review       soft hair", "preference   The user prefers soft hair.",
		"attribution  The item's attributes are foam.",
		"1 of 1 wanted rationales by smollm2", "50% of their words", "1 requested now, in 2.0s, 15 tokens/s",
		"out of memory 2 times",
		"all 100 explanations: about 3m20s", "30000 tokens read and 3000 written", "rationales   ")
	contains(t, stderr.String(), "distillation distill-shop-")
}

func TestDistillationCommands(t *testing.T) {
	t.Parallel()
	env := newTestEnv(t, nil)
	var got struct{ ID string }
	stdout, code := env.command(t, &watchedBuffer{}, "distill", writeSpec(t, "shop"), "--no-watch", "--json")
	if err := json.Unmarshal([]byte(stdout), &got); err != nil || code != exitcode.OK {
		t.Fatalf("code %d, %v: %q", code, err, stdout)
	}
	update := func(want int, message string, args ...string) {
		t.Helper()
		stderr := &watchedBuffer{}
		args = env.with(append([]string{"distill"}, args...)...)
		if code := run(t.Context(), args, &bytes.Buffer{}, stderr); code != want {
			t.Errorf("%v: code %d", args, code)
		}
		contains(t, stderr.String(), message)
	}
	update(exitcode.OK, got.ID+" is paused: 0 shards done, 1 running, 2 pending, 0 skipped", "pause", got.ID)
	update(exitcode.OK, got.ID+" runs: ", "resume", got.ID)
	update(exitcode.Failed, "there are 3 shards", "skip", got.ID, "4")
	update(exitcode.Failed, "distillation \"absent\"", "pause", "absent")
	if _, code := env.command(t, &watchedBuffer{}, "report", got.ID); code != exitcode.Experiment {
		t.Errorf("report of a running distillation: code %d", code)
	}
	update(exitcode.OK, "1 skipped", "skip", got.ID, "2")
	for _, command := range []string{"watch", "report"} {
		stderr := &watchedBuffer{}
		stdout, code := env.command(t, stderr, command, got.ID)
		if code != exitcode.OK {
			t.Fatalf("%s: code %d, stderr:\n%s", command, code, stderr)
		}
		contains(t, stdout, "1 of 1 wanted rationales by smollm2", "shards were skipped")
		if strings.Contains(stdout, "the table") {
			t.Errorf("%s shows an experiment's report:\n%s", command, stdout)
		}
	}
}

func TestDistillRejectsInvalidFlags(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"--sample -1: want 1 to 1000":    {"--sample=-1", "--reviews", "x.json"},
		"--sample 1001: want 1 to 1000":  {"--sample", "1001", "--reviews", "x.json"},
		"--dataset and --reviews":        {"--dataset", "x", "--reviews", "x.json"},
		"teacher.model: must be smollm2": {"--reviews", "x.json", "--teacher", "gpt"},
		"applies to language models": {
			"--reviews", "x.json", "--teacher", "copy", "--set", "teacher.constrain=two-lines",
		},
		"needs a teacher.max_tokens of 16 or more": {
			"--reviews", "x.json", "--set", "teacher.constrain=two-lines", "--set", "teacher.max_tokens=15",
		},
	} {
		stderr := &watchedBuffer{}
		code := run(t.Context(), append([]string{"distill"}, args...), &bytes.Buffer{}, stderr)
		if code != exitcode.Usage && code != exitcode.Spec {
			t.Errorf("%v: code %d", args, code)
		}
		contains(t, stderr.String(), want)
	}
}
