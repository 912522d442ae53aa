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

// Part is a part of a folder that not every stage needs; parts are added with |.
type Part uint

// The parts beside sequences, ids and codes.
const (
	Times Part = 1 << iota
	Negatives
	Explanations
	Titles
	// All is what [Read] reads.
	All = Times | Negatives | Explanations | Titles
)

// Read reads the folder fsys; name identifies it for people. It returns all problems of all files
// at once, joined, each a [Diagnostic]. sequential.txt and datamaps.json are required, or OpenP5's
// user_sequence.txt in their place. P5's names of files are accepted, too. Of the two explanation
// files, the one with rationales takes precedence.
func Read(fsys fs.FS, name string) (*Dataset, error) { return ReadParts(fsys, name, All) }

// ReadParts is [Read] for a stage that needs only parts of a folder: the fields of the others are
// empty, and their files are not opened. docs/scale.md has the memory of each part.
func ReadParts(fsys fs.FS, name string, parts Part) (*Dataset, error) {
	r := newReader(fsys, name)
	r.ids()
	for _, one := range []struct {
		part Part
		read func()
	}{
		{Times, r.times},
		{Negatives, r.negatives},
		{Explanations, r.explanations},
		{Titles, r.titles},
	} {
		if parts&one.part != 0 {
			one.read()
		}
	}
	r.codes()
	if err := r.diags.err(); err != nil {
		return nil, fmt.Errorf("read dataset %q: %w", name, err)
	}
	return r.d, nil
}

// reader fills one dataset. Each method reads one file, in an order in which later files can be
// checked against earlier ones.
type reader struct {
	fsys    fs.FS
	d       *Dataset
	diags   *diagnostics
	lineOf  *index // user -> index in d.Users
	users   int    // number of users in the datamaps
	mapped  bool   // the datamaps are valid, so ids can be checked against them
	ints    arena[int]
	seconds arena[int64]
}

func newReader(fsys fs.FS, name string) *reader {
	r := &reader{fsys: regular{fsys}, d: &Dataset{Name: name}, diags: &diagnostics{}}
	r.lineOf = r.newIndex()
	return r
}

// ids reads the ids and the sequences.
func (r *reader) ids() {
	if !r.openP5() {
		r.datamaps()
		r.sequences()
	}
}

// knownUser reports whether the id is in the datamaps; if these are invalid, every id passes.
func (r *reader) knownUser(id int) bool { return !r.mapped || (id >= 1 && id <= r.users) }

func (r *reader) knownItem(id int) bool { return !r.mapped || (id >= 1 && id <= r.d.Items) }
