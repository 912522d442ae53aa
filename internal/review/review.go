// Package review imports a shop's raw reviews as a dataset. In: files of reviews (McAuley's 2014,
// 2018 and 2023 dumps, JSON of any shop, delimited text, Parquet; packed or not; docs/formats.md),
// optionally files of item titles, and [spec.Reviews]. Out: a folder that package dataset reads,
// import.json (counts of the rows that were kept and dropped) and quarantine.jsonl (every
// unreadable row by file and line). Steps: load the rows into DuckDB, quarantine bad rows, filter
// by date and rating, keep one review for each user and item, reduce to the k-core, sort each
// user's items by time, assign user and item ids, extract each review's explanation and feature,
// write. Every step works out of core: disk use grows with the number of reviews (about the size of
// the unpacked text), memory does not.
package review

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"rdrec/internal/dataset"
	"rdrec/internal/pseudonym"
	"rdrec/internal/spec"
)

// Progress is reported at the start of each step and, in step load, every progressRows rows of a
// file; Rows counts those.
type Progress struct {
	Step string
	Rows int
}

// Importer is one import.
type Importer struct {
	Options spec.Reviews
	// Appearance assigns ids to users and items by first appearance, as the reference does, which
	// leaks (docs/deviations.md 18); else ids are random.
	Appearance bool
	// Seed is the seed of the random ids and of nothing else.
	Seed int64
	// UserKey, unless zero, replaces user ids by pseudonyms before anything is written. No text of
	// an unreadable row is kept then: it may have the id.
	UserKey pseudonym.Key
	// Copy, if set, is a Parquet file that [Importer.Check] writes: all rows as they were read, and
	// the unreadable ones without values. [spec.Reviews.ForCopy] returns the options that read it.
	Copy string
	// Dir is the folder to write; temporary files are in it until the import ends.
	Dir       string
	Resources Resources
	// Progress may be nil.
	Progress func(Progress)
	// Sample, if set, receives the first sampleRows rows as they were understood.
	Sample func(dataset.ImportedRow)
}

// Run reads the reviews and writes a dataset folder with import.json and quarantine.jsonl into Dir.
// Unusable data gives an error that is [ErrData], invalid options one that is [ErrSettings].
func (i Importer) Run(ctx context.Context) (dataset.ImportSummary, error) {
	sum, err := i.do(ctx, (*run).runSteps)
	if err != nil {
		err = fmt.Errorf("import reviews %q: %w", i.Options.Path, err)
	}
	return sum, err
}

// Check reads the rows as [Importer.Run] does and writes nothing but Copy. Files that cannot be
// read to their end, or none of whose rows can be read, give an error that is [ErrData].
func (i Importer) Check(ctx context.Context) (dataset.ImportSummary, error) {
	i.Options.From, i.Options.To, i.Options.MinRating = "", "", 0
	return i.do(ctx, (*run).checkSteps)
}

// do runs steps with a database in a scratch folder.
func (i Importer) do(
	ctx context.Context, steps func(*run, context.Context) error,
) (_ dataset.ImportSummary, err error) {
	if err := i.check(); err != nil {
		return dataset.ImportSummary{}, fmt.Errorf("%w: %w", ErrSettings, err)
	}
	if err := os.MkdirAll(i.Dir, 0o755); err != nil {
		return dataset.ImportSummary{}, err
	}
	scratch, err := os.MkdirTemp(i.Dir, ".import-")
	if err != nil {
		return dataset.ImportSummary{}, err
	}
	defer func() {
		if removed := os.RemoveAll(scratch); err == nil {
			err = removed
		}
	}()
	db, err := openStore(ctx, scratch, i.Resources)
	if err != nil {
		return dataset.ImportSummary{}, err
	}
	defer func() {
		if closed := db.close(); err == nil {
			err = closed
		}
	}()
	r := &run{Importer: i, db: db, scratch: scratch}
	if err := steps(r, ctx); err != nil {
		return r.sum, diskFull(err)
	}
	return r.sum, nil
}

// check returns the first invalid setting.
func (i Importer) check() error {
	if i.Options.UserCore < dataset.MinItems {
		return fmt.Errorf("user_core is %d, want at least %d: "+
			"one item of each user is held out for testing, one for validation",
			i.Options.UserCore, dataset.MinItems)
	}
	if i.Options.ItemCore < 1 {
		return fmt.Errorf("item_core is %d, want at least 1", i.Options.ItemCore)
	}
	if _, err := findExtractor(i.Options.Extractor); err != nil {
		return err
	}
	if err := checkLanguage(i.Options.Language); err != nil {
		return err
	}
	for _, column := range slices.Sorted(maps.Keys(i.Options.Columns)) {
		if !known(column) {
			return fmt.Errorf("columns: %q is not one of %s, %s", column,
				strings.Join(spec.Columns(), ", "), spec.TitleColumn)
		}
	}
	return nil
}

// run is a running import.
type run struct {
	Importer
	db      *store
	sum     dataset.ImportSummary
	scratch string   // the folder of temporary files
	files   []string // a row's number has the index in its high bits
	sources []reading
}

// runSteps runs the steps of the import.
func (r *run) runSteps(ctx context.Context) error {
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"load", r.load},
		{"check rows", r.checkRows},
		{"sample", r.sample},
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

// checkSteps loads and checks the rows.
func (r *run) checkSteps(ctx context.Context) error {
	if err := r.load(ctx); err != nil {
		return err
	}
	if err := r.checkRows(ctx); err != nil {
		return err
	}
	if r.sum.Bad < r.sum.Rows {
		return r.copyRows(ctx)
	}
	var first Bad
	var at int64
	query := `SELECT row, reason FROM bad ORDER BY row LIMIT 1`
	if err := r.db.conn.QueryRowContext(ctx, query).Scan(&at, &first.Reason); err != nil {
		return queryError(err, query)
	}
	first.File, first.Line = r.location(at)
	return fmt.Errorf("%w: none of %d rows can be read; %s:%d: %s",
		ErrData, r.sum.Rows, first.File, first.Line, first.Reason)
}

func (r *run) progress(step string, rows int) {
	if r.Progress != nil {
		r.Progress(Progress{Step: step, Rows: rows})
	}
}

// location returns the file and line of a row, for people.
func (r *run) location(row int64) (file string, line int64) {
	at := int(row >> lineBits)
	if at < len(r.files) {
		file = filepath.Base(r.files[at])
	}
	return file, row & (1<<lineBits - 1)
}

// ErrSettings is the error of options that are invalid, whatever the data.
var ErrSettings = errors.New("settings cannot be used")

// ErrData is the error of unusable data; a retry does not help.
var ErrData = errors.New("data cannot be used")

// CorruptError is the error of a file that cannot be read to its end. It is [ErrData].
type CorruptError struct {
	File string
	// Size is the file's size, Read the number of bytes read of it, Unpacked the number of bytes
	// after decompression.
	Size, Read, Unpacked int64
	// Line is the last complete line.
	Line   int64
	Reason string
	// empty is set if the file has no rows because it has no bytes, notUTF8 if its encoding has to
	// be named.
	empty, notUTF8 bool
}

// Error names the file and the byte counts.
func (c *CorruptError) Error() string {
	return fmt.Sprintf("%s:%d: %s (read %d of %d bytes, unpacked %d)",
		c.File, c.Line, c.Reason, c.Read, c.Size, c.Unpacked)
}

// Is reports whether target is [ErrData].
func (c *CorruptError) Is(target error) bool { return target == ErrData }

// Bad is one quarantined row.
type Bad struct {
	File   string `json:"file"`
	Line   int64  `json:"line"`
	Reason string `json:"reason"`
	// Text is the beginning of the row.
	Text string `json:"text"`
}

// TooManyBadError is the error of more unreadable rows than max_bad allows. It is [ErrData].
type TooManyBadError struct {
	Bad, Rows int
	// Max is the allowed fraction of the rows.
	Max float64
	// First has the first maxShownBad bad rows.
	First []Bad
	// Sources describes how the files were read.
	Sources []string
}

// Error names the first few rows.
func (t *TooManyBadError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d of %d rows cannot be read, more than max_bad %g allows; all are in %s, the first are",
		t.Bad, t.Rows, t.Max, quarantineFile)
	for _, bad := range t.First {
		fmt.Fprintf(&b, "\n%s:%d: %s", bad.File, bad.Line, bad.Reason)
	}
	for _, about := range t.Sources {
		fmt.Fprintf(&b, "\nread as: %s", about)
	}
	return b.String()
}

// Is reports whether target is [ErrData].
func (t *TooManyBadError) Is(target error) bool { return target == ErrData }

// diskFull adds [syscall.ENOSPC] to DuckDB's error of a full disk.
func diskFull(err error) error {
	if err != nil && strings.Contains(err.Error(), "No space left on device") && !errors.Is(err, syscall.ENOSPC) {
		return errors.Join(err, syscall.ENOSPC)
	}
	return err
}
