package main

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"rdrec/internal/exitcode"
)

// TestEveryCommandAnswersInJSON runs every command with --json where there is neither a server nor
// a bucket with anything in it. What a command prints is one JSON document, or the error as one.
func TestEveryCommandAnswersInJSON(t *testing.T) {
	t.Parallel()
	arguments := map[string]string{
		"run": "run-id", "id": "run-id", "name": "shop", "deployment": "d", "build-id": "b", "spec": "none.yaml",
		"runs": "run-id", "shard": "1", "user": "u", "from": "2026-03-01T00:00:00Z", "to": "2026-03-04T00:00:00Z",
	}
	flags := map[string]string{"user": "u", "out": t.TempDir(), "data": "none", "from": "none.csv"}
	// The scripts of completion, the schema and the demo's server are for other programs.
	skipped := []string{"starter completion", "starter __complete", "starter dev", "starter demo"}
	for _, command := range testParser(t).Model.Leaves(true) {
		if slices.Contains(skipped, command.FullPath()) || command.Hidden {
			continue
		}
		args := append([]string{
			"--json", "--address", "127.0.0.1:1", "--bucket", "file://" + filepath.ToSlash(t.TempDir()),
		}, strings.Fields(command.FullPath())[1:]...)
		args = append(args, required(t, command, arguments, flags)...)
		var stdout bytes.Buffer
		stderr := &watchedBuffer{}
		code := run(t.Context(), args, &stdout, stderr)
		var answer any
		if err := json.Unmarshal(stdout.Bytes(), &answer); err != nil {
			t.Errorf("%s: exit code %d, stdout %q is not JSON: %v\n%s", command.FullPath(), code, &stdout, err, stderr)
			continue
		}
		object, isError := answer.(map[string]any)
		if code == exitcode.Unready { // doctor prints its checks
			continue
		}
		if code != exitcode.OK && (!isError || object["error"] == nil || object["code"] != float64(code)) {
			t.Errorf("%s: exit code %d, but the answer is %s", command.FullPath(), code, &stdout)
		}
	}
}

// TestUsageErrorsInJSON has an unknown command and an unknown flag.
func TestUsageErrorsInJSON(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ args, want string }{
		{"--json lst", `unexpected argument lst, did you mean "list"?`},
		{"list --json --stats x", `unknown flag --stats, did you mean one of "--status", "--state"?`},
	} {
		var stdout bytes.Buffer
		code := run(t.Context(), strings.Fields(c.args), &stdout, &watchedBuffer{})
		var answer errorOutput
		err := json.Unmarshal(stdout.Bytes(), &answer)
		if err != nil || code != exitcode.Usage || answer.Error != c.want {
			t.Errorf("%s: exit code %d, %s, %v; want %q", c.args, code, &stdout, err, c.want)
		}
	}
}

// required returns the arguments and flags without which a command does not start.
func required(t *testing.T, command *kong.Node, arguments, flags map[string]string) []string {
	t.Helper()
	var args []string
	for _, flag := range command.Flags {
		if flag.Required || flags[flag.Name] != "" && flag.Name != "out" {
			args = append(args, "--"+flag.Name, flags[flag.Name])
		}
	}
	for _, argument := range command.Positional {
		if !argument.Required {
			continue
		}
		value, known := arguments[argument.Name]
		if !known {
			t.Errorf("%s: no value for the argument %q", command.FullPath(), argument.Name)
		}
		args = append(args, value)
	}
	return args
}

// TestNewKeyInJSON prints a key for programs.
func TestNewKeyInJSON(t *testing.T) {
	t.Parallel()
	var stdout bytes.Buffer
	code := run(t.Context(), []string{"codec", "--new-key", "--json"}, &stdout, &watchedBuffer{})
	var answer struct{ Key string }
	if err := json.Unmarshal(stdout.Bytes(), &answer); err != nil || code != exitcode.OK || len(answer.Key) != 44 {
		t.Errorf("exit code %d, %v: %s", code, err, &stdout) // 32 bytes in base64
	}
}
