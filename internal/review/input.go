package review

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"rdrec/internal/container"
	"rdrec/internal/untrusted"
)

// Limits of the input.
const (
	maxRecord    = 64 << 20 // bytes of a line or a JSON object; a longer line is bad
	maxSnippet   = 500      // bytes of a bad row in quarantine.jsonl
	progressRows = 100_000
	lineBits     = 40 // a row's number has its line in these low bits and its file's index above them
	maxFiles     = 1 << 15
	bufferSize   = 1 << 18 // bytes of a file's beginning from which its format is detected
)

// input is one open file, unpacked and decoded to UTF-8 as it is read.
type input struct {
	*bufio.Reader
	name     string
	file     *os.File
	size     int64
	content  *container.Reader
	packed   *counter
	unpacked *counter
	encoding string // its name for people
	decoded  bool   // the encoding is not UTF-8
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

// packedFile is a file whose sequential reads are counted.
type packedFile struct {
	*counter
	io.ReaderAt
}

// openInput opens a file. Packing is detected by the first bytes, not by the name; an empty
// encoding is detected too.
func openInput(name, encoding string) (*input, error) {
	file, err := untrusted.Open(name)
	if err != nil {
		return nil, err
	}
	in := &input{name: name, file: file}
	if err := in.start(encoding); err != nil {
		return nil, errors.Join(err, in.close())
	}
	return in, nil
}

// errEmpty is the reason of a file without any bytes, before or after unpacking.
var errEmpty = errors.New("file is empty")

func (in *input) start(encoding string) error {
	info, err := in.file.Stat()
	if err != nil {
		return err
	}
	in.size = info.Size()
	in.packed = &counter{Reader: in.file}
	in.unpacked = in.packed
	if in.size == 0 {
		return in.corrupt(0, errEmpty)
	}
	in.content, err = container.Open(packedFile{in.packed, in.file}, in.size)
	if err != nil {
		return in.corrupt(0, err)
	}
	in.Reader = in.content.Reader
	if len(in.content.Layers) > 0 {
		in.unpacked = &counter{Reader: in.content.Reader}
		in.Reader = bufio.NewReaderSize(in.unpacked, bufferSize)
	}
	if _, err := in.Peek(1); err != nil {
		if errors.Is(err, io.EOF) {
			err = fmt.Errorf("%w once unpacked", errEmpty)
		}
		return in.corrupt(0, err)
	}
	return in.decode(encoding)
}

// starts reports whether the next bytes are these.
func (in *input) starts(with string) bool {
	got, err := in.Peek(len(with))
	return err == nil && string(got) == with
}

// sample returns the beginning of the file, up to the end of a line where there is one.
func (in *input) sample() []byte {
	beginning, err := in.Peek(bufferSize)
	if err == nil {
		if end := bytes.LastIndexByte(beginning, '\n'); end >= 0 {
			return beginning[:end+1]
		}
	}
	return beginning // reading reports an error at its line
}

// corrupt returns the [CorruptError] of a read that failed after a line.
func (in *input) corrupt(line int64, err error) error {
	reason := err.Error()
	if errors.Is(err, io.ErrUnexpectedEOF) {
		reason = "file is truncated"
		if in.content != nil && len(in.content.Layers) > 0 {
			reason = in.content.Layers[len(in.content.Layers)-1] + " stream is truncated"
		}
	}
	return &CorruptError{
		File: in.name, Size: in.size, Read: in.packed.n, Unpacked: in.unpacked.n, Line: line, Reason: reason,
		empty: errors.Is(err, errEmpty), notUTF8: errors.Is(err, errNotUTF8),
	}
}

func (in *input) close() error {
	var err error
	if in.content != nil {
		err = in.content.Close()
	}
	return errors.Join(err, in.file.Close())
}

// packing returns the names of the layers that were unpacked.
func (in *input) packing() string {
	if in.content == nil || len(in.content.Layers) == 0 {
		return ""
	}
	return ", " + strings.Join(in.content.Layers, ", ")
}

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
