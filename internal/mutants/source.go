package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
)

// source is one package to mutate: its files, its types, and the sites where they can be changed.
type source struct {
	folder string // from the root of the module
	name   string // of the package
	path   string // import path
	dir    string // absolute folder
	files  []*file
	sites  []*site
	lookup importer.Lookup
}

// file is one Go file of a package.
type file struct {
	name   string // base name
	text   []byte
	syntax *ast.File
}

// listed is a package in the output of go list.
type listed struct {
	ImportPath, Name, Dir, Export string
	GoFiles                       []string
	DepOnly                       bool
	Error                         *struct{ Err string }
}

// load finds the sites of the packages in folders. Sites whose rewriting does not type-check are
// left out.
func load(ctx context.Context, folders []string) ([]*source, error) {
	packages, err := list(ctx, folders)
	if err != nil {
		return nil, err
	}
	exports := map[string]string{}
	for _, p := range packages {
		exports[p.ImportPath] = p.Export
	}
	lookup := func(path string) (io.ReadCloser, error) {
		if exports[path] == "" {
			return nil, fmt.Errorf("no export data for %q", path)
		}
		return os.Open(exports[path])
	}
	var sources []*source
	for _, folder := range folders {
		i := slices.IndexFunc(packages, func(p listed) bool { return !p.DepOnly && within(p.Dir, folder) })
		if i < 0 {
			return nil, fmt.Errorf("no package in folder %q", folder)
		}
		p := packages[i]
		s := &source{folder: path.Clean(folder), name: p.Name, path: p.ImportPath, dir: p.Dir, lookup: lookup}
		if err := s.open(p.GoFiles); err != nil {
			return nil, fmt.Errorf("load %s: %w", folder, err)
		}
		sources = append(sources, s)
	}
	return sources, nil
}

func within(dir, folder string) bool {
	absolute, err := filepath.Abs(folder)
	return err == nil && absolute == dir
}

func list(ctx context.Context, folders []string) ([]listed, error) {
	const fields = "-json=ImportPath,Name,Dir,Export,GoFiles,DepOnly,Error"
	args := make([]string, 0, 6+len(folders)+len(schemaImports))
	args = append(args, "list", "-e", "-buildvcs=false", "-export", "-deps", fields)
	for _, folder := range folders {
		args = append(args, "./"+path.Clean(folder))
	}
	args = append(args, schemaImports...)
	out, err := output(exec.CommandContext(ctx, "go", args...))
	if err != nil {
		return nil, err
	}
	var packages []listed
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return packages, nil
		} else if err != nil {
			return nil, fmt.Errorf("read go list's output: %w", err)
		}
		if p.Error != nil && !p.DepOnly {
			return nil, fmt.Errorf("list %s: %s", p.ImportPath, p.Error.Err)
		}
		packages = append(packages, p)
	}
}

// output runs a command and returns its standard output; the error includes the standard error.
func output(c *exec.Cmd) ([]byte, error) {
	out, err := c.Output()
	if failed := (*exec.ExitError)(nil); errors.As(err, &failed) {
		return nil, fmt.Errorf("%s: %w\n%s", c, err, failed.Stderr)
	}
	return out, err
}

// open reads the package's files, finds the sites, and drops those that would not compile.
func (s *source) open(names []string) error {
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(s.dir, name))
		if err != nil {
			return err
		}
		s.files = append(s.files, &file{name: name, text: text})
	}
	set := token.NewFileSet()
	info := &types.Info{
		Types: map[ast.Expr]types.TypeAndValue{}, Uses: map[*ast.Ident]types.Object{},
	}
	problems, err := s.check(set, info, func(f *file) []byte { return f.text }, nil)
	if err != nil || len(problems) > 0 {
		return errors.Join(append(problems, err)...)
	}
	s.find(set, info)
	return s.settle()
}

// settle drops the sites on the lines that do not type-check when they are rewritten, until all do.
func (s *source) settle() error {
	for {
		set := token.NewFileSet()
		problems, err := s.check(set, nil, s.rewrite, []byte(s.schema()))
		if err != nil {
			return err
		}
		if len(problems) == 0 {
			number(s.candidates())
			return nil
		}
		before := len(s.sites)
		for _, problem := range problems {
			var typed types.Error
			if errors.As(problem, &typed) {
				s.drop(set.Position(typed.Pos))
			}
		}
		if len(s.sites) == before {
			return fmt.Errorf("the rewritten package does not compile: %w", errors.Join(problems...))
		}
	}
}

func (s *source) drop(at token.Position) {
	s.sites = slices.DeleteFunc(s.sites, func(site *site) bool {
		return site.file.name == at.Filename && site.covers(at.Line)
	})
}

// check parses and type-checks the files that render returns, and one more file if extra is not
// nil.
func (s *source) check(
	set *token.FileSet, info *types.Info, render func(*file) []byte, extra []byte,
) (problems []error, err error) {
	var syntax []*ast.File
	for _, f := range s.files {
		parsed, err := parser.ParseFile(set, f.name, render(f), parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		if info != nil {
			f.syntax = parsed
		}
		syntax = append(syntax, parsed)
	}
	if extra != nil {
		parsed, err := parser.ParseFile(set, schemaName, extra, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		syntax = append(syntax, parsed)
	}
	config := types.Config{
		Importer: importer.ForCompiler(set, "gc", s.lookup),
		Error:    func(err error) { problems = append(problems, err) },
	}
	if _, err := config.Check(s.path, set, syntax, info); err != nil && len(problems) == 0 {
		problems = append(problems, err)
	}
	return problems, nil
}

func (s *source) candidates() []*Candidate {
	var all []*Candidate
	for _, site := range s.sites {
		all = append(all, site.candidates...)
	}
	return all
}
