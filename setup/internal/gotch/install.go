package gotch

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Revision increases whenever the patch changes, so that set-up replaces older copies.
const Revision = 1

const stampFile = "stamp.txt"

// stamp identifies the inputs of a copy. A copy with another stamp is out of date.
type stamp struct {
	Revision    int
	Module, Cgo string
	// Size and Modified (nanoseconds) distinguish builds of libtorch in the same folder.
	Size, Modified int64
}

func (b Build) stamp(sum string) (stamp, error) {
	info, err := os.Stat(filepath.Join(b.Libtorch.Lib, "libtorch_cpu.so"))
	if err != nil {
		return stamp{}, fmt.Errorf("inspect libtorch: %w", err)
	}
	return stamp{
		Revision: Revision, Module: Version + " " + sum, Cgo: cgo(b.Libtorch),
		Size: info.Size(), Modified: info.ModTime().UnixNano(),
	}, nil
}

// Current reports whether the repository's copy and go.work equal those that [Install] would write.
// It needs only the checksum in go.sum, not the module.
func Current(repo string, b Build) (bool, error) {
	sum, err := goSumEntry(repo)
	if err != nil {
		return false, err
	}
	want, err := b.stamp(sum)
	if err != nil {
		return false, err
	}
	work, err := workspace(repo)
	if err != nil {
		return false, err
	}
	return hasContent(filepath.Join(repo, Folder, stampFile), want.encode()) &&
		hasContent(filepath.Join(repo, "go.work"), work), nil
}

// hasContent reports whether a file exists and has the given content.
func hasContent(file string, want []byte) bool {
	content, err := os.ReadFile(file)
	return err == nil && bytes.Equal(content, want)
}

// encode returns the content of the stamp file.
func (s stamp) encode() []byte {
	return fmt.Appendf(nil, "revision %d\nmodule %s\nlibtorch_cpu.so %d bytes, modified %d\n\n%s",
		s.Revision, s.Module, s.Size, s.Modified, s.Cgo)
}

// goSumEntry returns gotch's checksum in the repository's go.sum.
func goSumEntry(repo string) (string, error) {
	content, err := os.ReadFile(filepath.Join(repo, "go.sum"))
	if err != nil {
		return "", fmt.Errorf("read gotch's checksum: %w", err)
	}
	for line := range strings.Lines(string(content)) {
		if sum, ok := strings.CutPrefix(line, Path+" "+Version+" "); ok {
			return strings.TrimSpace(sum), nil
		}
	}
	return "", fmt.Errorf("read gotch's checksum: go.sum does not list %s %s", Path, Version)
}

// Install writes the patched copy and go.work. It completes the copy in a temporary folder and
// moves it into place, so that a concurrent build uses either the old copy or the new one. The
// caller must hold the repository's lock.
func Install(ctx context.Context, repo string, b Build, missing []string) error {
	staged, err := os.MkdirTemp(repo, Folder+"-*")
	if err != nil {
		return fmt.Errorf("install gotch: %w", err)
	}
	defer os.RemoveAll(staged)
	if err := fill(ctx, staged, b, missing); err != nil {
		return fmt.Errorf("install gotch: %w", err)
	}
	if err := swap(staged, filepath.Join(repo, Folder)); err != nil {
		return fmt.Errorf("install gotch: %w", err)
	}
	work, err := workspace(repo)
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(repo, "go.work"), work)
}

func fill(ctx context.Context, dir string, b Build, missing []string) error {
	if err := copyModule(ctx, b.Module.Dir, dir); err != nil {
		return err
	}
	if err := patch(dir, b.Libtorch, missing); err != nil {
		return err
	}
	mark, err := b.stamp(b.Module.Sum)
	if err != nil {
		return err
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, stampFile), mark.encode(), 0o644)
}

// swap exchanges staged and target in one step.
func swap(staged, target string) error {
	if _, err := os.Lstat(target); os.IsNotExist(err) {
		return os.Rename(staged, target)
	}
	if err := exchange(staged, target); err == nil {
		return nil
	}
	// Without support by the file system, target is missing for a moment.
	if err := os.RemoveAll(target); err != nil {
		return err
	}
	return os.Rename(staged, target)
}

// workspace returns the content of a go.work that makes the Go command use the copy, with the Go
// version of go.mod.
func workspace(repo string) ([]byte, error) {
	content, err := os.ReadFile(filepath.Join(repo, "go.mod"))
	if err != nil {
		return nil, fmt.Errorf("write go.work: %w", err)
	}
	for line := range strings.Lines(string(content)) {
		if version, ok := strings.CutPrefix(line, "go "); ok {
			return fmt.Appendf(nil, "go %s\n\nuse .\n\nreplace %s %s => ./%s\n",
				strings.TrimSpace(version), Path, Version, Folder), nil
		}
	}
	return nil, fmt.Errorf("write go.work: go.mod has no go line")
}

// RemoveTemporary removes the folders of an interrupted [Install]. The caller must hold the
// repository's lock.
func RemoveTemporary(repo string) error {
	left, err := filepath.Glob(filepath.Join(repo, Folder+"-*"))
	if err != nil {
		return err
	}
	for _, dir := range left {
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("remove leftovers of an interrupted set-up: %w", err)
		}
	}
	return nil
}
