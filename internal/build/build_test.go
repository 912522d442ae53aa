package build_test

import (
	"os"
	"regexp"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/build"
)

// TestRead reads the build information of this test.
func TestRead(t *testing.T) {
	t.Parallel()
	const module = "github.com/google/go-cmp"
	got := build.Read(module, "example.com/none")
	if got.Go != runtime.Version() || got.Platform != runtime.GOOS+"/"+runtime.GOARCH {
		t.Errorf("%+v", got)
	}
	if got.Commit == "" || got.Commit == "(devel)" {
		t.Errorf("commit %q", got.Commit)
	}
	info, ok := debug.ReadBuildInfo()
	if !ok || len(info.Deps) == 0 {
		return // "go test" records no modules
	}
	if len(got.Modules) != 1 || got.Modules[module] == "" {
		t.Errorf("modules %v", got.Modules)
	}
}

func TestRows(t *testing.T) {
	t.Parallel()
	w := build.Worker{
		Build: build.Build{
			Version: "0.2.0", Commit: "abc-dirty", Go: "go1.26.8", Platform: "linux/amd64",
			Modules: map[string]string{"b": "v2", "a": "v1"},
		},
		Libtorch: "2.4.0", Device: "cpu", NoGPU: "no driver",
	}
	want := [][2]string{
		{"version", "0.2.0"},
		{"commit", "abc-dirty"},
		{"Go", "go1.26.8"},
		{"platform", "linux/amd64"},
		{"a", "v1"},
		{"b", "v2"},
		{"libtorch", "2.4.0"},
		{"device", "cpu (no GPU: no driver)"},
	}
	if diff := cmp.Diff(want, w.Rows()); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

// TestVersionIsThatOfTheChangelog compares the version with the newest release of CHANGELOG.md.
func TestVersionIsThatOfTheChangelog(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../CHANGELOG.md")
	if err != nil {
		t.Fatal(err)
	}
	release := regexp.MustCompile(`(?m)^## \[(\d+\.\d+\.\d+)\] - \d{4}-\d\d-\d\d$`).FindSubmatch(text)
	if release == nil || string(release[1]) != build.Version {
		t.Errorf("newest release of CHANGELOG.md %q, build.Version %q", release, build.Version)
	}
	if got, want := build.Line("worker"), "worker "+build.Version+" (commit "; !strings.HasPrefix(got, want) {
		t.Errorf("line %q, want %q...", got, want)
	}
}
