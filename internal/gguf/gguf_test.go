package gguf_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/gguf"
	"rdrec/internal/golden"
)

func TestReadsFilesOfTheReferenceWriter(t *testing.T) {
	file := open(t, golden.Data(t, "llama/tiny.gguf"))
	for key, want := range map[string]int{
		"a.uint8": 200, "a.int8": -3, "a.uint16": 60000, "a.int16": -30000, "a.uint32": 4000000000, "a.int32": -5,
		"a.uint64": 1 << 40, "a.int64": -1 << 40,
	} {
		if got, err := file.Int(key); err != nil || got != want {
			t.Errorf("%s is %d, %v; want %d", key, got, err, want)
		}
	}
	for key, want := range map[string]float64{"a.float32": 0.5, "a.float64": 0.1} {
		if got, err := file.Float(key); err != nil || got != want {
			t.Errorf("%s is %g, %v; want %g", key, got, err, want)
		}
	}
	text, err := file.Text("a.string")
	if err != nil || text != "prefers “soft” hair" {
		t.Errorf("a.string is %q, %v", text, err)
	}
	texts, err := file.Texts("a.strings")
	if diff := cmp.Diff([]string{"one", "", "three"}, texts); diff != "" || err != nil {
		t.Error(diff, err)
	}
	ints, err := file.Ints("a.ints")
	if diff := cmp.Diff([]int64{1, -2, 3}, ints); diff != "" || err != nil {
		t.Error(diff, err)
	}
	floats, err := file.Floats64("a.floats")
	if diff := cmp.Diff([]float64{0.5, -1.5}, floats); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if !file.BoolOr("a.bool", false) || file.BoolOr("absent", false) || file.TextOr("absent", "x") != "x" {
		t.Error("defaults do not apply")
	}
}

func TestReadsTensors(t *testing.T) {
	file := open(t, golden.Data(t, "llama/tiny.gguf"))
	plain, ok := file.Tensor("plain")
	if diff := cmp.Diff([]int{2, 3}, plain.Shape); !ok || diff != "" {
		t.Fatal(ok, diff)
	}
	got, err := file.Floats("plain")
	if diff := cmp.Diff([]float32{0, 1, 2, 3, 4, 5}, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
	got, err = file.Floats("quantised")
	if err != nil || len(got) != 64 {
		t.Fatal(len(got), err)
	}
	for i, v := range got {
		if want := -1 + 2*float64(i)/63; math.Abs(float64(v)-want) > 1.0/127 {
			t.Errorf("quantised[%d] is %g, want about %g", i, v, want)
		}
	}
	if _, err := file.Text("a.ints"); !errors.Is(err, gguf.ErrFormat) {
		t.Errorf("a text of integers: %v", err)
	}
	if _, err = file.Floats("absent"); !errors.Is(err, gguf.ErrFormat) || !strings.Contains(err.Error(), `"absent"`) {
		t.Error(err)
	}
}

func TestDequantizationMatchesTheReference(t *testing.T) {
	data, err := os.ReadFile(golden.Data(t, "llama/quants.json"))
	if err != nil {
		t.Fatal(err)
	}
	var cases map[string]struct {
		Raw    string
		Values []float32
	}
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	types := map[string]gguf.Type{
		"F32": gguf.F32, "F16": gguf.F16, "BF16": gguf.BF16, "Q4_0": gguf.Q40, "Q4_1": gguf.Q41, "Q8_0": gguf.Q80,
		"Q4_K": gguf.Q4K, "Q5_K": gguf.Q5K, "Q6_K": gguf.Q6K, "Q5_0": gguf.Q50, "Q5_1": gguf.Q51, "Q2_K": gguf.Q2K,
		"Q3_K": gguf.Q3K, "IQ4_NL": gguf.IQ4NL, "IQ4_XS": gguf.IQ4XS,
	}
	for name, typ := range types {
		t.Run(name, func(t *testing.T) {
			raw, err := base64.StdEncoding.DecodeString(cases[name].Raw)
			if err != nil || len(cases[name].Values) == 0 {
				t.Fatal(len(cases[name].Values), err)
			}
			got := parsed(t, oneTensor(typ, len(cases[name].Values), raw))
			for i, want := range cases[name].Values {
				if got[i] != want {
					t.Fatalf("value %d is %g, want %g", i, got[i], want)
				}
			}
		})
	}
}

func TestBrokenFilesAreRejected(t *testing.T) {
	whole, err := os.ReadFile(golden.Data(t, "llama/tiny.gguf"))
	if err != nil {
		t.Fatal(err)
	}
	patch := func(at int, value uint64) []byte {
		out := bytes.Clone(whole)
		binary.LittleEndian.PutUint64(out[at:], value)
		return out
	}
	twice := oneTensor(gguf.F32, 1, make([]byte, 4))
	binary.LittleEndian.PutUint64(twice[8:], 2)
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"empty":           {nil, "ends in its header"},
		"another format":  {[]byte("PK\x03\x04 a zip file of some length"), `file begins with "PK`},
		"old version":     {append([]byte("GGUF\x01\x00\x00\x00"), make([]byte, 16)...), "version 1 is not supported"},
		"big-endian":      {append([]byte("GGUF\x00\x00\x00\x03"), make([]byte, 16)...), "big-endian"},
		"header cut":      {whole[:100], "ends in its header"},
		"data cut":        {whole[:len(whole)-40], "truncated"},
		"2^64 tensors":    {patch(8, math.MaxUint64), "claims"},
		"2^64 keys":       {patch(16, math.MaxUint64), "claims"},
		"2^63 long key":   {patch(24, 1<<63), "a string claims"},
		"one tensor more": {twice, "ends in its header"},
		"odd block":       {oneTensor(gguf.Q80, 33, make([]byte, 68)), "not a multiple"},
		"unknown type":    {oneTensor(77, 32, make([]byte, 68)), "unknown type 77"},
		"unsupported": {
			oneTensor(21, 256, make([]byte, 110)), "has type IQ3_S, which is not supported (supported: F32, ",
		},
		"no values":   {oneTensor(gguf.F32, 0, nil), "dimension of 0"},
		"huge tensor": {oneTensor(gguf.F32, 1<<41, nil), "dimension of"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := gguf.Parse(bytes.NewReader(c.data), int64(len(c.data)), "model.gguf")
			if !errors.Is(err, gguf.ErrFormat) ||
				!strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), `"model.gguf"`) {
				t.Errorf("got error %v, want one with %q", err, c.want)
			}
		})
	}
}

func TestOpenNamesAMissingFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "absent.gguf")
	if _, err := gguf.Open(path); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), path) {
		t.Error(err)
	}
}

func FuzzParse(f *testing.F) {
	whole, err := os.ReadFile(golden.Data(f, "llama/tiny.gguf"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(oneTensor(gguf.Q6K, 256, make([]byte, 210)))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := gguf.Parse(bytes.NewReader(data), int64(len(data)), "fuzz")
		if err != nil {
			return
		}
		for _, tensor := range file.Tensors {
			if values, err := file.Floats(tensor.Name); err != nil || len(values) != tensor.Len() {
				t.Fatalf("tensor %q: %d values, %v", tensor.Name, len(values), err)
			}
		}
	})
}

func open(t *testing.T, path string) *gguf.File {
	t.Helper()
	file, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := file.Close(); err != nil {
			t.Error(err)
		}
	})
	return file
}

func parsed(t *testing.T, data []byte) []float32 {
	t.Helper()
	file, err := gguf.Parse(bytes.NewReader(data), int64(len(data)), "one")
	if err != nil {
		t.Fatal(err)
	}
	values, err := file.Floats("x")
	if err != nil {
		t.Fatal(err)
	}
	return values
}

// oneTensor returns a file with the tensor "x" of one dimension.
func oneTensor(typ gguf.Type, values int, raw []byte) []byte {
	little := binary.LittleEndian
	out := []byte("GGUF")
	out = little.AppendUint32(out, 3)
	out = little.AppendUint64(out, 1)
	out = little.AppendUint64(out, 0)
	out = little.AppendUint64(out, 1)
	out = append(out, 'x')
	out = little.AppendUint32(out, 1)
	out = little.AppendUint64(out, uint64(values))
	out = little.AppendUint32(out, uint32(typ))
	out = little.AppendUint64(out, 0)
	for len(out)%32 != 0 {
		out = append(out, 0)
	}
	return append(out, raw...)
}

// TestClosedFilesAreNotRead reads a tensor of a model that was closed.
func TestClosedFilesAreNotRead(t *testing.T) {
	file, err := gguf.Open(golden.Data(t, "llama/tiny.gguf"))
	if err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	if got, err := file.Floats("plain"); !errors.Is(err, os.ErrClosed) {
		t.Errorf("%v, %v", got, err)
	}
}
