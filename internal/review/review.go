// Package review turns a shop's raw reviews into a dataset. In: files of reviews (McAuley's 2014,
// 2018 and 2023 dumps, JSON lines of any shop, CSV, Parquet; plain or .gz), maybe a file of item
// titles, and [spec.Reviews]. Out: a folder that package dataset reads, import.json (what was kept
// and why the rest was not) and quarantine.jsonl (every unreadable row by file and line). Steps:
// load the rows into DuckDB, set bad ones aside, filter by date and rating, keep one review for
// each user and item, cut to the k-core, order each user's items in time, number users and items,
// find each review's explanation and feature, write. Every step works out of core: memory does not
// grow with the number of reviews, and disk does (about the size of the unpacked text).
package review

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"rdrec/internal/dataset"
	"rdrec/internal/spec"
)

// Summary counts what became of the rows; it is written as import.json.
type Summary struct {
	// Rows is all rows but blank lines. Rows = Bad + Filtered + Duplicates + Sparse + Interactions.
	Rows int `json:"rows"`
	// Bad could not be read and stand in quarantine.jsonl.
	Bad int `json:"bad"`
	// Filtered are outside the dates or below the rating.
	Filtered int `json:"filtered"`
	// Duplicates are later reviews of the same item by the same user.
	Duplicates int `json:"duplicates"`
	// Sparse are interactions of users or items below the core; Rounds is how often the cut was
	// made until nothing changed.
	Sparse int `json:"sparse"`
	Rounds int `json:"rounds"`
	// Users, Items and Interactions are what the dataset has.
	Users        int `json:"users"`
	Items        int `json:"items"`
	Interactions int `json:"interactions"`
	// Tied is how many interactions have the time of the user's interaction before: their order is
	// that of the file.
	Tied int `json:"tied"`
	// Explanations counts reviews in which the extractor found a sentence, and by split.
	Explanations int `json:"explanations"`
	Train        int `json:"explanations_train"`
	Val          int `json:"explanations_val"`
	Test         int `json:"explanations_test"`
	// Repeated is how many of Val and Test say, word for word, what the same user says in Train:
	// some users paste one review under several items.
	Repeated int `json:"explanations_repeated"`
	// Features is how many words the extractor knows as features.
	Features int `json:"features"`
	// Titles is how many items have one; BadTitles counts unreadable rows of the metadata.
	Titles    int `json:"titles"`
	BadTitles int `json:"bad_titles"`
}

// Progress is told at the start of each step and every progressRows rows of reading.
type Progress struct {
	Step string
	Rows int
}

// Importer is one import. Import is its short form.
type Importer struct {
	Options spec.Reviews
	// Appearance numbers users and items in the order in which they appear, as the reference does,
	// which leaks; else they are numbered at random.
	Appearance bool
	// Seed decides the random numbering and nothing else.
	Seed int64
	// Dir is where the folder is written; temporary files lie in it until the import ends.
	Dir string
	// MemoryMB is what DuckDB may hold before it spills to disk; 0 means defaultMemoryMB. The rest
	// of an import stays below half a gigabyte.
	MemoryMB int
	// Progress may be nil.
	Progress func(Progress)
}

// Import reads the reviews that opts names and writes a dataset folder, import.json and
// quarantine.jsonl into dir. Data that cannot be used gives an error that is [ErrData].
func Import(ctx context.Context, opts spec.Reviews, seed int64, dir string) (Summary, error) {
	return Importer{Options: opts, Seed: seed, Dir: dir}.Run(ctx)
}

// Run imports.
func (i Importer) Run(ctx context.Context) (sum Summary, err error) {
	if err := i.check(); err != nil {
		return Summary{}, fmt.Errorf("import reviews: %w: %w", ErrSettings, err)
	}
	if err := os.MkdirAll(i.Dir, 0o755); err != nil {
		return Summary{}, fmt.Errorf("import reviews: %w", err)
	}
	scratch, err := os.MkdirTemp(i.Dir, ".import-")
	if err != nil {
		return Summary{}, fmt.Errorf("import reviews: %w", err)
	}
	defer func() {
		if removed := os.RemoveAll(scratch); err == nil {
			err = removed
		}
	}()
	db, err := openStore(ctx, scratch, cmp.Or(i.MemoryMB, defaultMemoryMB))
	if err != nil {
		return Summary{}, fmt.Errorf("import reviews: %w", err)
	}
	defer func() {
		if closed := db.close(); err == nil {
			err = closed
		}
	}()
	r := &run{Importer: i, db: db}
	if err := r.runSteps(ctx); err != nil {
		return r.sum, fmt.Errorf("import reviews %q: %w", i.Options.Path, diskFull(err))
	}
	return r.sum, nil
}

// check refuses settings under which no dataset could be used.
func (i Importer) check() error {
	if i.Options.UserCore < dataset.MinItems {
		return fmt.Errorf("user_core is %d: leaving one item out for testing and one for validation needs at least %d items a user",
			i.Options.UserCore, dataset.MinItems)
	}
	if i.Options.ItemCore < 1 {
		return fmt.Errorf("item_core is %d, want at least 1", i.Options.ItemCore)
	}
	if _, err := findExtractor(i.Options.Extractor); err != nil {
		return err
	}
	for column := range i.Options.Columns {
		if !known(column) {
			return fmt.Errorf("columns: %q is not a column of ours (%s)", column, strings.Join(spec.Columns(), ", "))
		}
	}
	return nil
}

// run is an import under way.
type run struct {
	Importer
	db    *store
	sum   Summary
	files []string // index is the high part of a row's number
}

// runSteps is the import, step by step.
func (r *run) runSteps(ctx context.Context) error {
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"load", r.load},
		{"check rows", r.checkRows},
		{"quarantine", r.quarantine},
		{"deduplicate", r.deduplicate},
		{"core", r.core},
		{"assign ids", r.assignIDs},
		{"titles", r.titles},
		{"explain", r.extract},
		{"write", r.write},
	} {
		if err := ctx.Err(); err != nil {
			return err
		}
		r.progress(step.name, 0)
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return nil
}

func (r *run) progress(step string, rows int) {
	if r.Progress != nil {
		r.Progress(Progress{Step: step, Rows: rows})
	}
}

// location is where a row stands, for people.
func (r *run) location(row int64) (file string, line int64) {
	at := int(row >> lineBits)
	if at < len(r.files) {
		file = filepath.Base(r.files[at])
	}
	return file, row & (1<<lineBits - 1)
}

// ErrSettings says that the options allow no dataset, whatever the data.
var ErrSettings = errors.New("settings cannot be used")

// ErrData says that the data cannot be used and that trying again will not help.
var ErrData = errors.New("data cannot be used")

// CorruptError is a file that cannot be read to its end. It is [ErrData].
type CorruptError struct {
	File string
	// Size is the file's bytes, Read how many of them were taken in, Unpacked how many came out of
	// the compression.
	Size, Read, Unpacked int64
	// Line is the last line that was whole.
	Line   int64
	Reason string
}

// Error names the file and the byte counts.
func (c *CorruptError) Error() string {
	return fmt.Sprintf("%s:%d: %s (read %d of %d bytes, unpacked %d)", c.File, c.Line, c.Reason, c.Read, c.Size, c.Unpacked)
}

// Is says that a corrupt file is unusable data.
func (c *CorruptError) Is(target error) bool { return target == ErrData }

// Bad is one quarantined row.
type Bad struct {
	File   string `json:"file"`
	Line   int64  `json:"line"`
	Reason string `json:"reason"`
	// Text is the row's beginning.
	Text string `json:"text"`
}

// TooManyBadError says that more rows are unreadable than max_bad allows. It is [ErrData].
type TooManyBadError struct {
	Bad, Rows int
	// Max is the allowed share.
	Max float64
	// First are the first few.
	First []Bad
}

// Error names the first few rows.
func (t *TooManyBadError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d of %d rows cannot be read, more than max_bad %g allows; all are in %s, the first are", t.Bad, t.Rows, t.Max, quarantineFile)
	for _, bad := range t.First {
		fmt.Fprintf(&b, "\n%s:%d: %s", bad.File, bad.Line, bad.Reason)
	}
	return b.String()
}

// Is says that too many bad rows are unusable data.
func (t *TooManyBadError) Is(target error) bool { return target == ErrData }

// diskFull gives DuckDB's words for a full disk the error that the rest of the program knows.
func diskFull(err error) error {
	if err != nil && strings.Contains(err.Error(), "No space left on device") && !errors.Is(err, syscall.ENOSPC) {
		return errors.Join(err, syscall.ENOSPC)
	}
	return err
}
