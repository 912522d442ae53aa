package review

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/klauspost/compress/gzip"
)

// Limits of the input.
const (
	maxRecord    = 64 << 20 // bytes of a JSON line (a longer one is bad) or a CSV record (a longer one is an error)
	maxSnippet   = 500      // bytes of a bad row in quarantine.jsonl
	progressRows = 100_000
	lineBits     = 40 // a row's number has its line in these low bits and its file's index above them
	maxFiles     = 1 << 15
)

// find resolves a path or glob pattern to files, sorted by name, so that the order of rows does not
// depend on the file system.
func find(pattern string) ([]string, error) {
	if info, err := os.Stat(pattern); err == nil && !info.IsDir() {
		return []string{pattern}, nil
	}
	files, err := filepath.Glob(pattern)
	if err != nil {
		return nil, fmt.Errorf("path %q: %w", pattern, err)
	}
	files = slices.DeleteFunc(files, func(name string) bool {
		info, err := os.Stat(name)
		return err != nil || info.IsDir()
	})
	if len(files) == 0 {
		return nil, fmt.Errorf("path %q: no such file: %w", pattern, os.ErrNotExist)
	}
	if len(files) > maxFiles {
		return nil, fmt.Errorf("path %q: %d files, but one import reads at most %d", pattern, len(files), maxFiles)
	}
	slices.Sort(files)
	return files, nil
}

// input is one open file, decompressed as it is read.
type input struct {
	*bufio.Reader
	name     string
	file     *os.File
	size     int64
	packed   *counter
	unpacked *counter
}

// counter counts the bytes that are read.
type counter struct {
	io.Reader
	n int64
}

// Read implements [io.Reader].
func (c *counter) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += int64(n)
	return n, err
}

// openInput opens a file; gzip is detected by the first bytes, not by the name.
func openInput(name string) (*input, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	in := &input{name: name, file: file}
	if err := in.start(); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return in, nil
}

func (in *input) start() error {
	info, err := in.file.Stat()
	if err != nil {
		return err
	}
	in.size = info.Size()
	in.packed = &counter{Reader: in.file}
	in.unpacked = in.packed
	if in.size == 0 {
		return in.corrupt(0, errors.New("file is empty"))
	}
	packed := bufio.NewReaderSize(in.packed, 1<<18)
	in.Reader = packed
	if !in.starts("\x1f\x8b") {
		return in.bom()
	}
	zip, err := gzip.NewReader(packed)
	if err != nil {
		return in.corrupt(0, err)
	}
	in.unpacked = &counter{Reader: zip}
	in.Reader = bufio.NewReaderSize(in.unpacked, 1<<18)
	if _, err := in.Peek(1); err != nil {
		if errors.Is(err, io.EOF) {
			err = errors.New("file is empty once unpacked")
		}
		return in.corrupt(0, err)
	}
	return in.bom()
}

// bom skips a byte order mark.
func (in *input) bom() error {
	const mark = "\xef\xbb\xbf"
	if !in.starts(mark) {
		return nil
	}
	_, err := in.Discard(len(mark))
	return err
}

// starts reports whether the next bytes are these.
func (in *input) starts(with string) bool {
	got, err := in.Peek(len(with))
	return err == nil && string(got) == with
}

// corrupt returns the [CorruptError] of a read that failed after a line.
func (in *input) corrupt(line int64, err error) error {
	reason := err.Error()
	if errors.Is(err, io.ErrUnexpectedEOF) {
		reason = "gzip stream is truncated"
	}
	return &CorruptError{
		File: in.name, Size: in.size, Read: in.packed.n, Unpacked: in.unpacked.n, Line: line, Reason: reason,
	}
}

func (in *input) close() error { return in.file.Close() }

// line reads up to a newline and returns the line without it. long reports whether the line is
// longer than maxRecord; then only its beginning is returned.
func (in *input) line(buf []byte) (_ []byte, long bool, err error) {
	buf = buf[:0]
	for {
		part, err := in.ReadSlice('\n')
		if len(buf)+len(part) > maxRecord {
			long = true
			part = part[:max(0, min(len(part), maxSnippet-len(buf)))]
		}
		buf = append(buf, part...)
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if errors.Is(err, io.EOF) && len(buf) > 0 {
			err = nil
		}
		return bytes.TrimRight(buf, "\r\n"), long, err
	}
}

// sniff returns the format of a file, detected by its beginning.
func sniff(name string) (format string, err error) {
	in, err := openInput(name)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, in.close()) }()
	if in.starts("PAR1") {
		return "parquet", nil
	}
	for {
		text, _, err := in.line(nil)
		if err != nil {
			return "", in.corrupt(0, fmt.Errorf("no rows: %w", err))
		}
		text = bytes.TrimSpace(text)
		switch {
		case len(text) == 0:
			continue
		case text[0] != '{':
			return "csv", nil
		case strings.Contains(string(text), "user_id"):
			return "amazon-2023", nil
		default:
			return "amazon-2018", nil
		}
	}
}
