// Package untrusted bounds what content from outside can do. In: files, streams, names and texts
// that others wrote; out: at most so many bytes, paths within a folder, and texts that are safe on
// a terminal.
package untrusted

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode"
)

// The sizes of files that are read whole. Files that are larger are not what they claim to be.
const (
	// MaxSettings is the maximum size of a file of settings, such as config.json.
	MaxSettings = 16 << 20
	// MaxVocabulary is the maximum size of a tokenizer's file or of an index of weights.
	MaxVocabulary = 256 << 20
	// MaxObject is the maximum size of an object or a state that rdrec wrote itself.
	MaxObject = 1 << 30
)

// ErrTooLarge means that content is larger than its limit.
var ErrTooLarge = errors.New("too large")

// ErrOutside means that a name leads out of its folder.
var ErrOutside = errors.New("name leads out of its folder")

// ErrIrregular means that a path names something else than a file, such as a named pipe, which
// would be waited for, or a device, which has no end.
var ErrIrregular = errors.New("not a regular file")

// Open opens a file for reading.
func Open(path string) (*os.File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "open", Path: path, Err: ErrIrregular}
	}
	return os.Open(path) //nolint:gosec // the caller's own path
}

// ReadFile returns the content of a file of at most limit bytes.
func ReadFile(path string, limit int64) (data []byte, err error) {
	file, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() > limit {
		return nil, fmt.Errorf("%q has %d bytes: %w: at most %d are read", path, info.Size(), ErrTooLarge, limit)
	}
	data, err = ReadAll(file, limit)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", path, err)
	}
	return data, nil
}

// ReadAll returns the content of r, which has at most limit bytes. An error comes with the bytes
// before it.
func ReadAll(r io.Reader, limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(data)) > limit {
		return data[:limit], fmt.Errorf("%w: at most %d bytes are read", ErrTooLarge, limit)
	}
	return data, err
}

// Join returns the path of a file below folder. Its slash-separated name comes from a manifest, an
// archive or an index, and must not lead out of the folder.
func Join(folder, name string) (string, error) {
	local := filepath.FromSlash(name)
	if !filepath.IsLocal(local) || filepath.Clean(local) == "." {
		return "", fmt.Errorf("%w: %q", ErrOutside, name)
	}
	return filepath.Join(folder, local), nil
}

// Printable returns a text for a terminal: control characters, which could move its cursor or
// change its colors, and characters that change the direction of writing become U+FFFD.
func Printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || !unicode.IsControl(r) && !unicode.Is(unicode.Bidi_Control, r) {
			return r
		}
		return unicode.ReplacementChar
	}, text)
}
