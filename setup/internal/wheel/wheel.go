// Package wheel unpacks parts of Python wheels without Python. Its input is a wheel file and a
// selection of its files. Its output is those files in a folder, each checked against the SHA-256
// in the wheel's RECORD, and a list of them. A wheel is a zip archive; the package runs nothing in
// it.
package wheel

import (
	"archive/zip"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// ErrCorrupt marks a file that is truncated, modified or not a wheel.
var ErrCorrupt = errors.New("corrupt wheel")

// File is one unpacked file.
type File struct {
	// Path is relative to the target folder, with slashes.
	Path string `json:"path"`
	// Size is in bytes.
	Size int64 `json:"size"`
	// SHA256 is the hexadecimal digest of the content.
	SHA256 string `json:"sha256"`
}

// Selector returns the target path of a file of the wheel, relative to the folder; "" excludes the
// file.
type Selector func(name string) string

// Unpack writes the selected files of a wheel to dir. It creates folders and replaces existing
// files. A file that differs from RECORD is an [ErrCorrupt]; files written before remain, so dir
// should be a scratch folder.
func Unpack(ctx context.Context, file, dir string, selectFile Selector) ([]File, error) {
	archive, err := zip.OpenReader(file)
	if err != nil {
		return nil, fmt.Errorf("unpack %q: %w: %w", file, ErrCorrupt, err)
	}
	defer archive.Close()
	record, err := readRecord(&archive.Reader)
	if err != nil {
		return nil, fmt.Errorf("unpack %q: %w", file, err)
	}
	var files []File
	for _, member := range archive.File {
		to := selectFile(member.Name)
		if to == "" || strings.HasSuffix(member.Name, "/") {
			continue
		}
		done, err := unpackOne(ctx, member, dir, to)
		if err != nil {
			return nil, fmt.Errorf("unpack %q of %q: %w", member.Name, file, err)
		}
		if want, ok := record[member.Name]; !ok || want != done.SHA256 {
			return nil, fmt.Errorf("unpack %q of %q: %w: RECORD has sha256 %q, the file %q",
				member.Name, file, ErrCorrupt, want, done.SHA256)
		}
		files = append(files, done)
	}
	return files, nil
}

// Read returns the content of the first file of the wheel whose name matches the pattern (see
// [path.Match]), such as "*.dist-info/METADATA".
func Read(file, pattern string) ([]byte, error) {
	archive, err := zip.OpenReader(file)
	if err != nil {
		return nil, fmt.Errorf("read %q: %w: %w", file, ErrCorrupt, err)
	}
	defer archive.Close()
	content, err := readMember(&archive.Reader, pattern)
	if err != nil {
		return nil, fmt.Errorf("read %q: %w", file, err)
	}
	return content, nil
}

func readMember(archive *zip.Reader, pattern string) ([]byte, error) {
	for _, member := range archive.File {
		if ok, err := path.Match(pattern, member.Name); err != nil || !ok {
			continue
		}
		r, err := member.Open()
		if err != nil {
			return nil, fmt.Errorf("%w: %q: %w", ErrCorrupt, member.Name, err)
		}
		defer r.Close()
		content, err := io.ReadAll(r)
		if err != nil {
			return nil, fmt.Errorf("%w: %q: %w", ErrCorrupt, member.Name, err)
		}
		return content, nil
	}
	return nil, fmt.Errorf("%w: no file %q", ErrCorrupt, pattern)
}

// readRecord returns the hexadecimal SHA-256 of each file that has one in RECORD.
func readRecord(archive *zip.Reader) (map[string]string, error) {
	content, err := readMember(archive, "*.dist-info/RECORD")
	if err != nil {
		return nil, err
	}
	rows, err := csv.NewReader(strings.NewReader(string(content))).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("%w: RECORD: %w", ErrCorrupt, err)
	}
	record := make(map[string]string, len(rows))
	for _, row := range rows {
		digest, ok := "", false
		if len(row) > 1 {
			digest, ok = strings.CutPrefix(row[1], "sha256=")
		}
		if !ok {
			continue
		}
		sum, err := base64.RawURLEncoding.DecodeString(digest)
		if err != nil {
			return nil, fmt.Errorf("%w: RECORD: digest of %q: %w", ErrCorrupt, row[0], err)
		}
		record[row[0]] = hex.EncodeToString(sum)
	}
	return record, nil
}

func unpackOne(ctx context.Context, member *zip.File, dir, to string) (File, error) {
	if !filepath.IsLocal(to) {
		return File{}, fmt.Errorf("%w: path %q is outside the folder", ErrCorrupt, to)
	}
	r, err := member.Open()
	if err != nil {
		return File{}, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	defer r.Close()
	target := filepath.Join(dir, filepath.FromSlash(to))
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return File{}, err
	}
	w, err := os.Create(target)
	if err != nil {
		return File{}, err
	}
	sum := sha256.New()
	size, err := io.Copy(io.MultiWriter(w, sum), &reader{ctx, r})
	if err := errors.Join(err, w.Close()); err != nil {
		return File{}, err
	}
	return File{Path: to, Size: size, SHA256: hex.EncodeToString(sum.Sum(nil))}, nil
}

// reader ends with its context, so that Ctrl-C does not wait for half a gigabyte.
type reader struct {
	ctx context.Context //nolint:containedctx // the reader lives for one call of io.Copy, which takes no context
	r   io.Reader
}

func (r *reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := r.r.Read(p)
	if errors.Is(err, zip.ErrChecksum) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return n, err
}
