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
	fileCodes        = "codes.json"
)

// Read reads the folder fsys; name identifies it for people. It returns all problems of all files
// at once, joined, each a [Diagnostic]. sequential.txt and datamaps.json are required, or OpenP5's
// user_sequence.txt in their place. P5's names of files are accepted, too. Of the two explanation
// files, the one with rationales takes precedence.
func Read(fsys fs.FS, name string) (*Dataset, error) {
	diags := &diagnostics{}
	d := &Dataset{Name: name}
	r := &reader{fsys: fsys, d: d, diags: diags, lineOf: map[int]int{}}
	if !r.openP5() {
		r.datamaps()
		r.sequences()
	}
	r.times()
	r.negatives()
	r.explanations()
	r.titles()
	r.codes()
	if err := diags.err(); err != nil {
		return nil, fmt.Errorf("read dataset %q: %w", name, err)
	}
	return d, nil
}

// reader fills one dataset. Each method reads one file, in an order in which later files can be
// checked against earlier ones.
type reader struct {
	fsys   fs.FS
	d      *Dataset
	diags  *diagnostics
	lineOf map[int]int // user -> index in d.Users
	users  int         // number of users in the datamaps
	mapped bool        // the datamaps are valid, so ids can be checked against them
}

// knownUser reports whether the id is in the datamaps; if these are invalid, every id passes.
func (r *reader) knownUser(id int) bool { return !r.mapped || (id >= 1 && id <= r.users) }

func (r *reader) knownItem(id int) bool { return !r.mapped || (id >= 1 && id <= r.d.Items) }
