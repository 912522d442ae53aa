package fetch

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"rdrec/setup/internal/wheel"
)

// manifest lists the files of a finished folder of the cache, and the wheels they are from.
type manifest struct {
	Wheels []source     `json:"wheels"`
	Files  []wheel.File `json:"files"`
}

// source is a wheel that files were unpacked from.
type source struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	SHA256  string `json:"sha256"`
}

var errModified = errors.New("modified since it was unpacked")

func (m *manifest) add(p Pinned, file string, files []wheel.File) error {
	sum, err := digest(file)
	if err != nil {
		return err
	}
	m.Wheels = append(m.Wheels, source{p.Wheel.Name, p.Wheel.Version, sum})
	m.Files = append(m.Files, files...)
	return nil
}

func (m *manifest) size() int64 {
	var size int64
	for _, f := range m.Files {
		size += f.Size
	}
	return size
}

func (m *manifest) write(file string) error {
	content, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(content, '\n'), 0o644)
}

// verify reads a manifest and checks the files under dir: their sizes and, with verifyDigests,
// their digests.
func verify(file, dir string, verifyDigests bool) (*manifest, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var m manifest
	if err := json.Unmarshal(content, &m); err != nil {
		return nil, fmt.Errorf("%w: %q: %w", errModified, file, err)
	}
	for _, f := range m.Files {
		path := filepath.Join(dir, f.Path)
		info, err := os.Stat(path)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errModified, err)
		}
		if info.Size() != f.Size {
			return nil, fmt.Errorf("%w: %q has %d bytes, want %d", errModified, path, info.Size(), f.Size)
		}
		if !verifyDigests {
			continue
		}
		if sum, err := digest(path); err != nil || sum != f.SHA256 {
			return nil, fmt.Errorf("%w: %q has sha256 %q, want %q", errModified, path, sum, f.SHA256)
		}
	}
	return &m, nil
}
