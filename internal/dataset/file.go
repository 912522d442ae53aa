package dataset

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"strings"

	"rdrec/internal/untrusted"
)

// file is a file of the folder as a stream, unpacked.
type file struct {
	name string // including .gz
	*source
	closer io.Closer
	// failed means that the file is empty or cannot be read. That was reported; what the file lacks
	// is not.
	failed bool
	packed int64 // the size of a .gz file
	diags  *diagnostics
}

// exists reports whether the folder has a file, or its name in P5, plain or .gz.
func exists(fsys fs.FS, name string) bool {
	for _, name := range names(name) {
		for _, candidate := range []string{name, name + ".gz"} {
			if _, err := fs.Stat(fsys, candidate); !errors.Is(err, fs.ErrNotExist) {
				return true
			}
		}
	}
	return false
}

// open opens name, or P5's name for it, plain or .gz. It returns nil, without a diagnostic, if none
// exists. The caller closes the file.
func open(fsys fs.FS, name string, diags *diagnostics) *file {
	for _, name := range names(name) {
		if f := openNamed(fsys, name, diags); f != nil {
			return f
		}
	}
	return nil
}

// openNamed opens name, or name.gz if name does not exist.
func openNamed(fsys fs.FS, name string, diags *diagnostics) *file {
	for _, candidate := range []string{name, name + ".gz"} {
		opened, err := fsys.Open(candidate)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		f := &file{name: candidate, diags: diags}
		if err != nil {
			f.source = newSource(strings.NewReader(""), 0)
			f.fail(0, "cannot be read: %v", err)
			return f
		}
		f.closer, f.source = opened, newSource(opened, maxFile)
		if candidate != name {
			f.gunzip(opened)
		}
		f.check()
		return f
	}
	return nil
}

// The bounds of a file of the folder. Text packs to a tenth.
const (
	maxFile     = 256 << 30
	maxRatio    = 200 // of an unpacked file to a packed one, beyond minUnpacked
	minUnpacked = 1 << 20
)

// gunzip unpacks the file as it is read.
func (f *file) gunzip(opened fs.File) {
	info, err := opened.Stat()
	if err != nil {
		f.fail(0, "cannot be read: %v", err)
		return
	}
	if info.Size() == 0 {
		return
	}
	zip, err := gzip.NewReader(bufio.NewReader(opened))
	if err != nil {
		f.fail(0, "not a gzip file: %v", err)
		return
	}
	f.packed = info.Size()
	f.source = newSource(zip, min(maxFile, minUnpacked+maxRatio*f.packed))
}

// check reports a file without content.
func (f *file) check() {
	if _, some := f.at(0); some || f.failed {
		return
	}
	switch err := f.damage(); {
	case err == nil:
		f.fail(0, "file is empty")
	case f.packed == 0:
		f.fail(0, "cannot be read: %v", err)
	}
}

// fail reports that the file cannot be used.
func (f *file) fail(line int, format string, args ...any) {
	f.failed = true
	f.diags.addFirst(f.name, line, format, args...)
}

// close closes the file, and reports if its content ended before its end.
func (f *file) close() {
	err := f.damage()
	switch {
	case f.failed || err == nil:
	case f.packed > 0 && errors.Is(err, untrusted.ErrTooLarge) && f.end() == f.limit:
		f.fail(0, "%d bytes of gzip unpack to more than %d", f.packed, f.limit)
	case f.packed > 0:
		f.fail(
			f.lineAt(f.end()), "gzip is truncated or damaged: %v after %d unpacked bytes of a %d-byte file", err,
			f.end(), f.packed,
		)
	default:
		f.fail(f.lineAt(f.end()), "cannot be read: %v", err)
	}
	if f.closer != nil {
		_ = f.closer.Close() // it was only read
	}
}

// readAll returns the content of a file that is small, or of which all is needed at once.
func (f *file) readAll() []byte {
	for f.end() < maxWhole && f.fill() { // until its end
	}
	if f.end() >= maxWhole {
		f.failure = untrusted.ErrTooLarge
	}
	return f.from(0)
}

// maxWhole is the size of the largest file that is read whole.
const maxWhole = 1 << 30

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

// lines returns the lines of a file with their numbers from 1. A line is valid until the next.
func (f *file) lines() iter.Seq2[int, []byte] {
	return func(yield func(int, []byte) bool) {
		for {
			text, line, ok := f.next()
			if !ok || !yield(line, text) {
				return
			}
		}
	}
}
