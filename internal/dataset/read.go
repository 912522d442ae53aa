package dataset

import (
	"fmt"
	"io/fs"
)

// The files of a folder.
const (
	fileSequential   = "sequential.txt"
	fileNegative     = "negative.txt"
	fileTimes        = "times.txt"
	fileDatamaps     = "datamaps.json"
	fileTitles       = "titles.json"
	fileExplanation  = "explanation.json"
	fileRationale    = "explanation_rationale.json"
	fileItemKeywords = "item_keywords.tsv"
)

// Read reads the folder fsys; name is what people call it. All faults of all files come back at
// once, joined, each a [Diagnostic]. sequential.txt and datamaps.json must be there. Of the two
// explanation files the one with rationales is enough, and wins.
func Read(fsys fs.FS, name string) (*Dataset, error) {
	diags := &diagnostics{}
	d := &Dataset{Name: name}
	r := &reader{fsys: fsys, d: d, diags: diags, lineOf: map[int]int{}}
	r.datamaps()
	r.sequences()
	r.times()
	r.negatives()
	r.explanations()
	r.titles()
	if err := diags.err(); err != nil {
		return nil, fmt.Errorf("read dataset %q: %w", name, err)
	}
	return d, nil
}

// reader fills one dataset; its methods read one file each, in an order in which later ones can be
// checked against earlier ones.
type reader struct {
	fsys   fs.FS
	d      *Dataset
	diags  *diagnostics
	lineOf map[int]int // user -> index in d.Users
	users  int         // how many the datamaps name
	mapped bool        // datamaps were read without a fault, so ids can be checked against them
}

// knownUser says whether the id is one of the datamaps'; anything goes when they could not be read.
func (r *reader) knownUser(id int) bool { return !r.mapped || (id >= 1 && id <= r.users) }

func (r *reader) knownItem(id int) bool { return !r.mapped || (id >= 1 && id <= r.d.Items) }
