package main

import (
	"io"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"
)

// testParser returns the parser of command lines.
func testParser(t *testing.T) *kong.Kong {
	t.Helper()
	p, err := newParser(&cli{}, io.Discard, io.Discard, func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestCandidates completes the last word of command lines; | ends each word.
func TestCandidates(t *testing.T) {
	t.Parallel()
	model := testParser(t).Model
	for line, want := range map[string]string{
		"prom":                           "promote promotions",
		"schedule|un":                    "unpause",
		"--json|schedule|un":             "unpause",
		"--namespace|schedule|schedul":   "schedule",
		"run|--wat":                      "--watch",
		"run|--no-w":                     "--no-watch",
		"run|--addr":                     "--address",
		"run|x.yaml|--for":               "--force",
		"list|--status|pa":               "paused",
		"list|--status|=|fa":             "failed",
		"list|--status=ter":              "--status=terminated",
		"list|--state|can":               "canceled",
		"list|--dataset|pau":             "",
		"export|demo|--format|":          "parquet jsonl csv",
		"completion|":                    "bash zsh fish",
		"completion|zsh|":                "",
		"completion|z":                   "zsh",
		"run|experiments/":               "",
		"nothing|":                       "",
		"__c":                            "",
		"distill|sk":                     "skip",
		"distill|experiments/demo.yaml|": "",
	} {
		var got []string
		for _, c := range candidates(model, strings.Split(line, "|")) {
			got = append(got, c.word)
		}
		if diff := cmp.Diff(want, strings.Join(got, " ")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", line, diff)
		}
	}
	if all := candidates(model, nil); len(all) != len(model.Children)-1 || all[0].help == "" {
		t.Errorf("without a word: %v", all)
	}
}

// TestEveryCommandHasExamples parses the examples of each command as a shell would pass them.
func TestEveryCommandHasExamples(t *testing.T) {
	t.Parallel()
	for _, command := range testParser(t).Model.Leaves(true) {
		found := 0
		for line := range strings.Lines(command.Detail) {
			line, _, _ := strings.Cut(strings.TrimSpace(line), ">")
			args, ok := strings.CutPrefix(strings.TrimSuffix(strings.TrimSpace(line), " 2"), "starter ")
			if !ok {
				continue
			}
			found++
			parsed, err := testParser(t).Parse(shellWords(args))
			switch {
			case err != nil:
				t.Errorf("%s: %q: %v", command.FullPath(), line, err)
			case parsed.Selected().FullPath() != command.FullPath():
				t.Errorf("%s: %q is an example of %s", command.FullPath(), line, parsed.Selected().FullPath())
			}
		}
		if found < 2 {
			t.Errorf("%s has %d examples, want 2", command.FullPath(), found)
		}
	}
	for path := range examples() {
		args := append(strings.Fields(path)[1:], "--help")
		if parsed, err := kong.Trace(testParser(t), args); err != nil || parsed.Selected().FullPath() != path {
			t.Errorf("examples of %q, which is no command", path)
		}
	}
}

// shellWords splits a command line into words; single quotes keep spaces.
func shellWords(line string) []string {
	var words []string
	for i, part := range strings.Split(line, "'") {
		if i%2 == 1 {
			words = append(words, part)
		} else {
			words = append(words, strings.Fields(part)...)
		}
	}
	return words
}
