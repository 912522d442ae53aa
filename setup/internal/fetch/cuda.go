package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"rdrec/setup/internal/hint"
	"rdrec/setup/internal/libtorch"
	"rdrec/setup/internal/wheel"
)

// driver lists libraries that are part of the driver of a GPU or of InfiniBand, never of a wheel. A
// machine without them does not need the libraries that require them.
var driver = map[string]bool{
	"libcuda.so.1": true, "libnvidia-ml.so.1": true,
	"libmlx5.so.1": true, "librdmacm.so.1": true, "libibverbs.so.1": true,
}

const cudaManifest = "cuda.json"

// CUDA adds the dependencies of libtorch_cuda.so to the fetched libtorch: the wheels in torch's
// metadata. It returns their size in bytes. Each library finds the others by its run path, as in a
// Python environment.
func (s *Store) CUDA(ctx context.Context) (int64, error) {
	root := filepath.Join(s.Dir, "libtorch-"+TorchVersion)
	if m, err := verify(filepath.Join(root, cudaManifest), root, s.VerifyDigests); err == nil {
		return m.size(), nil
	}
	if err := s.checkFreeSpace(s.Pins.Torch.Bytes + fetchedCUDA + unpackedCUDA); err != nil {
		return 0, err
	}
	scratch, err := s.scratch()
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(scratch)
	m, err := s.unpackCUDA(ctx, root, scratch)
	if err != nil {
		return 0, err
	}
	if err := moveIntoPlace(filepath.Join(scratch, "nvidia"), filepath.Join(root, "nvidia")); err != nil {
		return 0, err
	}
	for _, f := range m.Files {
		if !strings.HasPrefix(f.Path, "torch/") {
			continue
		}
		if err := os.Rename(filepath.Join(scratch, f.Path), filepath.Join(root, f.Path)); err != nil {
			return 0, fmt.Errorf("move %q into place: %w", f.Path, err)
		}
	}
	if err := m.write(filepath.Join(scratch, cudaManifest)); err != nil {
		return 0, err
	}
	return m.size(), os.Rename(filepath.Join(scratch, cudaManifest), filepath.Join(root, cudaManifest))
}

func (s *Store) unpackCUDA(ctx context.Context, root, scratch string) (*manifest, error) {
	metadata, err := os.ReadFile(filepath.Join(root, metadataFile))
	if err != nil {
		return nil, err
	}
	file, err := s.get(ctx, s.Pins.Torch)
	if err != nil {
		return nil, err
	}
	wheels, err := s.resolve(ctx, Requirements(string(metadata)), scratch)
	if err != nil {
		return nil, err
	}
	var m manifest
	files, err := wheel.Unpack(ctx, file, scratch, func(name string) string {
		if cudaPart(name) {
			return name
		}
		return ""
	})
	if err := errors.Join(err, m.add(s.Pins.Torch, file, files)); err != nil {
		return nil, err
	}
	for _, p := range wheels {
		file, err := s.get(ctx, p)
		if err != nil {
			return nil, err
		}
		files, err := wheel.Unpack(ctx, file, scratch, nvidiaPart)
		if err := errors.Join(err, m.add(p, file, files)); err != nil {
			return nil, err
		}
	}
	return &m, nil
}

// resolve returns the wheels that the requirements resolve to. Those without libraries
// (cuda-toolkit itself) have a few KB.
func (s *Store) resolve(ctx context.Context, requirements []string, scratch string) ([]Pinned, error) {
	if err := s.find(ctx); err != nil {
		return nil, err
	}
	s.Log("torch's metadata requires %d packages for a GPU:", len(requirements))
	for _, requirement := range requirements {
		s.Log("  %s", requirement)
	}
	wheels, err := s.downloader.Resolve(ctx, requirements, scratch)
	if err != nil {
		return nil, err
	}
	s.Log("they resolve to %d wheels, about %s to fetch and %s unpacked",
		len(wheels), Size(fetchedCUDA), Size(unpackedCUDA))
	all := make([]Pinned, 0, len(wheels))
	for _, w := range wheels {
		all = append(all, Pinned{Wheel: w})
	}
	return all, nil
}

var named = regexp.MustCompile(`^(nvidia-|cuda-toolkit\b)`)

// Requirements returns the packages with a GPU's libraries that a wheel's metadata requires, as
// arguments for pip. It excludes Python packages, such as triton and cuda-bindings, since no Python
// runs here.
func Requirements(metadata string) []string {
	var found []string
	for line := range strings.Lines(metadata) {
		requirement, ok := strings.CutPrefix(strings.TrimSpace(line), "Requires-Dist: ")
		if ok && named.MatchString(requirement) && !strings.Contains(requirement, "extra ==") {
			found = append(found, requirement)
		}
	}
	return found
}

// nvidiaPart selects the libraries of NVIDIA's wheels, at the paths of torch's run paths.
func nvidiaPart(name string) string {
	if strings.HasPrefix(name, "nvidia/") && path.Base(path.Dir(name)) == "lib" && isLibrary(name) {
		return name
	}
	return ""
}

// CheckCUDA checks the dependencies of libtorch_cuda.so and reports them to w. Libraries of the
// GPU's driver may be missing; any other missing library is an error.
func CheckCUDA(w io.Writer, l libtorch.Libtorch) error {
	file := filepath.Join(l.Lib, libtorch.CUDA)
	if !exists(file) {
		return hint.Wrap(fmt.Errorf("%w: %q has no %s", libtorch.ErrUnusable, l.Root, libtorch.CUDA),
			"unset LIBTORCH to fetch one for GPUs, or omit CUDA=1")
	}
	found, err := libtorch.Found(file, l.Folders()...)
	if err != nil {
		return err
	}
	missing, err := libtorch.Missing(file, l.Folders()...)
	if err != nil {
		return err
	}
	var lacking []string
	for _, need := range missing {
		if driver[need.Name] {
			fmt.Fprintf(w, "    %s is part of the GPU's driver (needed by %s)\n", need.Name, filepath.Base(need.By))
			continue
		}
		lacking = append(lacking, need.Name+" (needed by "+need.By+")")
	}
	if len(lacking) > 0 {
		err = fmt.Errorf("%w: %q lacks libraries: %s", libtorch.ErrUnusable, file, strings.Join(lacking, ", "))
		return hint.Wrap(err,
			"install those libraries, or unset LIBTORCH to fetch all of them")
	}
	_, err = fmt.Fprintf(w, "    %s resolves: %d libraries, all found\n", libtorch.CUDA, len(found))
	return err
}
