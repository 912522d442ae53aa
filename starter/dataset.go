package main

import (
	"cmp"
	_ "embed" // dataset.yaml
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"rdrec/internal/dataset"
)

//go:embed dataset.yaml
var datasetSpec string

// errNoDataset is the error for a name that no data folder has.
var errNoDataset = errors.New("no data set")

// dataFolders returns the folders that are searched for a data set, in this order: the current one,
// those of RDREC_DATA, the reference's data folder, and the shipped data sets.
func dataFolders() []string {
	folders := append([]string{""}, filepath.SplitList(os.Getenv("RDREC_DATA"))...)
	return append(folders, "data", filepath.Join("testdata", "rdrec"))
}

// findDataset returns the folder of a data set. Relative folders stay relative, so the spec does
// not depend on the project's location.
func findDataset(name string) (string, error) {
	var tried []string
	for _, folder := range dataFolders() {
		path := filepath.Join(folder, name)
		if hasSequences(path) {
			return path, nil
		}
		tried = append(tried, path)
		if folder == "" && filepath.IsAbs(name) {
			break
		}
	}
	return "", fmt.Errorf("%w %q: none of %s has a sequential.txt or sequential.txt.gz",
		errNoDataset, name, strings.Join(tried, ", "))
}

// hasSequences reports whether a folder is in the format of RDRec, POD, P5 or OpenP5.
func hasSequences(folder string) bool {
	isFile := func(name string) bool {
		info, err := os.Stat(filepath.Join(folder, name))
		return err == nil && info.Mode().IsRegular()
	}
	return slices.ContainsFunc(dataset.SequenceFiles(), func(name string) bool {
		return isFile(name) || isFile(name+".gz")
	})
}

// specFor returns the built-in spec for a data set.
func specFor(folder string) string {
	return fmt.Sprintf("name: %q\ndata: {folder: %q}\n%s", slugOf(filepath.Base(folder)), folder, datasetSpec)
}

// slugOf converts the name of a folder or a file to the name of a spec.
func slugOf(name string) string {
	slug := regexp.MustCompile(`[^a-z0-9._-]+`).ReplaceAllString(strings.ToLower(name), "-")
	return cmp.Or(strings.Trim(slug, "-._"), "dataset")
}
