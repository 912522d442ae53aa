package torch_test

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/torch"
)

// contents returns all weights of a file as float32.
func contents(t *testing.T, w torch.Weights) map[string][]float32 {
	t.Helper()
	all := map[string][]float32{}
	err := torch.Run(func(s *torch.Scope) error {
		for name := range w.Shapes() {
			tensor, err := w.Read(s, name)
			if err != nil {
				return err
			}
			all[name] = tensor.Float32s()
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func sixValues() []float32 { return []float32{0, 1, 2, 3, 4, 5} }

func TestPickledStateDict(t *testing.T) {
	w, err := torch.OpenPickle("testdata/statedict.bin")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]float32{
		"single": sixValues(), "brain": sixValues(), "half": sixValues(), "double": sixValues(), "tied": sixValues(),
		"transposed": {0, 3, 1, 4, 2, 5}, "tail": {4, 5}, "scalar": {5},
	}
	if diff := cmp.Diff(want, contents(t, w)); diff != "" {
		t.Error(diff)
	}
}

func TestPickledModuleLoadsWithoutExecution(t *testing.T) {
	p, err := torch.ReadPickle("testdata/module.pt")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]float32{
		"shared.weight": sixValues(), "encoder.embed_tokens.weight": sixValues(),
		"lm_head.weight": sixValues(), "prompt_embeddings.weight": {7, 8},
	}
	if diff := cmp.Diff(want, contents(t, p)); diff != "" {
		t.Error(diff)
	}
	for _, a := range []struct {
		name string
		want any
	}{
		{"d_model", 2},
		{"feed_forward_proj", "relu"},
		{"dropout_rate", 0.1},
		{"tie_word_embeddings", true},
		{"task_specific_params", nil},
		{"absent", nil},
	} {
		if got := p.Attribute("config", a.name); got != a.want {
			t.Errorf("config.%s: %v, want %v", a.name, got, a.want)
		}
	}
}

func TestUnsupportedPicklesAreRejected(t *testing.T) {
	_, err := torch.OpenPickle("testdata/beyond.bin")
	if err == nil || !strings.Contains(err.Error(), "beyond its storage") {
		t.Errorf("got %v", err)
	}
	data, err := os.ReadFile("testdata/statedict.bin")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{"empty": nil, "text": []byte("no pickle"), "half": data[:len(data)/2]} {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := torch.OpenPickle(path); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// write creates a safetensors file of tensors of six numbers each.
func write(t *testing.T, path string, names ...string) {
	t.Helper()
	err := torch.Run(func(s *torch.Scope) error {
		var all []torch.Named
		for _, name := range names {
			all = append(all, torch.Named{Name: name, Tensor: s.FromFloat32(sixValues(), 2, 3)})
		}
		return torch.WriteSafetensors(path, all)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestSafetensorsRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "w.safetensors")
	err := torch.Run(func(s *torch.Scope) error {
		x := s.FromFloat32(sixValues(), 2, 3)
		return torch.WriteSafetensors(path, []torch.Named{
			{Name: "b", Tensor: x},
			{Name: "a", Tensor: x.To(torch.BFloat16)},
			{Name: "half", Tensor: x.To(torch.Float16)},
			{Name: "whole", Tensor: x.To(torch.Int64)},
			{Name: "view", Tensor: x.Transpose(0, 1)},
			{Name: "none", Tensor: x.Narrow(0, 0, 0)},
			{Name: "scalar", Tensor: x.Sum()},
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	w, err := torch.OpenSafetensors(path)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	want := map[string][]float32{
		"a": sixValues(), "b": sixValues(), "half": sixValues(), "whole": sixValues(),
		"view": {0, 3, 1, 4, 2, 5}, "none": {}, "scalar": {15},
	}
	if diff := cmp.Diff(want, contents(t, w)); diff != "" {
		t.Error(diff)
	}
}

func TestShardedWeightsFollowTheirIndex(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "one.safetensors"), "a", "b")
	write(t, filepath.Join(dir, "two.safetensors"), "c")
	index := func(files map[string]string) {
		text, err := json.Marshal(map[string]any{"weight_map": files})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, torch.SafetensorsIndexFile), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	index(map[string]string{"a": "one.safetensors", "b": "one.safetensors", "c": "two.safetensors"})
	w, err := torch.OpenWeights(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if diff := cmp.Diff([]string{"a", "b", "c"}, slices.Sorted(maps.Keys(contents(t, w)))); diff != "" {
		t.Error(diff)
	}
	for _, file := range []string{"three.safetensors", "../one.safetensors"} {
		index(map[string]string{"a": file})
		if _, err := torch.OpenWeights(dir); err == nil {
			t.Errorf("shard %q was opened", file)
		}
	}
}

func TestBrokenSafetensorsAreRejected(t *testing.T) {
	path := filepath.Join(t.TempDir(), "w.safetensors")
	write(t, path, "a")
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	file := func(header string, data int) []byte {
		text := append(binary.LittleEndian.AppendUint64(nil, uint64(len(header))), header...)
		return append(text, make([]byte, data)...)
	}
	for name, data := range map[string][]byte{
		"empty":             nil,
		"half a length":     good[:4],
		"half a header":     good[:20],
		"half the data":     good[:len(good)-4],
		"too much data":     append(slices.Clone(good), 0),
		"a 2^64 header":     append(binary.LittleEndian.AppendUint64(nil, 1<<64-1), good[8:]...),
		"no JSON":           file("{", 0),
		"unknown type":      file(`{"a":{"dtype":"F8","shape":[1],"data_offsets":[0,1]}}`, 1),
		"negative size":     file(`{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}`, 4),
		"overflowing shape": file(`{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,4]}}`, 4),
		"shape too large":   file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}`, 4),
		"end before start":  file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}`, 4),
		"overlap": file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},`+
			`"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 4),
	} {
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := torch.OpenSafetensors(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestPickledTensorsAreReadLazilyAndChecked(t *testing.T) {
	data, err := os.ReadFile("testdata/statedict.bin")
	if err != nil {
		t.Fatal(err)
	}
	single := make([]byte, 0, 24)
	for _, v := range sixValues() {
		single = binary.LittleEndian.AppendUint32(single, math.Float32bits(v))
	}
	at := bytes.Index(data, single)
	if at < 0 {
		t.Fatal("the file does not contain the tensor's bytes unchanged")
	}
	data[at+3] ^= 1
	path := filepath.Join(t.TempDir(), "damaged.bin")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	w, err := torch.OpenPickle(path)
	if err != nil {
		t.Fatalf("the tensors were read at once: %v", err)
	}
	read := func() error {
		return torch.Run(func(s *torch.Scope) error {
			_, err := w.Read(s, "single")
			return err
		})
	}
	if err := read(); !errors.Is(err, zip.ErrChecksum) {
		t.Errorf("damaged: got %v", err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := read(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("closed: got %v", err)
	}
}

// TestFillComparesShapesFirst fills two targets of which the second has another shape: nothing is
// set, although the stored tensor could be broadcast.
func TestFillComparesShapesFirst(t *testing.T) {
	path := filepath.Join(t.TempDir(), "w.safetensors")
	write(t, path, "a", "b")
	w, err := torch.OpenSafetensors(path)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for _, c := range []struct {
		name  string
		shape []int64
		want  string
	}{
		{"b", []int64{2, 3}, ""},
		{"b", []int64{4, 2, 3}, `tensor "b": shape [2 3], want [4 2 3]`},
		{"c", []int64{2, 3}, `no tensor "c"`},
	} {
		err := torch.Run(func(s *torch.Scope) error {
			first, second := s.Zeros(torch.Float32, torch.CPU, 2, 3), s.Zeros(torch.Float32, torch.CPU, c.shape...)
			err := torch.Fill(s, w, []torch.Named{{Name: "a", Tensor: first}, {Name: c.name, Tensor: second}})
			if set := first.Float32s()[5] == 5; set != (c.want == "") {
				t.Errorf("%s of shape %v: the first is set: %v", c.name, c.shape, set)
			}
			return err
		})
		if c.want == "" && err != nil || c.want != "" && (!errors.Is(err, torch.ErrShapes) ||
			!strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s of shape %v: error %v, want %q", c.name, c.shape, err, c.want)
		}
	}
}
