package main

import (
	"bytes"
	"encoding/json"
	"regexp"
	"runtime"
	"runtime/debug"
	"testing"

	"rdrec/internal/build"
	"rdrec/internal/exitcode"
)

// TestVersion checks what the worker prints about itself against this process.
func TestVersion(t *testing.T) {
	t.Parallel()
	var stdout, stderr bytes.Buffer
	if code := run([]string{"version", "--json"}, &stdout, &stderr); code != exitcode.OK {
		t.Fatalf("code %d: %s", code, &stderr)
	}
	var got build.Worker
	if err := json.Unmarshal(stdout.Bytes(), &got); err != nil {
		t.Fatalf("%v: %s", err, &stdout)
	}
	if got.Go != runtime.Version() || got.Platform != runtime.GOOS+"/"+runtime.GOARCH || got.FreeBytes <= 0 {
		t.Errorf("%+v", got)
	}
	if usesGPU := got.Device == "cuda:0"; usesGPU != (got.NoGPU == "") || !usesGPU && got.Device != "cpu" {
		t.Errorf("device %q, no GPU because %q", got.Device, got.NoGPU)
	}
	info, ok := debug.ReadBuildInfo()
	for _, module := range []string{"go.temporal.io/sdk", "github.com/sugarme/gotch"} {
		recorded := ok && len(info.Deps) > 0 // "go test" records no modules
		if recorded && !regexp.MustCompile(`^v\d`).MatchString(got.Modules[module]) {
			t.Errorf("%s is %q", module, got.Modules[module])
		}
	}
	if got.Libtorch != build.Unknown && !regexp.MustCompile(`^\d+\.\d+\.\d+$`).MatchString(got.Libtorch) {
		t.Errorf("libtorch %q", got.Libtorch)
	}
	stdout.Reset()
	code := run([]string{"version"}, &stdout, &stderr)
	line := regexp.MustCompile(`(?m)^libtorch +` + regexp.QuoteMeta(got.Libtorch) + `$`)
	if code != exitcode.OK || !line.Match(stdout.Bytes()) {
		t.Errorf("code %d, for people:\n%s", code, &stdout)
	}
}
