package gguf

import (
	"bufio"
	"encoding/binary"
	"io"
	"math"
)

// Limits far above any real model. A header beyond them is malicious or corrupt.
const (
	maxKeys    = 1 << 16
	maxTensors = 1 << 20
	maxText    = 1 << 26 // bytes of one string
	maxItems   = 1 << 26 // items of one array
	maxDims    = 4
)

// cursor reads the parts of a header in order. After the first error, which err holds, reads return
// zeros.
type cursor struct {
	file   *File
	reader *bufio.Reader
	at     int64
	size   int64
	err    error
}

// Parse reads the header of a GGUF file of the given size. Errors contain name. The reader must
// stay valid for [File.Floats] and [File.Read].
func Parse(reader io.ReaderAt, size int64, name string) (*File, error) {
	f := &File{name: name, reader: reader, meta: map[string]any{}, index: map[string]int{}}
	c := &cursor{file: f, reader: bufio.NewReaderSize(io.NewSectionReader(reader, 0, size), 1<<16), size: size}
	tensors, keys := c.start()
	for range keys {
		c.readKeyValue()
		if c.err != nil {
			return nil, c.err
		}
	}
	for range tensors {
		c.tensor()
		if c.err != nil {
			return nil, c.err
		}
	}
	c.locateTensors()
	return f, c.err
}

// start reads the fixed part of the header and returns the numbers of tensors and keys that follow.
func (c *cursor) start() (tensors, keys uint64) {
	magic := c.bytes(4)
	if c.err == nil && string(magic) != "GGUF" {
		c.fail("file begins with %q, not with \"GGUF\"", magic)
	}
	c.file.Version = c.u32()
	tensors, keys = c.u64(), c.u64()
	switch {
	case c.err != nil:
	case c.file.Version&0xffff == 0:
		c.fail("file is big-endian")
	case c.file.Version < 2 || c.file.Version > 3:
		c.fail("version %d is not supported (2 and 3 are)", c.file.Version)
	case keys > maxKeys || tensors > maxTensors:
		c.fail("header claims %d keys and %d tensors", keys, tensors)
	}
	if c.err != nil {
		return 0, 0
	}
	return tensors, keys
}

// readKeyValue reads a key and its value.
func (c *cursor) readKeyValue() {
	key := c.text()
	value := c.value(key, c.u32())
	if c.err != nil {
		return
	}
	if _, twice := c.file.meta[key]; twice {
		c.fail("key %q is duplicated", key)
		return
	}
	c.file.meta[key] = value
}

// The types of metadata values, with the format's numbers.
const (
	kindUint8 = iota
	kindInt8
	kindUint16
	kindInt16
	kindUint32
	kindInt32
	kindFloat32
	kindBool
	kindString
	kindArray
	kindUint64
	kindInt64
	kindFloat64
)

// width returns the bytes of a type of fixed size; 0 for other types.
func width(kind uint32) int64 {
	switch kind {
	case kindUint8, kindInt8, kindBool:
		return 1
	case kindUint16, kindInt16:
		return 2
	case kindUint32, kindInt32, kindFloat32:
		return 4
	case kindUint64, kindInt64, kindFloat64:
		return 8
	default:
		return 0
	}
}

// value reads one value: int64, float64, bool, string, or an array of one of them.
func (c *cursor) value(key string, kind uint32) any {
	switch {
	case kind == kindString:
		return c.text()
	case kind == kindArray:
		return c.array(key)
	case width(kind) > 0:
		return scalar(kind, c.bytes(width(kind)))
	default:
		c.fail("key %q has unknown type %d", key, kind)
		return nil
	}
}

// array reads an array. It rejects arrays of arrays, which are not in use.
func (c *cursor) array(key string) any {
	kind, count := c.u32(), c.u64()
	least := width(kind)
	if kind == kindString {
		least = 8
	}
	if c.err == nil && least == 0 {
		c.fail("key %q is an array of unknown type %d", key, kind)
	}
	if c.err == nil && (count > maxItems || int64(count) > (c.size-c.at)/least) {
		c.fail("key %q claims %d items, more than the file has room for", key, count)
	}
	if c.err != nil {
		return nil
	}
	if kind == kindString {
		return gather(c, count, c.text)
	}
	one := func() any { return scalar(kind, c.bytes(width(kind))) }
	switch kind {
	case kindFloat32, kindFloat64:
		return gather(c, count, func() float64 { return as[float64](one()) })
	case kindBool:
		return gather(c, count, func() bool { return as[bool](one()) })
	default:
		return gather(c, count, func() int64 { return as[int64](one()) })
	}
}

// gather calls one count times, or until the first error.
func gather[T any](c *cursor, count uint64, one func() T) []T {
	out := make([]T, 0, min(count, 1<<16))
	for range count {
		if c.err != nil {
			return nil
		}
		out = append(out, one())
	}
	return out
}

// as returns a value of type T, or zero after an error.
func as[T any](value any) T {
	if typed, ok := value.(T); ok {
		return typed
	}
	var zero T
	return zero
}

// scalar decodes a value of fixed size. It returns nil if raw is empty, which it is after an error.
func scalar(kind uint32, raw []byte) any {
	if len(raw) == 0 {
		return nil
	}
	little := binary.LittleEndian
	switch kind {
	case kindUint8:
		return int64(raw[0])
	case kindInt8:
		return int64(int8(raw[0]))
	case kindBool:
		return raw[0] != 0
	case kindUint16:
		return int64(little.Uint16(raw))
	case kindInt16:
		return int64(int16(little.Uint16(raw)))
	case kindUint32:
		return int64(little.Uint32(raw))
	case kindInt32:
		return int64(int32(little.Uint32(raw)))
	case kindFloat32:
		return float64(math.Float32frombits(little.Uint32(raw)))
	case kindFloat64:
		return math.Float64frombits(little.Uint64(raw))
	default: // kindUint64 and kindInt64: no setting needs the highest bit
		return int64(little.Uint64(raw))
	}
}

// text reads a string: its length, then its bytes.
func (c *cursor) text() string {
	length := c.u64()
	if c.err == nil && length > maxText {
		c.fail("a string claims %d bytes", length)
	}
	if c.err != nil {
		return ""
	}
	return string(c.bytes(int64(length)))
}

func (c *cursor) u32() uint32 {
	if raw := c.bytes(4); len(raw) == 4 {
		return binary.LittleEndian.Uint32(raw)
	}
	return 0
}

func (c *cursor) u64() uint64 {
	if raw := c.bytes(8); len(raw) == 8 {
		return binary.LittleEndian.Uint64(raw)
	}
	return 0
}

// bytes returns the next n bytes, or nil after an error. It allocates nothing for bytes beyond the
// end of the file.
func (c *cursor) bytes(n int64) []byte {
	if c.err != nil {
		return nil
	}
	if n > c.size-c.at {
		c.fail("file ends in its header, at byte %d", c.size)
		return nil
	}
	raw := make([]byte, n)
	if _, err := io.ReadFull(c.reader, raw); err != nil {
		c.fail("byte %d: %v", c.at, err)
		return nil
	}
	c.at += n
	return raw
}

func (c *cursor) fail(format string, args ...any) {
	if c.err == nil {
		c.err = c.file.errorf(format, args...)
	}
}
