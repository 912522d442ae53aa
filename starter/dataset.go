package main

import (
	"cmp"
	_ "embed" // dataset.yaml
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

//go:embed dataset.yaml
var datasetSpec string

// errNoDataset says that a name is no folder that we know of.
var errNoDataset = errors.New("no data set")

// dataFolders is where a data set's name is looked for, in this order: as it is, in the folders of
// RDREC_DATA, where the reference has its data, and among those that are shipped.
func dataFolders() []string {
	folders := append([]string{""}, filepath.SplitList(os.Getenv("RDREC_DATA"))...)
	return append(folders, "data", filepath.Join("testdata", "rdrec"))
}

// findDataset finds the folder of a data set. Relative folders stay relative, so that the spec is
// the same wherever the project lies.
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
	return "", fmt.Errorf("%w %q: none of %s has a sequential.txt or sequential.txt.gz", errNoDataset, name, strings.Join(tried, ", "))
}

// hasSequences says whether a folder is one of RDRec's, POD's or P5's.
func hasSequences(folder string) bool {
	for _, name := range []string{"sequential.txt", "sequential.txt.gz"} {
		if info, err := os.Stat(filepath.Join(folder, name)); err == nil && info.Mode().IsRegular() {
			return true
		}
	}
	return false
}

// specFor is the text of the spec that runs where a data set is named and no spec.
func specFor(folder string) string {
	return fmt.Sprintf("name: %q\ndata: {folder: %q}\n%s", slugOf(filepath.Base(folder)), folder, datasetSpec)
}

// slugOf makes a spec's name of a folder's or a file's.
func slugOf(name string) string {
	return cmp.Or(strings.Trim(regexp.MustCompile(`[^a-z0-9._-]+`).ReplaceAllString(strings.ToLower(name), "-"), "-._"), "dataset")
}
