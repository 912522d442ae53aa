package main

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"rdrec/internal/build"
	"rdrec/internal/torch"
)

// buildOf returns the versions of this program and its libraries, for the report.
func buildOf(device string, threads int) (map[string]string, error) {
	d, err := torch.ParseDevice(device)
	if err != nil {
		return nil, err
	}
	b := readBuild()
	versions := map[string]string{
		"device": d.String(), "go": b.Go, "platform": b.Platform, "rdrec": b.String(),
		"libtorch": libtorchVersion(), "threads": strconv.Itoa(threads),
	}
	maps.Copy(versions, b.Modules)
	return versions, nil
}

// readBuild returns what this program was built from.
func readBuild() build.Build {
	return build.Read("go.temporal.io/sdk", "github.com/sugarme/gotch", "gocloud.dev", "github.com/duckdb/duckdb-go/v2")
}

// libtorchVersion returns the version of the loaded libtorch, from the headers beside it; "unknown"
// if there are no headers, as on a machine to which only the program was copied.
func libtorchVersion() string {
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return build.Unknown
	}
	for line := range strings.Lines(string(maps)) {
		fields := strings.Fields(line)
		library := fields[len(fields)-1]
		if filepath.Base(library) == "libtorch_cpu.so" {
			return headerVersion(filepath.Join(filepath.Dir(library), "..", "include"))
		}
	}
	return build.Unknown
}

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
	return build.Unknown
}

// versionPart matches the major, minor and patch numbers, which are in this order.
var versionPart = regexp.MustCompile(`(?m)^#define TORCH_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)`)
