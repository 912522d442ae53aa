package dataset

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"sort"
	"strings"

	"rdrec/internal/untrusted"
)

// file is one whole file of the folder, unpacked: the largest have some hundred megabytes.
type file struct {
	name     string // including .gz
	data     []byte
	lineEnds []int // offset of each line's newline, filled by line
}

// open reads name, or P5's name for it, plain or .gz. It returns nil, without a diagnostic, if none
// exists.
func open(fsys fs.FS, name string, diags *diagnostics) *file {
	for _, name := range names(name) {
		if f := openNamed(fsys, name, diags); f != nil {
			return f
		}
	}
	return nil
}

// openNamed reads name, or name.gz if name does not exist.
func openNamed(fsys fs.FS, name string, diags *diagnostics) *file {
	for _, candidate := range []string{name, name + ".gz"} {
		raw, err := readNamed(fsys, candidate)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			diags.add(candidate, 0, "cannot be read: %v", err)
			return &file{name: candidate}
		}
		f := &file{name: candidate, data: raw}
		if candidate != name {
			f.gunzip(raw, diags)
		}
		if len(f.data) == 0 {
			diags.add(candidate, 0, "file is empty")
		}
		return f
	}
	return nil
}

// The bounds of a file of the folder: those of Amazon's largest categories have some hundred
// megabytes, and text packs to a tenth.
const (
	maxFile     = 4 << 30
	maxRatio    = 200 // of an unpacked file to a packed one, beyond minUnpacked
	minUnpacked = 1 << 20
)

// readNamed returns the content of a file.
func readNamed(fsys fs.FS, name string) (data []byte, err error) {
	file, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	return untrusted.ReadAll(file, maxFile)
}

// gunzip unpacks raw. A truncated stream is reported with both byte counts, and none of it is used.
func (f *file) gunzip(raw []byte, diags *diagnostics) {
	f.data = nil
	if len(raw) == 0 {
		return
	}
	zip, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		diags.add(f.name, 0, "not a gzip file: %v", err)
		return
	}
	data, err := untrusted.ReadAll(zip, min(maxFile, minUnpacked+maxRatio*int64(len(raw))))
	if errors.Is(err, untrusted.ErrTooLarge) {
		diags.add(f.name, 0, "%d bytes of gzip unpack to more than %d", len(raw), len(data))
		return
	}
	if err != nil {
		lines := bytes.Count(data, []byte{'\n'})
		diags.add(
			f.name, lines+1, "gzip is truncated or damaged: %v after %d unpacked bytes of a %d-byte file", err,
			len(data), len(raw),
		)
		return
	}
	f.data = data
}

// line returns the number of the line that contains the byte at offset.
func (f *file) line(offset int64) int {
	if f.lineEnds == nil {
		f.lineEnds = make([]int, 0, bytes.Count(f.data, []byte{'\n'}))
		for i, b := range f.data {
			if b == '\n' {
				f.lineEnds = append(f.lineEnds, i)
			}
		}
	}
	return 1 + sort.SearchInts(f.lineEnds, int(offset))
}

// required opens a file that every folder must have.
func required(fsys fs.FS, name string, diags *diagnostics) *file {
	f := open(fsys, name, diags)
	if f == nil {
		diags.add(name, 0, "file is missing (neither it nor %s.gz exists)", name)
	}
	return f
}

// reportMissing records missing ids as one diagnostic with up to five examples.
func reportMissing(diags *diagnostics, name, message string, ids []int) {
	if len(ids) == 0 {
		return
	}
	shown := ids[:min(len(ids), 5)]
	more := ""
	if len(shown) < len(ids) {
		more = fmt.Sprintf(" and %d more", len(ids)-len(shown))
	}
	diags.add(name, 0, "%s: %v%s", message, shown, more)
}

// columns returns the lines of a separated file with their numbers from 1.
func (f *file) columns(separator byte) iter.Seq2[int, []string] {
	return func(yield func(int, []string) bool) {
		line := 0
		for text := range bytes.Lines(f.data) {
			line++
			fields := strings.Split(strings.TrimRight(string(text), "\r\n"), string(separator))
			if !yield(line, fields) {
				return
			}
		}
	}
}
