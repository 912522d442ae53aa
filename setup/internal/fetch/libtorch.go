package fetch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"rdrec/setup/internal/hint"
	"rdrec/setup/internal/libtorch"
	"rdrec/setup/internal/wheel"
)

const (
	manifestFile = "manifest.json"
	metadataFile = "METADATA" // torch's, which lists the wheels for a GPU
	// unpackedTorch and unpackedCUDA are the approximate sizes of the unpacked folders, and
	// fetchedCUDA that of the wheels, for the check of the disk space.
	unpackedTorch = 510_000_000
	unpackedCUDA  = 3_500_000_000
	fetchedCUDA   = 2_000_000_000
)

// Libtorch returns the folder of the package torch. It fetches the package unless it is present and
// complete.
func (s *Store) Libtorch(ctx context.Context) (string, error) {
	root := filepath.Join(s.Dir, "libtorch-"+TorchVersion)
	_, err := verify(filepath.Join(root, manifestFile), root, s.VerifyDigests)
	if err == nil {
		return filepath.Join(root, "torch"), nil
	}
	if errors.Is(err, errModified) {
		s.Log("fetching libtorch again: %v", err)
	}
	if err := s.checkFreeSpace(s.Pins.Torch.Bytes + unpackedTorch); err != nil {
		return "", err
	}
	file, err := s.get(ctx, s.Pins.Torch)
	if err != nil {
		return "", err
	}
	scratch, err := s.scratch()
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(scratch)
	m, err := s.unpackTorch(ctx, file, scratch)
	if err != nil {
		return "", err
	}
	s.Log("unpacked %d files, %s", len(m.Files), Size(m.size()))
	if err := moveIntoPlace(scratch, root); err != nil {
		return "", err
	}
	return filepath.Join(root, "torch"), nil
}

// unpackTorch fills a folder with the CPU part of torch, its companions and the manifest.
func (s *Store) unpackTorch(ctx context.Context, file, dir string) (*manifest, error) {
	s.Log("unpacking the libraries and headers of torch")
	files, err := wheel.Unpack(ctx, file, dir, cpuPart)
	if err != nil {
		return nil, err
	}
	var m manifest
	if err := m.add(s.Pins.Torch, file, files); err != nil {
		return nil, err
	}
	needs, err := libtorch.Missing(filepath.Join(dir, "torch", "lib", libtorch.CPU))
	if err != nil {
		return nil, err
	}
	if err := s.unpackCompanions(ctx, needs, dir, "torch/lib", &m); err != nil {
		return nil, err
	}
	metadata, err := wheel.Read(file, "*.dist-info/METADATA")
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, metadataFile), metadata, 0o644); err != nil {
		return nil, err
	}
	return &m, m.write(filepath.Join(dir, manifestFile))
}

// cpuPart selects the part of the wheel for CPUs: all headers (torch.h includes some with "python"
// in their names), and the libraries that need neither a GPU nor Python.
func cpuPart(name string) string {
	switch {
	case strings.HasPrefix(name, "torch/include/"):
		return name
	case strings.HasPrefix(name, "torch/lib/") && !cudaPart(name) && isLibrary(name) &&
		path.Base(name) != "libtorch_python.so":
		return name
	default:
		return ""
	}
}

// cudaPart reports whether a file of the wheel is a library for GPUs only. libtorch.so requires
// libtorch_cuda.so.
func cudaPart(name string) bool {
	if path.Dir(name) != "torch/lib" {
		return false
	}
	base := path.Base(name)
	for _, part := range []string{"cuda", "nvrtc", "nvshmem", "nvfuser", "libtorch.so", "libtorch_global_deps"} {
		if strings.Contains(base, part) {
			return true
		}
	}
	return false
}

func isLibrary(name string) bool {
	base := path.Base(name)
	return strings.HasSuffix(base, ".so") || strings.Contains(base, ".so.")
}

// Companions returns the folder with the libraries that the user's libtorch needs and the machine
// lacks.
func (s *Store) Companions(ctx context.Context, needs []libtorch.Need) (string, error) {
	key := "companions"
	for _, need := range needs {
		key += "-" + strings.ReplaceAll(strings.TrimPrefix(need.Name, "lib"), ".so.", "")
	}
	root := filepath.Join(s.Dir, key)
	if _, err := verify(filepath.Join(root, manifestFile), root, s.VerifyDigests); err == nil {
		return root, nil
	}
	scratch, err := s.scratch()
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(scratch)
	var m manifest
	if err := s.unpackCompanions(ctx, needs, scratch, ".", &m); err != nil {
		return "", err
	}
	if err := m.write(filepath.Join(scratch, manifestFile)); err != nil {
		return "", err
	}
	return root, moveIntoPlace(scratch, root)
}

// unpackCompanions unpacks the needed libraries into dir/folder.
func (s *Store) unpackCompanions(ctx context.Context, needs []libtorch.Need, dir, folder string, m *manifest) error {
	for _, need := range needs {
		p, ok := s.Pins.Companions[need.Name]
		if !ok {
			return hint.Wrap(fmt.Errorf("%w: %q needs %s, which is missing", libtorch.ErrUnusable, need.By, need.Name),
				"install that library, add its folder to LD_LIBRARY_PATH, or unset LIBTORCH to fetch a libtorch")
		}
		file, err := s.get(ctx, p)
		if err != nil {
			return err
		}
		files, err := wheel.Unpack(ctx, file, dir, func(name string) string {
			if path.Base(name) == need.Name {
				return path.Join(folder, need.Name)
			}
			return ""
		})
		if err != nil {
			return err
		}
		if len(files) != 1 {
			return fmt.Errorf("unpack %q: %d files %q, want one", file, len(files), need.Name)
		}
		if err := m.add(p, file, files); err != nil {
			return err
		}
	}
	return nil
}

// moveIntoPlace replaces root with a finished scratch folder.
func moveIntoPlace(scratch, root string) error {
	if err := os.Chmod(scratch, 0o755); err != nil {
		return err
	}
	if err := os.RemoveAll(root); err != nil {
		return fmt.Errorf("replace %q: %w", root, err)
	}
	if err := os.Rename(scratch, root); err != nil {
		return fmt.Errorf("move %q into place: %w", root, err)
	}
	return nil
}

// exists reports whether a path exists.
func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}
