package container

import (
	"bytes"
	"strings"
)

// beginningSize is the number of bytes that tell the kind of a file: a tar archive's mark ends at
// byte 262.
const beginningSize = 512

// layerOf returns the name of the layer that a file begins with; "" if there is none.
func layerOf(beginning []byte) string {
	for _, l := range []struct{ mark, name string }{
		{"\x1f\x8b", "gzip"},
		{"\x28\xb5\x2f\xfd", "zstd"},
		{"\xfd7zXZ\x00", "xz"},
		{"PK\x03\x04", "zip"},
		{"PK\x05\x06", "zip"},
	} {
		if bytes.HasPrefix(beginning, []byte(l.mark)) {
			return l.name
		}
	}
	const tarMark = 257
	switch {
	case len(beginning) > 10 && bytes.HasPrefix(beginning, []byte("BZh")) && string(beginning[4:10]) == "1AY&SY":
		return "bzip2"
	case len(beginning) > 4 && beginning[0]&0xf0 == 0x50 && string(beginning[1:4]) == "\x2a\x4d\x18":
		return "zstd" // a frame to skip, as pzstd writes it
	case len(beginning) > tarMark+5 && string(beginning[tarMark:tarMark+5]) == "ustar":
		return "tar"
	default:
		return ""
	}
}

// unread are the kinds of files that are named and not read, by their first bytes.
func unread() []struct{ mark, kind, remedy string } {
	const unpack, convert = "unpack it", "export its table as CSV or Parquet"
	return []struct{ mark, kind, remedy string }{
		{"7z\xbc\xaf\x27\x1c", "a 7z archive", unpack},
		{"Rar!\x1a", "a RAR archive", unpack},
		{"\x04\x22\x4d\x18", "an lz4 file", unpack},
		{"\x1f\x9d", "a file of compress (.Z)", unpack},
		{"LZIP", "an lzip file", unpack},
		{"\xff\x06\x00\x00sNaPpY", "a Snappy file", unpack},
		{"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Office document", "save its table as CSV"},
		{"SQLite format 3\x00", "an SQLite database", convert},
		{"ARROW1", "an Arrow file", convert},
		{"FEA1", "a Feather file", convert},
		{"ORC", "an ORC file", convert},
		{"Obj\x01", "an Avro file", convert},
		{"\x89HDF\r\n\x1a\n", "an HDF5 file", convert},
		{"\x93NUMPY", "a NumPy file", convert},
		{"\x80\x02", "a Python pickle", convert},
		{"\x80\x03", "a Python pickle", convert},
		{"\x80\x04", "a Python pickle", convert},
		{"\x80\x05", "a Python pickle", convert},
		{"%PDF", "a PDF", convert},
		{"version https://git-lfs", "a pointer of Git LFS", "fetch the file itself (git lfs pull)"},
		{"<!doctype html", "a web page", "download the file itself"},
		{"<html", "a web page", "download the file itself"},
		{"<?xml", "an XML file", "convert it to JSON lines or CSV"},
	}
}

// kindOf returns the error of a file that is not read; nil if it may be.
func kindOf(beginning []byte) error {
	text := strings.ToLower(string(bytes.TrimLeft(beginning, "\xef\xbb\xbf \r\n\t")))
	for _, k := range unread() {
		if bytes.HasPrefix(beginning, []byte(k.mark)) || k.mark[0] == '<' && strings.HasPrefix(text, k.mark) {
			return &KindError{k.kind, k.remedy}
		}
	}
	const duckMark = 8
	if len(beginning) > duckMark+4 && string(beginning[duckMark:duckMark+4]) == "DUCK" {
		return &KindError{"a DuckDB database", "name it in nightly.source, or export its table as Parquet"}
	}
	return nil
}
