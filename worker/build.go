package main

import (
	"bytes"
	"cmp"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"

	"rdrec/internal/torch"
)

// buildOf returns the versions of this program and its libraries, for the report.
func buildOf(device string, threads int) (map[string]string, error) {
	d, err := torch.ParseDevice(device)
	if err != nil {
		return nil, err
	}
	build := map[string]string{
		"device": d.String(), "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH,
		"libtorch": libtorchVersion(), "threads": strconv.Itoa(threads),
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return build, nil
	}
	build["rdrec"] = revisionOf(info)
	for _, dep := range info.Deps {
		for _, module := range libraries {
			if dep.Path == module || strings.HasSuffix(dep.Path, "/"+module) {
				build[dep.Path] = dep.Version
			}
		}
	}
	return build, nil
}

// libraries are the modules whose versions the report shows.
var libraries = []string{"go.temporal.io/sdk", "github.com/sugarme/gotch", "gocloud.dev", "duckdb-go/v2"}

// revision is set by the linker (Makefile). Go's own VCS stamping is disabled, because it fails if
// git does not trust the folder.
var revision string //nolint:gochecknoglobals // the linker sets only variables

// revisionOf returns what this program was built from: the linker's revision, the repository's
// revision, or the module's version.
func revisionOf(info *debug.BuildInfo) string {
	if revision != "" {
		return revision
	}
	found, modified := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			found = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			modified = "-dirty"
		}
	}
	if found != "" {
		return found + modified
	}
	return cmp.Or(info.Main.Version, unknown)
}

// libtorchVersion returns the version of the loaded libtorch, from the headers beside it; "unknown"
// if there are no headers, as on a machine to which only the program was copied.
func libtorchVersion() string {
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return unknown
	}
	for line := range strings.Lines(string(maps)) {
		fields := strings.Fields(line)
		library := fields[len(fields)-1]
		if filepath.Base(library) == "libtorch_cpu.so" {
			return headerVersion(filepath.Join(filepath.Dir(library), "..", "include"))
		}
	}
	return unknown
}

const unknown = "unknown"

// headerVersion reads the version from the header that defines it in current or older versions.
func headerVersion(include string) string {
	for _, header := range []string{"torch/headeronly/version.h", "torch/csrc/api/include/torch/version.h"} {
		text, err := os.ReadFile(filepath.Join(include, header)) //nolint:gosec // the loaded libtorch's header
		if err != nil {
			continue
		}
		if parts := versionPart.FindAllSubmatch(text, -1); len(parts) == 3 {
			return string(bytes.Join([][]byte{parts[0][1], parts[1][1], parts[2][1]}, []byte(".")))
		}
	}
	return unknown
}

// versionPart matches the major, minor and patch numbers, which are in this order.
var versionPart = regexp.MustCompile(`(?m)^#define TORCH_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)`)
