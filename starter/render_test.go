package main

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rdrec/activities"
	"rdrec/internal/document"
	"rdrec/internal/exitcode"
	"rdrec/internal/progress"
	"rdrec/workflows"
)

// secondsAfterStart returns a time that many seconds after an arbitrary start.
func secondsAfterStart(seconds int) time.Time {
	return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(seconds) * time.Second)
}

// line returns a stage that took 3 seconds, or is running with done of 100 rows.
func line(name string, state workflows.State, done int) stageLine {
	l := stageLine{StageStatus: workflows.StageStatus{Name: name, State: state, Seconds: 3}}
	if state == workflows.Running {
		l.Since, l.Progress = secondsAfterStart(0), &activities.Progress{
			Progress: progress.Progress{Done: done, Total: 100, Unit: "rows"},
		}
	}
	return l
}

func TestPlainDisplayPrintsChanges(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	b := newStageDisplay(&out)
	for second := range 12 {
		lines := []stageLine{line("import", workflows.Finished, 0), line("distill", workflows.Running, second)}
		b.show(lines, "", secondsAfterStart(second))
	}
	lines := []stageLine{line("import", workflows.Finished, 0), line("distill", workflows.Failed, 0)}
	b.show(lines, "no worker", secondsAfterStart(12))
	want := strings.Join([]string{
		"import                       done        3.0s",
		"distill                      ░░░░░░░░░░░░░░░░░░░░    0.0s  0/100 rows",
		"distill                      ██░░░░░░░░░░░░░░░░░░     10s  10/100 rows",
		"distill                      failed:",
		"no worker", "",
	}, "\n")
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("display (-want +got):\n%s", diff)
	}
}

func TestTerminalDisplayUpdatesInPlace(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	b := newStageDisplay(&out)
	b.width = 40
	b.show([]stageLine{line("import", workflows.Running, 50)}, "note", secondsAfterStart(1))
	b.show([]stageLine{line("import", workflows.Finished, 0)}, "", secondsAfterStart(2))
	want := "\r\x1b[2Kimport                       █████████…\n\r\x1b[2Knote\n\x1b[J" +
		"\x1b[2A\r\x1b[2Kimport                       done     …\n\x1b[J"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("display (-want +got):\n%s", diff)
	}
}

func TestUIOf(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"127.0.0.1:7233":              "http://127.0.0.1:8233",
		"localhost:7300":              "http://localhost:8300",
		"[::1]:7233":                  "http://[::1]:8233",
		"10.0.0.7:7233":               "",
		"shop.a1b2c.tmprl.cloud:7233": "https://cloud.temporal.io",
		"nonsense":                    "",
	} {
		if got := uiOf(address); got != want {
			t.Errorf("uiOf(%q) = %q, want %q", address, got, want)
		}
	}
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		err  error
		code int
		text []string
	}{
		{errors.New("odd"), exitcode.Failed, []string{"error: odd"}},
		{
			fmt.Errorf("x: %w", errNoServer),
			exitcode.NoServer,
			[]string{"error: x: no Temporal server", `hint: run "starter dev" or set TEMPORAL_ADDRESS`},
		},
		{
			document.Error{Diagnostics: []document.Diagnostic{
				{File: "a.yaml", Line: 2, Key: "k", Reason: "is odd", Hint: "even it"},
				{File: "a.yaml", Reason: "is empty"},
			}},
			exitcode.Spec,
			[]string{"error: a.yaml:2: k: is odd", "hint: even it", "error: a.yaml: is empty"},
		},
	}
	for _, test := range tests {
		if got := codeOf(test.err); got != test.code {
			t.Errorf("%v: code %d, want %d", test.err, got, test.code)
		}
		if diff := cmp.Diff(test.text, explain(test.err)); diff != "" {
			t.Errorf("%v (-want +got):\n%s", test.err, diff)
		}
	}
}
