// Package container unpacks data files as they are read. In: a file; out: the bytes within its
// layers of gzip, zstd, bzip2, xz, zip or tar, found by their first bytes and not by the file's
// name, and the names of these layers. A file of another kind (a RAR archive, a workbook, a
// database, a web page) gives a [KindError] that names the kind.
package container

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"compress/bzip2"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"rdrec/internal/fileset"
)

// Limits of unpacking.
const (
	bufferSize = 1 << 18
	maxLayers  = 4
	maxWindow  = 128 << 20 // of zstd and xz, as the command line of zstd has it
	maxNamed   = 3         // files of an archive that an error names
	// A file may unpack to so many times its size, beyond minUnpacked. Text packs to a tenth, and
	// seldom to a fiftieth.
	maxRatio    = 200
	minUnpacked = 64 << 20
)

// bounded is an unpacked stream that fails after a number of bytes.
type bounded struct {
	r    io.Reader
	left int64
	size int64 // of the packed file
}

// Read implements [io.Reader].
func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, fmt.Errorf("%d packed bytes unpack to more than %d", b.size, minUnpacked+maxRatio*b.size)
	}
	return n, err
}

// File is a file that can be unpacked.
type File interface {
	io.Reader
	io.ReaderAt
}

// KindError is the error of a file that is not read, because of its kind.
type KindError struct {
	// Kind names it with its article, Remedy is what to do.
	Kind, Remedy string
}

// Error names the kind and the remedy.
func (k *KindError) Error() string { return fmt.Sprintf("this is %s: %s", k.Kind, k.Remedy) }

// Reader reads the unpacked bytes.
type Reader struct {
	*bufio.Reader
	// Layers names what was unpacked, the outermost first.
	Layers []string
	close  []func() error
}

// Open returns a reader of a file's unpacked bytes.
func Open(file File, size int64) (*Reader, error) {
	r := &Reader{Reader: bufio.NewReaderSize(file, bufferSize)}
	for {
		beginning, err := r.Peek(beginningSize)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, errors.Join(err, r.Close())
		}
		if kind := kindOf(beginning); kind != nil {
			return nil, errors.Join(kind, r.Close())
		}
		layer := layerOf(beginning)
		if layer == "" {
			return r, nil
		}
		if len(r.Layers) == maxLayers {
			return nil, errors.Join(fmt.Errorf("more than %d layers of compression", maxLayers), r.Close())
		}
		if err := r.unpack(layer, file, size); err != nil {
			return nil, errors.Join(err, r.Close())
		}
		r.Layers = append(r.Layers, layer)
	}
}

// Close frees the unpackers; the file stays open.
func (r *Reader) Close() (err error) {
	for _, closeLayer := range slices.Backward(r.close) {
		err = errors.Join(err, closeLayer())
	}
	r.close = nil
	return err
}

// unpack puts the unpacker of a layer in place.
func (r *Reader) unpack(layer string, file File, size int64) error {
	var unpacked io.Reader
	var err error
	switch layer {
	case "gzip":
		unpacked, err = gzip.NewReader(r.Reader)
	case "bzip2":
		unpacked = bzip2.NewReader(r.Reader)
	case "xz":
		unpacked, err = xz.NewReader(newWindows(r.Reader))
	case "zstd":
		var decoder *zstd.Decoder
		decoder, err = zstd.NewReader(r.Reader, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
		if err == nil {
			unpacked = decoder
			r.close = append(r.close, decoder.IOReadCloser().Close)
		}
	case "tar":
		unpacked, err = openTar(r.Reader)
	default:
		if len(r.Layers) > 0 {
			return &KindError{"a zip archive within " + strings.Join(r.Layers, " within "), "unpack it"}
		}
		unpacked, err = r.openZip(file, size)
	}
	if err != nil {
		return err
	}
	// Each layer is bounded: an inner one may consist of what its unpacker skips.
	r.Reader = bufio.NewReaderSize(&bounded{r: unpacked, left: minUnpacked + maxRatio*size, size: size}, bufferSize)
	return nil
}

// openZip opens the only data file of a zip archive.
func (r *Reader) openZip(file File, size int64) (io.Reader, error) {
	archive, err := zip.NewReader(file, size)
	if err != nil {
		return nil, fmt.Errorf("zip archive: %w", err)
	}
	var entries []*zip.File
	var names []string
	for _, entry := range archive.File {
		if entry.Name == "[Content_Types].xml" {
			return nil, &KindError{"an Office document", "save its table as CSV"}
		}
		if mayHaveRows(entry.Name, int64(entry.UncompressedSize64)) {
			entries, names = append(entries, entry), append(names, entry.Name)
		}
	}
	if len(entries) != 1 {
		return nil, severalFiles("zip", names)
	}
	if encrypted := entries[0].Flags&1 != 0; encrypted {
		return nil, &KindError{"a zip archive with a password", "unpack it"}
	}
	unpacked, err := entries[0].Open()
	if err != nil {
		return nil, fmt.Errorf("zip archive: %s: %w", entries[0].Name, err)
	}
	r.close = append(r.close, unpacked.Close)
	return unpacked, nil
}

// mayHaveRows reports whether an entry of an archive may hold rows.
func mayHaveRows(name string, size int64) bool {
	folder := strings.HasSuffix(name, "/")
	return !folder && !strings.HasPrefix(name, "__MACOSX/") && fileset.PassOver(path.Base(name), size) == ""
}

// severalFiles returns the error of an archive that does not have exactly one data file.
func severalFiles(kind string, names []string) error {
	if len(names) == 0 {
		return fmt.Errorf("the %s archive is empty", kind)
	}
	more := ""
	if len(names) > maxNamed {
		names, more = names[:maxNamed], ", ..."
	}
	return &KindError{
		fmt.Sprintf("a %s archive of several files (%s%s)", kind, strings.Join(names, ", "), more),
		"unpack it and name one, or a folder of them",
	}
}

// tarFile reads the only data file of a tar archive.
type tarFile struct {
	*tar.Reader
	name string
}

func openTar(r io.Reader) (*tarFile, error) {
	t := &tarFile{Reader: tar.NewReader(r)}
	name, err := t.next()
	if errors.Is(err, io.EOF) {
		return nil, severalFiles("tar", nil)
	}
	t.name = name
	return t, err
}

// next moves to the next data file and returns its name.
func (t *tarFile) next() (string, error) {
	for {
		header, err := t.Next()
		if err != nil {
			return "", err
		}
		if header.Typeflag == tar.TypeReg && mayHaveRows(header.Name, header.Size) {
			return header.Name, nil
		}
	}
}

// Read implements [io.Reader]. A second data file is an error.
func (t *tarFile) Read(p []byte) (int, error) {
	n, err := t.Reader.Read(p)
	if !errors.Is(err, io.EOF) {
		return n, err
	}
	switch name, second := t.next(); {
	case second == nil:
		return n, severalFiles("tar", []string{t.name, name})
	case errors.Is(second, io.EOF):
		return n, io.EOF
	default:
		return n, second
	}
}
