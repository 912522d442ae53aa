package review

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/encoding/unicode/utf32"
	"golang.org/x/text/transform"

	"rdrec/internal/spec"
)

// Shares that decide the encoding of a file without a byte order mark.
const (
	manyZeros  = 0.4  // zeros among the high bytes of UTF-16
	fewZeros   = 0.05 // zeros among its low bytes
	minInvalid = 3    // invalid sequences of a sample of UTF-8 that may be damage
	maxInvalid = 0.1  // their share of the sequences that are not ASCII
)

// mark is a byte order mark.
type mark struct {
	bytes, name string
	decoder     encoding.Encoding
}

// marks returns the byte order marks, the longer of two with the same beginning first.
func marks() []mark {
	return []mark{
		{"\xef\xbb\xbf", "UTF-8", nil},
		{"\xff\xfe\x00\x00", "UTF-32LE", utf32.UTF32(utf32.LittleEndian, utf32.IgnoreBOM)},
		{"\x00\x00\xfe\xff", "UTF-32BE", utf32.UTF32(utf32.BigEndian, utf32.IgnoreBOM)},
		{"\xff\xfe", "UTF-16LE", unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM)},
		{"\xfe\xff", "UTF-16BE", unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM)},
	}
}

// decode makes the input UTF-8 with newlines at the ends of its lines. A byte order mark decides
// the encoding, else the setting, else what the beginning looks like. A beginning that is neither
// UTF-8 nor UTF-16 is an error: a guess would damage the texts.
func (in *input) decode(setting string) error {
	in.encoding = "UTF-8"
	decoder, err := in.decoder(setting)
	if err != nil {
		return in.corrupt(0, err)
	}
	if decoder != nil {
		in.decoded = true
		in.Reader = bufio.NewReaderSize(transform.NewReader(in.Reader, decoder.NewDecoder()), bufferSize)
	}
	if beginning := in.sample(); bytes.IndexByte(beginning, '\r') >= 0 && bytes.IndexByte(beginning, '\n') < 0 {
		in.Reader = bufio.NewReaderSize(&returns{in.Reader}, bufferSize)
	}
	return nil
}

// decoder returns the decoder of the input, and skips the byte order mark; nil for UTF-8.
func (in *input) decoder(setting string) (encoding.Encoding, error) {
	for _, m := range marks() {
		if !in.starts(m.bytes) {
			continue
		}
		in.encoding = m.name
		_, err := in.Discard(len(m.bytes))
		return m.decoder, err
	}
	if in.starts("PAR1") {
		return nil, nil
	}
	if setting != "" {
		named, err := spec.EncodingNamed(setting)
		if err != nil {
			return nil, fmt.Errorf("encoding %q: %w", setting, err)
		}
		if named == unicode.UTF8 {
			return nil, nil
		}
		in.encoding = setting
		return named, nil
	}
	beginning := in.sample()
	if name, decoder := wide(beginning); decoder != nil {
		in.encoding = name
		return decoder, nil
	}
	return nil, notUTF8(beginning)
}

// wide returns the decoder of UTF-16 without a byte order mark; nil if the sample is not that.
func wide(sample []byte) (string, encoding.Encoding) {
	var zeros [2]float64
	for i, c := range sample {
		if c == 0 {
			zeros[i%2]++
		}
	}
	half := float64(len(sample)) / 2
	switch {
	case zeros[1] > manyZeros*half && zeros[0] < fewZeros*half:
		return "UTF-16LE", unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM)
	case zeros[0] > manyZeros*half && zeros[1] < fewZeros*half:
		return "UTF-16BE", unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM)
	default:
		return "", nil
	}
}

// errNotUTF8 is the reason of a file whose encoding has to be named.
var errNotUTF8 = errors.New("not UTF-8")

// notUTF8 returns an error for a sample that is not UTF-8. A few invalid sequences among valid ones
// are damage of single rows.
func notUTF8(sample []byte) error {
	valid, invalid, first := 0, 0, 0
	for at := 0; at < len(sample); {
		r, size := utf8.DecodeRune(sample[at:])
		switch {
		case size > 1:
			valid++
		case r == utf8.RuneError && !utf8.FullRune(sample[at:]):
			// the end of the sample cuts a character
		case r == utf8.RuneError:
			if invalid == 0 {
				first = at
			}
			invalid++
		}
		at += size
	}
	if invalid < minInvalid || float64(invalid) < maxInvalid*float64(valid+invalid) {
		return nil
	}
	line := 1 + bytes.Count(sample[:first], []byte{'\n'})
	return fmt.Errorf("%w (line %d): set encoding to the file's, such as windows-1252 (Western Europe), "+
		"windows-1251, gb18030, big5, shift_jis or euc-kr", errNotUTF8, line)
}

// returns replaces the carriage returns of old files by newlines.
type returns struct{ r io.Reader }

// Read implements [io.Reader].
func (r *returns) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	for i, c := range p[:n] {
		if c == '\r' {
			p[i] = '\n'
		}
	}
	return n, err
}

// NotUTF8Error is the error of texts with invalid characters in more rows than max_bad allows. It
// is [ErrData].
type NotUTF8Error struct{ Replaced, Rows int }

// Error names the counts.
func (e *NotUTF8Error) Error() string {
	return fmt.Sprintf("the texts of %d of %d rows are not UTF-8: set data.reviews.encoding to the files' encoding, "+
		"such as windows-1252, or max_bad to the share of rows that may lose characters", e.Replaced, e.Rows)
}

// Is reports whether target is [ErrData].
func (e *NotUTF8Error) Is(target error) bool { return target == ErrData }
