package safetensors_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/safetensors"
)

// file returns a safetensors file with a header and a number of data bytes.
func file(header string, data int) []byte {
	length := []byte{byte(len(header)), 0, 0, 0, 0, 0, 0, 0}
	return append(append(length, header...), make([]byte, data)...)
}

func TestReadHeader(t *testing.T) {
	data := file(`{"__metadata__":{"format":"pt"},"b":{"dtype":"BF16","shape":[2,3],"data_offsets":[8,20]},`+
		`"a":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}}`, 20)
	entries, start, err := safetensors.ReadHeader(bytes.NewReader(data), int64(len(data)))
	if err != nil || start != int64(len(data)-20) {
		t.Fatalf("data at %d of %d, error %v", start, len(data), err)
	}
	want := map[string]safetensors.Entry{
		"a": {DType: "I64", Shape: []int64{1}, Start: 0, End: 8},
		"b": {DType: "BF16", Shape: []int64{2, 3}, Start: 8, End: 20},
	}
	if diff := cmp.Diff(want, entries); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
}

// TestEmptyTensors reads a tensor without elements.
func TestEmptyTensors(t *testing.T) {
	data := file(`{"a":{"dtype":"F32","shape":[0,3],"data_offsets":[0,0]}}`, 0)
	entries, _, err := safetensors.ReadHeader(bytes.NewReader(data), int64(len(data)))
	if diff := cmp.Diff(map[string]safetensors.Entry{"a": {DType: "F32", Shape: []int64{0, 3}}}, entries); diff != "" {
		t.Errorf("%v %s", err, diff)
	}
}

func TestInvalidHeaders(t *testing.T) {
	for want, data := range map[string][]byte{
		"header length":            {2, 0, 0},
		"header of 100 bytes in a": file(strings.Repeat(" ", 100), 0)[:20],
		"unexpected end of JSON":   file("{", 0),
		`unknown dtype "F8"`:       file(`{"a":{"dtype":"F8","shape":[1],"data_offsets":[0,1]}}`, 1),
		"shape [-1] is impossible": file(`{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}`, 4),
		"do not match shape [2]":   file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}`, 4),
		"a gap or an overlap":      file(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}`, 2),
		"describes 1 bytes of":     file(`{"a":{"dtype":"BOOL","shape":[1],"data_offsets":[0,1]}}`, 2),
	} {
		if _, _, err := safetensors.ReadHeader(bytes.NewReader(data), int64(len(data))); err == nil ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

func FuzzReadHeader(f *testing.F) {
	f.Add([]byte("\x08\x00\x00\x00\x00\x00\x00\x00{}      "))
	f.Add([]byte("\xff\xff\xff\xff\xff\xff\xff\xff{}"))
	f.Add([]byte("\x3d\x00\x00\x00\x00\x00\x00\x00" +
		`{"a":{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]},  "b":0}1234`))
	f.Fuzz(func(t *testing.T, data []byte) {
		entries, start, err := safetensors.ReadHeader(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return
		}
		for name, e := range entries {
			if e.Start < 0 || e.End < e.Start || start+e.End > int64(len(data)) {
				t.Errorf("tensor %q has offsets %d to %d in %d bytes", name, e.Start, e.End, int64(len(data))-start)
			}
		}
	})
}
