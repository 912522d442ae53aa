package review

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"rdrec/internal/spec"
)

// layouter returns the columns of a format, and how the files are written.
type layouter struct {
	format  string // a row of spec.Formats
	table   spec.Table
	columns func(format string) ([]column, error)
	// isRow reports whether fields make a row by themselves; at has each column's index.
	isRow func(fields []string, at []int) bool
	// positions has the columns of a table without a header, in order.
	positions []string
}

// source is one open file, and how it is read.
type source struct {
	*input
	format  string
	columns []column
	// about describes how the file is read.
	about string
	// read passes the file's rows to a sink; nil for Parquet.
	read func(context.Context, sink) error
}

// openSource opens a file and finds its format, its dialect and its columns.
func openSource(name string, l layouter) (*source, error) {
	in, err := openInput(name, l.table.Encoding)
	if err != nil {
		return nil, err
	}
	s := &source{input: in}
	if err := s.detect(l); err != nil {
		return nil, errors.Join(err, in.close())
	}
	return s, nil
}

// detect fills the source.
func (s *source) detect(l layouter) error {
	sample := s.sample()
	objects := objectsOf(sample)
	detected, err := s.formatOf(sample, objects)
	if err != nil {
		return err
	}
	s.format = l.format
	switch {
	case l.format == "auto":
		s.format = detected
	case (l.format == "parquet") != (detected == "parquet"):
		return fmt.Errorf("%w: %s: format is %s, but the file is %s", ErrData, s.name, l.format, detected)
	}
	if s.columns, err = l.columns(s.format); err != nil {
		return err
	}
	switch s.format {
	case "parquet":
		s.about = "Parquet"
		return nil
	case "csv":
		return s.detectTable(l)
	default:
		return s.detectJSON(sample, objects)
	}
}

// formatOf returns the format of the file.
func (s *source) formatOf(sample []byte, objects [][]byte) (string, error) {
	if s.starts("PAR1") {
		if s.content != nil && len(s.content.Layers) > 0 {
			return "", s.corrupt(0, fmt.Errorf("this is a Parquet file within %s: unpack it",
				strings.Join(s.content.Layers, " within ")))
		}
		return "parquet", nil
	}
	text := bytes.TrimSpace(sample)
	switch {
	case len(text) == 0:
		return "", s.corrupt(0, fmt.Errorf("no rows: %w", errEmpty))
	case text[0] != '{' && text[0] != '[':
		return "csv", nil
	default:
		return formatOfKeys(keysOf(objects)), nil
	}
}

// formatOfKeys returns the format of JSON objects.
func formatOfKeys(keys []string) string {
	has := func(key string) bool { return slices.Contains(keys, key) }
	switch {
	case has("reviewerID"):
		return "amazon-2018"
	case has("user_id") && (has("parent_asin") || has("asin")):
		return "amazon-2023"
	default:
		return "json"
	}
}

// describe returns the names of the file's columns for people, such as "user=reviewerID".
func describe(columns []column, name func(i int) string) string {
	var pairs []string
	for i, c := range columns {
		if theirs := name(i); theirs != "" {
			pairs = append(pairs, c.name+"="+theirs)
		}
	}
	return strings.Join(pairs, " ")
}

// plainName returns the path of a file that has no characters of a pattern: its own, or that of a
// link to it in a folder, because DuckDB reads its paths as patterns.
func plainName(name, folder string) (string, error) {
	if !strings.ContainsAny(name, `*?[\`) {
		return name, nil
	}
	absolute, err := filepath.Abs(name)
	if err != nil {
		return "", err
	}
	folder, err = os.MkdirTemp(folder, "link")
	if err != nil {
		return "", err
	}
	link := filepath.Join(folder, "file.parquet")
	return link, os.Symlink(absolute, link)
}

// reading is one way in which several files are read.
type reading struct {
	first, about string
	more         int
}

// add notes how a file is read; files that are read in the same way share one entry.
func add(list []reading, name, about string) []reading {
	for i := range list {
		if list[i].about == about {
			list[i].more++
			return list
		}
	}
	return append(list, reading{first: filepath.Base(name), about: about})
}

// linesOf returns one line for each way of reading.
func linesOf(list []reading) []string {
	lines := make([]string, 0, len(list))
	for _, r := range list {
		files := r.first
		if r.more > 0 {
			files = fmt.Sprintf("%s and %d more", r.first, r.more)
		}
		lines = append(lines, files+": "+cmp.Or(r.about, "read"))
	}
	return lines
}
