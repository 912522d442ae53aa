package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"rdrec/internal/cachedir"
	"rdrec/internal/progress"
	"rdrec/setup/internal/fetch"
	"rdrec/setup/internal/gotch"
	"rdrec/setup/internal/hint"
	"rdrec/setup/internal/libtorch"
	"rdrec/setup/internal/lock"
	"rdrec/setup/internal/pip"
)

type options struct {
	verifyDigests bool
	cuda          bool
	libtorch      string // $LIBTORCH
	now           func() time.Time
}

// steps is the state that the steps of a set-up share.
type steps struct {
	options
	out      io.Writer
	repo     string
	store    *fetch.Store
	compiler []string
}

// setUp runs the steps in order.
func setUp(ctx context.Context, out io.Writer, o options) (err error) {
	s := &steps{options: o, out: out}
	if err := s.inspect(ctx); err != nil {
		return err
	}
	for _, dir := range []string{s.store.Dir, s.repo} {
		unlock, err := lock.Dir(ctx, dir, func() { s.detail("waiting for another set-up in %s", dir) })
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, unlock()) }()
	}
	if err := errors.Join(s.store.RemoveTemporary(), gotch.RemoveTemporary(s.repo)); err != nil {
		return err
	}
	found, err := s.findLibtorch(ctx)
	if err != nil {
		return err
	}
	if s.cuda {
		if err := s.addCUDA(ctx, found); err != nil {
			return err
		}
	}
	if err := s.adaptGotch(ctx, found); err != nil {
		return err
	}
	if err := s.fetchModules(ctx); err != nil {
		return err
	}
	if err := s.fetchTeacher(ctx); err != nil {
		return err
	}
	return s.store.Close()
}

func (s *steps) step(name, format string, args ...any) {
	fmt.Fprintf(s.out, "==> %s: %s\n", name, fmt.Sprintf(format, args...))
}

func (s *steps) detail(format string, args ...any) {
	fmt.Fprintf(s.out, "    %s\n", fmt.Sprintf(format, args...))
}

// inspect finds the project, the tools and the cache, and reports them.
func (s *steps) inspect(ctx context.Context) (err error) {
	if runtime.GOOS != "linux" || (runtime.GOARCH != "amd64" && runtime.GOARCH != "arm64") {
		return hint.Wrap(fmt.Errorf("check the system: %s/%s is not supported", runtime.GOOS, runtime.GOARCH),
			"use Linux on x86-64 or arm64, or a container with it")
	}
	if s.repo, err = repository(); err != nil {
		return err
	}
	var version string
	if s.compiler, version, err = compiler(ctx); err != nil {
		return err
	}
	s.step("tools", "%s, %s", runtime.Version(), version)
	dir, err := cachedir.Dir()
	if err != nil {
		return hint.Wrap(err, "set RDREC_CACHE to a folder")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("create the cache: %w", err)
	}
	free, err := fetch.Free(dir)
	if err != nil {
		return err
	}
	s.step("cache", "%s, %s free on its disk", dir, fetch.Size(free))
	s.store = &fetch.Store{
		Dir: dir, Pins: fetch.Published(), Find: s.findPip, Log: s.detail, VerifyDigests: s.verifyDigests,
		Watch: s.watch,
	}
	return nil
}

// watchInterval is the time between two looks at a download.
const watchInterval = time.Second

// watch prints the progress of a download. On a terminal, pip has a bar of its own.
func (s *steps) watch(label string, total int64, size func() int64) (stop func()) {
	if progress.IsTerminal(s.out) {
		return func() {}
	}
	printer, done := progress.NewPrinter(s.out, "    "+label, s.now), make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		ticker := time.NewTicker(watchInterval)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
				printer.Show(progress.Progress{Done: int(size()), Total: int(total), Unit: progress.Bytes})
			}
		}
	})
	return func() {
		close(done)
		watching.Wait()
	}
}

// findPip finds pip. It is called before the first download, so that a set-up that fetches nothing
// needs no pip.
func (s *steps) findPip(ctx context.Context) (fetch.Downloader, error) {
	p, err := pip.Find(ctx)
	if err != nil {
		return nil, err
	}
	s.detail("with %s (%s)", p.Version, strings.Join(p.Command, " "))
	if progress.IsTerminal(s.out) {
		p.Progress = s.out
	}
	return p, nil
}

// findLibtorch uses LIBTORCH, then the torch of the Python on the PATH, then the cache, into which
// it fetches libtorch if necessary.
func (s *steps) findLibtorch(ctx context.Context) (libtorch.Libtorch, error) {
	if s.libtorch != "" {
		found, err := libtorch.Open(s.libtorch)
		if err != nil {
			return found, hint.Wrap(fmt.Errorf("use LIBTORCH: %w", err),
				"set LIBTORCH to an unzipped libtorch or a Python package torch, or unset it")
		}
		s.describe(found, "LIBTORCH")
		return s.completeLibtorch(ctx, found)
	}
	if dir := libtorch.Python(ctx); dir != "" {
		found, err := libtorch.Open(dir)
		if err == nil {
			s.describe(found, "the torch of the Python on the PATH")
			return s.completeLibtorch(ctx, found)
		}
		s.detail("skipping the torch of the Python on the PATH: %v", err)
	}
	s.step("libtorch", "%s from Python's package index (neither LIBTORCH nor the Python on the PATH has one)",
		fetch.TorchVersion)
	dir, err := s.store.Libtorch(ctx)
	if err != nil {
		return libtorch.Libtorch{}, err
	}
	found, err := libtorch.Open(dir)
	if err != nil {
		return found, hint.Wrap(err, "remove that folder and run make setup again")
	}
	s.detail("ready: %s, string ABI %d", found.Root, found.ABI)
	return found, nil
}

func (s *steps) describe(l libtorch.Libtorch, source string) {
	s.step("libtorch", "%s of %s: %s, string ABI %d", l.Version, source, l.Root, l.ABI)
}

// completeLibtorch fetches the libraries that the user's libtorch needs and the machine lacks.
func (s *steps) completeLibtorch(ctx context.Context, l libtorch.Libtorch) (libtorch.Libtorch, error) {
	needs, err := l.Missing()
	if err != nil || len(needs) == 0 {
		return l, err
	}
	names := make([]string, 0, len(needs))
	for _, need := range needs {
		names = append(names, need.Name)
	}
	s.detail("needs %s, available from Python's package index", strings.Join(names, " and "))
	dir, err := s.store.Companions(ctx, needs)
	if err != nil {
		return l, err
	}
	l.Beside = append(l.Beside, dir)
	return l, nil
}

// addCUDA fetches the libraries for a GPU if libtorch is in the cache, and checks that none is
// missing.
func (s *steps) addCUDA(ctx context.Context, l libtorch.Libtorch) error {
	s.step("cuda", "the libraries that %s needs", libtorch.CUDA)
	if rel, err := filepath.Rel(s.store.Dir, l.Root); err == nil && filepath.IsLocal(rel) {
		size, err := s.store.CUDA(ctx)
		if err != nil {
			return err
		}
		s.detail("%s of libraries", fetch.Size(size))
	}
	return fetch.CheckCUDA(s.out, l)
}

// adaptGotch creates .gotch and go.work unless they are up to date.
func (s *steps) adaptGotch(ctx context.Context, l libtorch.Libtorch) error {
	b := gotch.Build{Libtorch: l, Compiler: s.compiler}
	current, err := gotch.Current(s.repo, b)
	if err != nil {
		return err
	}
	if current {
		s.step("gotch", "%s is already adapted to this libtorch", gotch.Version)
		return nil
	}
	s.step("gotch", "adapting %s (4 MB) to libtorch %s", gotch.Version, l.Version)
	scratch, err := os.MkdirTemp(s.repo, gotch.Folder+"-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	if err := l.Try(ctx, s.compiler, scratch); err != nil {
		return err
	}
	s.detail("a program linked with libtorch loads")
	if b.Module, err = gotch.Download(ctx, s.repo); err != nil {
		return err
	}
	s.detail("checking which functions libtorch %s lacks (compiles once or twice on the first run, 15 s each)",
		l.Version)
	missing, tried, err := gotch.CachedMissingFunctions(ctx, b, s.store.Dir, filepath.Join(scratch, "module"))
	if err != nil {
		return err
	}
	s.detail("%s: %s", methodNote(tried), missingNote(missing))
	if err := gotch.Install(ctx, s.repo, b, missing); err != nil {
		return err
	}
	s.detail("wrote %s and go.work; the next build compiles gotch (about 100 s), later ones use Go's cache",
		gotch.Folder)
	return nil
}

func methodNote(tried bool) string {
	if tried {
		return "found by compiling"
	}
	return "cached"
}

func missingNote(missing []string) string {
	if len(missing) == 0 {
		return "no missing functions"
	}
	return fmt.Sprintf("%d missing functions, which will throw: %s", len(missing), strings.Join(missing, " "))
}

// fetchTeacher fetches the demo's teacher.
func (s *steps) fetchTeacher(ctx context.Context) error {
	file, err := cachedir.DemoTeacherFile()
	s.step("teacher", "SmolLM2-135M-Instruct (98 MB): %s", file)
	if os.Getenv(cachedir.TeacherDirEnv) != "" {
		if err != nil {
			return hint.Wrap(err, "put the teacher there, or unset "+cachedir.TeacherDirEnv+" to fetch it")
		}
		return nil
	}
	return s.store.Teacher(ctx, file)
}
