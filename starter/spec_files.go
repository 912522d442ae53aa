package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"rdrec/internal/cachedir"
	"rdrec/internal/dataset"
	"rdrec/internal/fileset"
	"rdrec/internal/spec"
)

// findFiles looks for the files that a spec names, as a worker in this folder would, and finds what
// must fail once they are read. Files in buckets are the business of the workers, which have the
// credentials; "starter doctor" looks for them.
func findFiles(s spec.Spec) []spec.Problem {
	c := &fileCheck{}
	needsTeacher := slices.ContainsFunc(spec.Methods(), func(m spec.Method) bool {
		return m.Rationale && slices.Contains(s.Methods, m.Name)
	})
	if s.Data.Reviews != nil {
		c.source("data.reviews.path", s.Data.Reviews.Path)
		c.source("data.reviews.metadata", s.Data.Reviews.Metadata)
	} else if data := c.folder(s); data != nil {
		needsTeacher = needsTeacher && lacksRationales(data)
	}
	if s.Student.Pretrained != "" {
		c.pattern("student.pretrained", filepath.Join(s.Student.Pretrained, "config.json"))
	}
	if s.Nightly != nil && s.Nightly.Source != nil {
		c.pattern("nightly.source.path", s.Nightly.Source.Path)
	}
	if needsTeacher {
		c.teacher(s.Teacher.Model)
	}
	return c.problems
}

// fileCheck collects the problems of files.
type fileCheck struct{ problems []spec.Problem }

// hintFiles is the hint of a missing file.
const hintFiles = "paths are relative to the folder of the worker; --no-files skips this check"

func (c *fileCheck) add(key, reason, hint string) {
	c.problems = append(c.problems, spec.Problem{Key: key, Reason: reason, Hint: hint})
}

// source checks that a path to raw data (a file, a folder or a pattern) has files, unless it is
// empty.
func (c *fileCheck) source(key, path string) {
	path, inBucket := spec.PathOf(path)
	if path == "" || inBucket {
		return
	}
	if _, _, err := fileset.Find(path); err != nil {
		c.add(key, err.Error(), hintFiles)
	}
}

// pattern checks that a file matches a pattern, unless the pattern is empty.
func (c *fileCheck) pattern(key, pattern string) {
	if pattern == "" {
		return
	}
	paths, err := filepath.Glob(pattern)
	if err != nil {
		c.add(key, fmt.Sprintf("%q is not a pattern: %v", pattern, err), "")
		return
	}
	if len(paths) == 0 {
		c.add(key, fmt.Sprintf("no file matches %q", pattern), hintFiles)
	}
}

// folder reads the data folder; it returns nil if that fails, and for one in a bucket or of tables.
func (c *fileCheck) folder(s spec.Spec) *dataset.Dataset {
	const key = "data.folder"
	folder, inBucket := spec.PathOf(s.Data.Folder)
	if inBucket {
		return nil
	}
	info, err := os.Stat(folder)
	if err != nil || !info.IsDir() {
		c.add(key, fmt.Sprintf("there is no folder %q", folder), hintFiles)
		return nil
	}
	if _, err := os.Stat(filepath.Join(folder, spec.SequenceTable+".parquet")); err == nil {
		return nil // the worker reads Parquet
	}
	data, err := dataset.Read(os.DirFS(folder), filepath.Base(folder))
	if err != nil {
		c.add(key, strings.ReplaceAll(err.Error(), "\n", "; "), hintData)
		return nil
	}
	if err := data.FillNegatives(s.Data.Negatives, s.Seed); err != nil {
		c.add("data.negatives", err.Error(), "lower data.negatives")
	}
	return data
}

// teacher checks the files of a teacher that runs in the worker.
func (c *fileCheck) teacher(model string) {
	const key = "teacher.model"
	prefix, location, _ := strings.Cut(model, ":")
	location, inBucket := spec.PathOf(location)
	if inBucket {
		return
	}
	switch prefix {
	case "smollm2":
		if _, err := cachedir.DemoTeacherFile(); errors.Is(err, fs.ErrNotExist) {
			c.add(key, "the demo's teacher is missing", "make setup fetches it; --no-files skips this check")
		}
	case "gguf":
		c.pattern(key, location)
	case "hf":
		c.pattern(key, filepath.Join(location, "config.json"))
	case "meta":
		c.pattern(key, filepath.Join(location, "params.json"))
	}
}

// lacksRationales reports whether an explanation has no rationale.
func lacksRationales(data *dataset.Dataset) bool {
	all := slices.Concat(data.Explanations.Train, data.Explanations.Val, data.Explanations.Test)
	return slices.ContainsFunc(all, func(e dataset.Explanation) bool { return !e.HasRationale() })
}

// readSpec reads a spec; the hint of a missing file or a folder names others.
func readSpec(path string, overrides []string, checks ...spec.Check) (spec.Spec, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return spec.Spec{}, specError{fmt.Errorf("no spec %q: the file does not exist", path), suggestSpec(path)}
	case err == nil && info.IsDir() && hasSequences(path):
		return spec.Spec{}, specError{
			fmt.Errorf("%q is a data set, not a spec", path), fmt.Sprintf("use it with --dataset %s", path),
		}
	case err == nil && info.IsDir():
		return spec.Spec{}, specError{
			fmt.Errorf("%q is a folder, not a spec", path), suggestSpec(filepath.Join(path, "x")),
		}
	}
	return spec.Load(path, overrides, checks...)
}

// specError is the error of a spec that cannot be used by a command.
type specError struct {
	error
	hint string
}

// maxSuggested is the number of specs that a hint names.
const maxSuggested = 5

// suggestSpec returns the hint for a spec that does not exist: the specs beside it, or the shipped
// ones.
func suggestSpec(path string) string {
	var found []string
	for _, folder := range []string{filepath.Dir(path), "experiments"} {
		names, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
		if err == nil {
			found = append(found, names...)
		}
	}
	slices.Sort(found)
	if found = slices.Compact(found); len(found) == 0 {
		return "name a YAML file, or run a data set without one: --dataset"
	}
	suffix := ""
	if len(found) > maxSuggested {
		found, suffix = found[:maxSuggested], ", ..."
	}
	return "specs here are " + strings.Join(found, ", ") + suffix
}

// onlyExperiment returns an error for a nightly spec, which an experiment cannot run.
func onlyExperiment(s spec.Spec, path string) error {
	if s.Nightly == nil {
		return nil
	}
	return specError{
		fmt.Errorf("%s: nightly: this is the spec of nightly runs, which have no data of their own", path),
		fmt.Sprintf("start it with \"starter nightly run %[1]s\", "+
			"or schedule it with \"starter schedule create %[1]s\"", path),
	}
}
