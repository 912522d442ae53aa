package gguf_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/gguf"
)

// part is a part of a split model: its own keys, and a tensor of one value.
type part struct {
	name, tensor             string
	index, count, altogether int
	value                    float32
}

// write writes the part into a folder, as gguf-split does: 16-bit numbers, and a 32-bit total.
func (p part) write(t *testing.T, dir string) {
	t.Helper()
	little := binary.LittleEndian
	text := func(out []byte, s string) []byte { return append(little.AppendUint64(out, uint64(len(s))), s...) }
	out := little.AppendUint32([]byte("GGUF"), 3)
	out = little.AppendUint64(little.AppendUint64(out, 1), 3)
	out = little.AppendUint16(little.AppendUint32(text(out, "split.no"), 2), uint16(p.index))
	out = little.AppendUint16(little.AppendUint32(text(out, "split.count"), 2), uint16(p.count))
	out = little.AppendUint32(little.AppendUint32(text(out, "split.tensors.count"), 5), uint32(p.altogether))
	out = little.AppendUint64(little.AppendUint32(text(out, p.tensor), 1), 1)
	out = little.AppendUint64(little.AppendUint32(out, uint32(gguf.F32)), 0)
	for len(out)%32 != 0 {
		out = append(out, 0)
	}
	out, err := binary.Append(out, little, p.value)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, p.name), out, 0o600); err != nil {
		t.Fatal(err)
	}
}

func threeParts() []part {
	return []part{
		{"m-00001-of-00003.gguf", "a", 0, 3, 3, 1},
		{"m-00002-of-00003.gguf", "b", 1, 3, 3, 2},
		{"m-00003-of-00003.gguf", "c", 2, 3, 3, 3},
	}
}

func TestSplitModelIsOneModel(t *testing.T) {
	dir := t.TempDir()
	for _, p := range threeParts() {
		p.write(t, dir)
	}
	file := open(t, filepath.Join(dir, "m-00001-of-00003.gguf"))
	got := map[string][]float32{}
	for _, tensor := range file.Tensors {
		values, err := file.Floats(tensor.Name)
		if err != nil {
			t.Fatal(err)
		}
		got[tensor.Name] = values
	}
	if diff := cmp.Diff(map[string][]float32{"a": {1}, "b": {2}, "c": {3}}, got); diff != "" {
		t.Error(diff)
	}
	want := []string{"x/m-00001-of-00002.gguf", "x/m-00002-of-00002.gguf"}
	if diff := cmp.Diff(want, gguf.Parts("x/m-00001-of-00002.gguf")); diff != "" {
		t.Error(diff)
	}
	for _, single := range []string{"m.gguf", "m-00002-of-00002.gguf", "m-00001-of-00001.gguf", "m-1-of-2.gguf"} {
		if diff := cmp.Diff([]string{single}, gguf.Parts(single)); diff != "" {
			t.Error(diff)
		}
	}
}

func TestBrokenSplitModelsAreRejected(t *testing.T) {
	for name, c := range map[string]struct {
		change func(parts []part) []part
		open   string // the first part, where empty
		want   string
	}{
		"not the first": {
			nil, "m-00002-of-00003.gguf", `part 2 of a split model; name the first part, "m-00001-of-`,
		},
		"a part is missing": {
			func(p []part) []part { return p[:2] }, "", "part 3 of 3 of model",
		},
		"renamed": {
			func(p []part) []part { p[0].name = "model.gguf"; return p }, "model.gguf",
			"want a name that ends in -00001-of-00003.gguf",
		},
		"renamed, not the first": {
			func(p []part) []part { p[1].name = "model.gguf"; return p }, "model.gguf", "it is part 2 of 3",
		},
		"parts of two models": {
			func(p []part) []part { p[2].count = 4; return p }, "", "it is not part 3 of 3 of model",
		},
		"swapped parts": {
			func(p []part) []part { p[1].name, p[2].name = p[2].name, p[1].name; return p }, "",
			"it is not part 2 of 3",
		},
		"the same tensor": {
			func(p []part) []part { p[2].tensor = "a"; return p }, "", `tensor "a" is in an earlier part`,
		},
		"tensors missing": {
			func(p []part) []part { p[0].altogether = 9; return p }, "", "3 parts have 3 tensors, the header says 9",
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir, parts := t.TempDir(), threeParts()
			if c.change != nil {
				parts = c.change(parts)
			}
			for _, p := range parts {
				p.write(t, dir)
			}
			if c.open == "" {
				c.open = "m-00001-of-00003.gguf"
			}
			_, err := gguf.Open(filepath.Join(dir, c.open))
			if err == nil || !strings.Contains(fmt.Sprint(err), c.want) ||
				!errors.Is(err, gguf.ErrFormat) && !errors.Is(err, os.ErrNotExist) {
				t.Errorf("got error %v, want one with %q", err, c.want)
			}
		})
	}
}
