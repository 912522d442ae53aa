// Package build describes what a program was built from. In: the build information that the linker
// and the Go command recorded in it; out: a [Build], which starter and worker print, and which a
// worker writes into its reports.
package build

import (
	"cmp"
	"fmt"
	"maps"
	"runtime"
	"runtime/debug"
	"slices"
)

// Version is the version of rdrec: that of the newest release in CHANGELOG.md.
const Version = "0.1.0"

// Build is what a program was built from.
type Build struct {
	// Version is the version of rdrec.
	Version string `json:"version"`
	// Commit is the commit, with the suffix -dirty for a changed tree; [Unknown] if the build did
	// not record it.
	Commit string `json:"commit"`
	// Go is the version of Go; Platform is the operating system and the architecture.
	Go       string `json:"go"`
	Platform string `json:"platform"`
	// Modules are the versions of modules by their paths.
	Modules map[string]string `json:"modules"`
}

// Worker is what a worker was built from, and what it finds on its machine.
type Worker struct {
	Build
	// Libtorch is the version of the loaded libtorch; [Unknown] without its headers.
	Libtorch string `json:"libtorch"`
	// Device is PyTorch's name of the device that the worker uses: cpu, or cuda:0.
	Device string `json:"device"`
	// NoGPU is why the worker uses no GPU; empty if it uses one.
	NoGPU string `json:"no_gpu,omitempty"`
	// FreeBytes is the free memory of the device.
	FreeBytes int64 `json:"free_bytes"`
}

// Unknown takes the place of what the build did not record.
const Unknown = "unknown"

// revision is set by the linker (Makefile). Go's own VCS stamping is disabled, because it fails if
// git does not trust the folder.
var revision string //nolint:gochecknoglobals // the linker sets only variables

// Read returns what this program was built from, with the versions of the modules that it contains.
func Read(modules ...string) Build {
	b := Build{
		Version: Version, Commit: Unknown, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH,
		Modules: map[string]string{},
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	b.Commit = commitOf(info)
	for _, dependency := range info.Deps {
		if slices.Contains(modules, dependency.Path) {
			b.Modules[dependency.Path] = dependency.Version
		}
	}
	return b
}

// commitOf returns the linker's revision, the repository's, or the version of the module.
func commitOf(info *debug.BuildInfo) string {
	found, suffix := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			found = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			suffix = "-dirty"
		}
	}
	if found != "" {
		found += suffix
	}
	version := info.Main.Version
	if version == "(devel)" {
		version = ""
	}
	return cmp.Or(revision, found, version, Unknown)
}

// String returns the version and the commit, as "0.1.0 (commit 0123abc)".
func (b Build) String() string { return b.Version + " (commit " + b.Commit + ")" }

// Line returns the line that a program prints for --version.
func Line(program string) string {
	b := Read()
	return fmt.Sprintf("%s %s, %s, %s", program, b, b.Go, b.Platform)
}

// Rows returns the names and values for people.
func (b Build) Rows() [][2]string {
	rows := make([][2]string, 0, len(b.Modules)+6)
	rows = append(rows, [][2]string{
		{"version", b.Version}, {"commit", b.Commit}, {"Go", b.Go}, {"platform", b.Platform},
	}...)
	for _, path := range slices.Sorted(maps.Keys(b.Modules)) {
		rows = append(rows, [2]string{path, b.Modules[path]})
	}
	return rows
}

// Rows returns the names and values for people.
func (w Worker) Rows() [][2]string {
	device := w.Device
	if w.NoGPU != "" {
		device += " (no GPU: " + w.NoGPU + ")"
	}
	return append(w.Build.Rows(), [2]string{"libtorch", w.Libtorch}, [2]string{"device", device})
}
