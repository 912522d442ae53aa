package container

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// windows passes an xz file through and stops before a block whose dictionary is larger than
// maxWindow: the unpacker allocates it before it reads the block. It follows the format's lengths
// (https://tukaani.org/xz/xz-file-format.txt) without unpacking anything.
type windows struct {
	r io.Reader
	// want is how many bytes next needs, got those so far; skip is how many bytes are passed over
	// before.
	want int
	got  []byte
	skip int
	next func(w *windows, got []byte) error
	// check is the size of a block's check. block counts the bytes of a block's content, or of the
	// index; records are the index's numbers that are left.
	check, block int
	records      uint64
	shift        uint
	err          error
}

// newWindows returns the reader of an xz file.
func newWindows(r io.Reader) *windows {
	return &windows{r: r, want: xzHeader, next: (*windows).header}
}

// The sizes of an xz file's header and footer, and the identifier of LZMA2.
const (
	xzHeader = 12
	lzma2    = 0x21
)

var errXZ = errors.New("xz: the file is damaged")

// Read implements [io.Reader].
func (w *windows) Read(p []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	n, err := w.r.Read(p)
	for rest := p[:n]; len(rest) > 0; {
		passed := min(w.skip, len(rest))
		w.skip, rest = w.skip-passed, rest[passed:]
		taken := min(w.want-len(w.got), len(rest))
		w.got, rest = append(w.got, rest[:taken]...), rest[taken:]
		if len(w.got) < w.want || w.skip > 0 {
			continue
		}
		got := w.got
		w.got = nil
		if w.err = w.next(w, got); w.err != nil {
			return 0, w.err
		}
	}
	return n, err
}

// then sets what follows.
func (w *windows) then(skip, want int, next func(*windows, []byte) error) error {
	w.skip, w.want, w.next = skip, want, next
	return nil
}

// header begins a stream.
func (w *windows) header(got []byte) error {
	if string(got[:6]) != "\xfd7zXZ\x00" {
		return errXZ
	}
	w.check = 0
	if kind := got[7] & 15; kind > 0 {
		w.check = 4 << ((kind - 1) / 3)
	}
	return w.then(0, 1, (*windows).start)
}

// start is the first byte of a block or of the index.
func (w *windows) start(got []byte) error {
	w.block = 0
	if got[0] == 0 {
		w.block, w.records, w.shift = 1, 0, 0
		return w.then(0, 1, (*windows).count)
	}
	return w.then(0, 4*int(got[0])+3, (*windows).filters)
}

// filters is the rest of a block's header.
func (w *windows) filters(got []byte) error {
	flags, rest := got[0], got[1:]
	fields := 0
	for _, sized := range []byte{0x40, 0x80} {
		if flags&sized != 0 {
			fields++
		}
	}
	for range fields {
		if _, n := binary.Uvarint(rest); n > 0 {
			rest = rest[n:]
		}
	}
	for range 1 + flags&3 {
		id, n := binary.Uvarint(rest)
		size, m := binary.Uvarint(rest[max(n, 0):])
		if n <= 0 || m <= 0 || size > uint64(len(rest)-n-m) {
			return errXZ
		}
		properties := rest[n+m:][:size]
		if id == lzma2 && (size != 1 || dictionary(properties[0]) > maxWindow) {
			return fmt.Errorf("xz: its dictionary has more than %d bytes", maxWindow)
		}
		rest = rest[n+m:][size:]
	}
	return w.then(0, 1, (*windows).chunk)
}

// dictionary returns the size of a dictionary by its property.
func dictionary(bits byte) int64 {
	if bits >= 40 {
		return 1<<32 - 1
	}
	return int64(2|bits&1) << (bits/2 + 11)
}

// chunk is the first byte of a part of a block.
func (w *windows) chunk(got []byte) error {
	w.block++
	const stored, packed, withProperties = 2, 0x80, 0xc0
	switch control := got[0]; {
	case control == 0:
		return w.then(-w.block&3+w.check, 1, (*windows).start)
	case control <= stored:
		return w.then(0, 2, (*windows).part)
	case control >= withProperties:
		return w.then(0, 5, (*windows).part)
	case control >= packed:
		return w.then(0, 4, (*windows).part)
	default:
		return errXZ
	}
}

// part passes over a part of a block. Its header has the size of what is unpacked, if it is packed,
// and then its own, each less one.
func (w *windows) part(header []byte) error {
	size := header
	if len(header) > 2 {
		size = header[2:]
	}
	last := int(binary.BigEndian.Uint16(size))
	w.block += len(header) + last + 1
	return w.then(last+1, 1, (*windows).chunk)
}

// count is a byte of the number of the index's records.
func (w *windows) count(got []byte) error {
	w.block++
	if w.shift > 56 {
		return errXZ
	}
	w.records |= uint64(got[0]&0x7f) << w.shift
	w.shift += 7
	if got[0]&0x80 != 0 {
		return w.then(0, 1, (*windows).count)
	}
	w.records *= 2 // each has two numbers
	return w.numbers()
}

// number is a byte of a record of the index.
func (w *windows) number(got []byte) error {
	w.block++
	if got[0]&0x80 == 0 {
		w.records--
	}
	return w.numbers()
}

// numbers reads what is left of the index, then its padding and checksum, and the footer.
func (w *windows) numbers() error {
	if w.records > 0 {
		return w.then(0, 1, (*windows).number)
	}
	return w.then(-w.block&3+4+xzHeader, 4, (*windows).padding)
}

// padding are four bytes behind a stream: zeros, or the beginning of another one.
func (w *windows) padding(got []byte) error {
	if binary.BigEndian.Uint32(got) == 0 {
		return w.then(0, 4, (*windows).padding)
	}
	return w.then(0, xzHeader-4, func(w *windows, more []byte) error { return w.header(append(got, more...)) })
}
