package dataset

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"rdrec/internal/untrusted"
)

// source is the content of a file as a stream that knows its lines. It buffers what was read from
// the file and not yet released, so that its memory does not grow with the file.
type source struct {
	r       io.Reader
	buffer  []byte // buffer[begin:] is the content from offset on
	begin   int
	offset  int64 // of buffer[begin] in the content
	line    int   // of buffer[begin], from 1
	served  int   // buffer[:served] was returned by Read
	limit   int64 // of the content
	failure error // why no more can be read; io.EOF at the end
}

const (
	readSize = 64 << 10
	// maxBuffered bounds a line, and a value of JSON.
	maxBuffered = 1 << 30
)

func newSource(r io.Reader, limit int64) *source { return &source{r: r, line: 1, limit: limit} }

// Read reads on; what it returns stays in the buffer.
func (s *source) Read(p []byte) (int, error) {
	if s.served == len(s.buffer) && !s.fill() {
		return 0, s.failure
	}
	n := copy(p, s.buffer[s.served:])
	s.served += n
	return n, nil
}

// fill reads more into the buffer and reports whether there was more.
func (s *source) fill() bool {
	for s.failure == nil {
		if len(s.buffer)-s.begin > maxBuffered {
			s.failure = fmt.Errorf("a line or value is %w: more than %d bytes", untrusted.ErrTooLarge, maxBuffered)
			break
		}
		if s.begin > len(s.buffer)/2 {
			s.served = max(0, s.served-s.begin)
			s.buffer, s.begin = s.buffer[:copy(s.buffer, s.buffer[s.begin:])], 0
		}
		s.buffer = slices.Grow(s.buffer, readSize)
		n, err := s.r.Read(s.buffer[len(s.buffer):cap(s.buffer)])
		s.buffer, s.failure = s.buffer[:len(s.buffer)+n], err
		if over := s.end() - s.limit; over > 0 {
			s.buffer = s.buffer[:len(s.buffer)-int(over)]
			n, s.failure = n-int(over), untrusted.ErrTooLarge
		}
		if n > 0 {
			return true
		}
	}
	return false
}

// end returns the offset after what was read.
func (s *source) end() int64 { return s.offset + int64(len(s.buffer)-s.begin) }

// damage returns the error that ended the content before its end; nil if there is none.
func (s *source) damage() error {
	if errors.Is(s.failure, io.EOF) {
		return nil
	}
	return s.failure
}

// at returns the byte at an offset that was not released; false if the content ends before.
func (s *source) at(offset int64) (byte, bool) {
	for offset >= s.end() {
		if !s.fill() {
			return 0, false
		}
	}
	return s.buffer[s.begin+int(offset-s.offset)], true
}

// from returns what was read from an offset on that was not released.
func (s *source) from(offset int64) []byte { return s.buffer[s.begin+int(offset-s.offset):] }

// lineAt returns the line of an offset; for what was released, that of the first byte that was not.
func (s *source) lineAt(offset int64) int {
	length := min(max(0, int(offset-s.offset)), len(s.buffer)-s.begin)
	return s.line + bytes.Count(s.buffer[s.begin:s.begin+length], []byte{'\n'})
}

// release forgets what is before an offset.
func (s *source) release(offset int64) {
	s.line = s.lineAt(offset)
	s.begin += int(offset - s.offset)
	s.offset = offset
}

// next returns the next line without its line break, and its number; false at the end. The line is
// valid until the next call.
func (s *source) next() (text []byte, number int, ok bool) {
	searched := 0
	for {
		rest := s.buffer[s.begin:]
		if at := bytes.IndexByte(rest[searched:], '\n'); at >= 0 {
			text = rest[:searched+at]
			break
		}
		searched = len(rest)
		if s.fill() {
			continue
		}
		if s.damage() != nil || searched == 0 { // part of a line is none
			return nil, s.line, false
		}
		text = s.buffer[s.begin:]
		break
	}
	number = s.line
	after := len(text)
	if s.begin+after < len(s.buffer) {
		after++
		s.line++
	}
	s.begin, s.offset = s.begin+after, s.offset+int64(after)
	return bytes.TrimSuffix(text, []byte{'\r'}), number, true
}
