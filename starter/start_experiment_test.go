package main

import (
	"encoding/json"
	"strings"
	"testing"

	"go.temporal.io/sdk/workflow"

	"rdrec/activities"
	"rdrec/internal/exitcode"
	"rdrec/registry"
	"rdrec/workflows"
)

// compareInputs is a fake of workflows.Inputs: the data of the spec "grows" changes all the time.
func compareInputs(_ workflow.Context, in workflows.InputsInput) (activities.CompareInputsResult, error) {
	out := activities.CompareInputsResult{Identity: registry.Identity{Data: "3f9a1c"}}
	if in.Spec.Name == "grows" {
		out.Changes = []registry.Change{registry.DataChanged, registry.CodeChanged}
	}
	return out, nil
}

// started is the output of run --no-watch --json.
type started struct {
	ID, Run string
	Reused  *reuse
}

// TestRunComparesItsInputs starts a spec twice: with the same data and with other data. With
// --force, it always runs again.
func TestRunComparesItsInputs(t *testing.T) {
	t.Parallel()
	released := make(chan struct{})
	close(released)
	env := newTestEnv(t, released)
	start := func(name string, flags ...string) (started, string) {
		stderr := &watchedBuffer{}
		args := append([]string{"run", "--no-watch", "--json", writeSpec(t, name)}, flags...)
		stdout, code := env.command(t, stderr, args...)
		var s started
		if err := json.Unmarshal([]byte(stdout), &s); err != nil || code != exitcode.OK {
			t.Fatalf("%v: code %d, %v, stderr:\n%s", args, code, err, stderr)
		}
		env.command(t, &watchedBuffer{}, "watch", s.ID)
		return s, stderr.String()
	}
	first, _ := start("shop")
	again, stderr := start("shop")
	if again.Run != first.Run || again.Reused == nil || again.Reused.Run != first.Run ||
		again.Reused.Ended.IsZero() || again.Reused.Identity.Data != "3f9a1c" {
		t.Errorf("first %+v, again %+v", first, again)
	}
	contains(t, stderr, "is finished already")
	forced, _ := start("shop", "--force")
	if forced.ID != first.ID || forced.Run == first.Run || forced.Reused != nil {
		t.Errorf("first %+v, forced %+v", first, forced)
	}
	before, _ := start("grows")
	after, stderr := start("grows")
	if after.ID != before.ID || after.Run == before.Run || after.Reused != nil {
		t.Errorf("before %+v, after %+v", before, after)
	}
	contains(t, stderr, ": data changed, code version changed; it runs again")
	if strings.Contains(stderr, "finished already") {
		t.Error(stderr)
	}
}

// TestForceNeedsAFinishedExperiment forces an experiment that runs.
func TestForceNeedsAFinishedExperiment(t *testing.T) {
	t.Parallel()
	env, path, stderr := newTestEnv(t, nil), writeSpec(t, "waits"), &watchedBuffer{}
	if _, code := env.command(t, &watchedBuffer{}, "run", "--no-watch", path); code != exitcode.OK {
		t.Fatalf("code %d", code)
	}
	if _, code := env.command(t, stderr, "run", "--force", path); code != exitcode.Experiment {
		t.Errorf("code %d", code)
	}
	contains(t, stderr.String(), "error: the experiment is running: waits-", "hint: \"starter cancel\" stops it")
}
