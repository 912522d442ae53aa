package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"go.temporal.io/sdk/temporal"

	"rdrec/activities"
	"rdrec/internal/exitcode"
)

// identify is a fake of the activity Identify that finds no file. A worker without
// [workflows.Payloads.FailureConverter] stores its message three times.
func identify(context.Context) error {
	err := fmt.Errorf("%w: no file matches %q", activities.ErrInvalid, "mine/nope.csv.gz")
	err = fmt.Errorf("read the data: %w", err)
	return temporal.NewNonRetryableApplicationError(err.Error(), activities.TypeInvalidConfig, err)
}

// TestEveryCommandNamesTheCause checks that all commands print the cause of a failed experiment.
func TestEveryCommandNamesTheCause(t *testing.T) {
	t.Parallel()
	const cause = `read the data: invalid configuration: no file matches "mine/nope.csv.gz"`
	env, stderr := newTestEnv(t, nil), &watchedBuffer{}
	stdout, code := env.command(t, stderr, "run", writeSpec(t, "fails"))
	if code != exitcode.Experiment || stdout != "" {
		t.Errorf("code %d, stdout %q", code, stdout)
	}
	id := strings.Fields(stderr.String())[1]
	message := "the experiment failed: " + id + ": " + cause
	contains(t, stderr.String(), "\nerror: "+message+"\nhint: change the spec")
	for _, command := range []string{"watch", "report"} {
		stderr := &watchedBuffer{}
		stdout, code := env.command(t, stderr, command, id, "--json")
		var got errorOutput
		if err := json.Unmarshal([]byte(stdout), &got); err != nil || code != exitcode.Experiment {
			t.Fatalf("%s: code %d, %v, stdout:\n%s", command, code, err, stdout)
		}
		if got.Error != message || got.Code != code || got.Failure == nil || got.Failure.Cause != cause {
			t.Errorf("%s: %+v", command, got)
		}
		contains(t, stderr.String(), "error: "+message+"\n")
	}
	stdout, code = env.command(t, &watchedBuffer{}, "status", id)
	if code != exitcode.OK || !strings.Contains(stdout, "\nfailed: "+cause+"\n") {
		t.Errorf("status: code %d, stdout:\n%s", code, stdout)
	}
	stdout, _ = env.command(t, &watchedBuffer{}, "status", id, "--json")
	contains(t, stdout, `"cause": "read the data: invalid configuration: no file matches \"mine/nope.csv.gz\""`)
}
