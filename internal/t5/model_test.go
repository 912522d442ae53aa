package t5_test

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/golden"
	"rdrec/internal/spec"
	"rdrec/internal/t5"
	"rdrec/internal/t5/modeltest"
	"rdrec/internal/task"
	"rdrec/internal/torch"
)

func TestPositionBiasMatchesTheReference(t *testing.T) {
	var want struct {
		Encoder [][][]float64 `json:"encoder_bias_6x6"`
		Decoder [][][]float64 `json:"decoder_bias_6x6"`
	}
	golden.Load(t, "internals.json", &want)
	m := modeltest.Tiny(t)
	err := torch.Run(func(s *torch.Scope) error {
		for _, p := range m.Named(s.Use(m.Flat())) {
			stack, isBias := strings.CutSuffix(p.Name, ".block.0.layer.0.SelfAttention.relative_attention_bias.weight")
			if !isBias {
				continue
			}
			table, heads := p.Tensor.Float32s(), int(p.Tensor.Dim(1))
			bias := map[string][][][]float64{"encoder": want.Encoder, "decoder": want.Decoder}[stack]
			for head := range bias {
				for query := range bias[head] {
					for key, x := range bias[head][query] {
						if stack == "decoder" && key > query {
							continue // masked by the causal mask
						}
						bucket := t5.Bucket(int64(key-query), 32, 128, stack == "encoder")
						if got := float64(table[int(bucket)*heads+head]); math.Abs(got-x) > absolute {
							t.Errorf("%s head %d query %d key %d: %v, want %v", stack, head, query, key, got, x)
						}
					}
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestLengthBucketsKeepTheLoss compares the loss over length buckets with the loss over untruncated
// rows.
func TestLengthBucketsKeepTheLoss(t *testing.T) {
	var file struct {
		Batches map[string]goldenPass `json:"batches"`
	}
	golden.Load(t, "train.json.gz", &file)
	m := modeltest.Tiny(t)
	b := repeat(file.Batches["mixed"].Batch(), 4) // enough rows for several buckets
	masked := spec.Protocol{Name: "masked", MaskCross: true}
	skipping := spec.Protocol{Name: "skipping", SkipPads: true}
	for _, p := range append(spec.Protocols(), masked, skipping) {
		err := torch.Run(func(s *torch.Scope) error {
			before := torch.Made()
			loss, err := m.Loss(s, b, p)
			if err != nil {
				return err
			}
			bucketed := torch.Made() - before
			pass, err := m.Forward(s, b, p)
			if err != nil {
				return err
			}
			ignore := int64(-100)
			if p.SkipPads {
				ignore = 0
			}
			rows := int64(b.Size * b.TargetLen)
			want := pass.Logits.View(rows, -1).CrossEntropy(s.FromInt64(b.Target, rows), ignore, 0).Float()
			off := math.Abs(loss.Float() - want)
			t.Logf("%s: %d operations, loss %v, off by %.1e", p.Name, bucketed, want, off)
			if !(off < 1e-5) || bucketed < 400 {
				t.Errorf("%s: loss %v in %d operations, want %v in several buckets",
					p.Name, loss.Float(), bucketed, want)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func repeat(b task.Batch, times int) task.Batch {
	all := b
	for range times - 1 {
		all.Size += b.Size
		all.Prompts = append(all.Prompts[:len(all.Prompts):len(all.Prompts)], b.Prompts...)
		all.Source = append(all.Source[:len(all.Source):len(all.Source)], b.Source...)
		all.Mask = append(all.Mask[:len(all.Mask):len(all.Mask)], b.Mask...)
		all.Whole = append(all.Whole[:len(all.Whole):len(all.Whole)], b.Whole...)
		all.Target = append(all.Target[:len(all.Target):len(all.Target)], b.Target...)
	}
	return all
}

func hash(t *testing.T, m *t5.Model) string {
	t.Helper()
	h, err := m.Hash()
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func small() t5.Config {
	c := t5.FromSize(spec.Size{Model: 8, Head: 4, FeedForward: 16, Layers: 1, Heads: 2}, 3)
	c.Vocabulary = 64
	return c
}

func newModel(t *testing.T, c t5.Config, seed int64) *t5.Model {
	t.Helper()
	m, err := t5.New(c, seed, torch.CPU)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Free)
	return m
}

func TestSavedModelLoadsUnchanged(t *testing.T) {
	for _, activation := range []string{"relu", "gated-gelu"} {
		c := small()
		c.Activation, c.Tied = activation, activation == "relu"
		m := newModel(t, c, 5)
		dir := t.TempDir()
		if err := m.Save(dir); err != nil {
			t.Fatal(err)
		}
		loaded, err := t5.Load(dir, torch.CPU)
		if err != nil {
			t.Fatal(err)
		}
		defer loaded.Free()
		if diff := cmp.Diff(m.Config, loaded.Config); diff != "" || hash(t, m) != hash(t, loaded) {
			t.Errorf("%s: loaded model differs: %s", activation, diff)
		}
	}
}

func TestSeedDecidesTheWeights(t *testing.T) {
	a, b, other := newModel(t, small(), 1), newModel(t, small(), 1), newModel(t, small(), 2)
	if hash(t, a) != hash(t, b) || hash(t, a) == hash(t, other) {
		t.Error("weights do not depend on the seed alone")
	}
}

// TestInitializationMatchesTheReference checks the standard deviation of the initial weights:
// Hugging Face's for T5, the reference's for the student's two tables.
func TestInitializationMatchesTheReference(t *testing.T) {
	m := newModel(t, t5.FromSize(spec.Size{Model: 64, Head: 16, FeedForward: 128, Layers: 1, Heads: 4}, 3), 1)
	want := map[string]float64{ // the standard deviation, to 10%
		"shared.weight": 1, "whole_word_embeddings.weight": 1, "prompt_embeddings.weight": 0.1 / math.Sqrt(3),
		"encoder.block.0.layer.0.SelfAttention.q.weight":   1 / math.Sqrt(64*16),
		"encoder.block.0.layer.0.SelfAttention.k.weight":   1 / math.Sqrt(64),
		"decoder.block.0.layer.1.EncDecAttention.o.weight": 1 / math.Sqrt(4*16),
		"decoder.block.0.layer.2.DenseReluDense.wi.weight": 1 / math.Sqrt(64),
		"decoder.block.0.layer.2.DenseReluDense.wo.weight": 1 / math.Sqrt(128),
		"encoder.final_layer_norm.weight":                  0,
	}
	err := torch.Run(func(s *torch.Scope) error {
		for _, p := range m.Named(s.Use(m.Flat())) {
			deviation, ok := want[p.Name]
			if !ok {
				continue
			}
			values := p.Tensor.Float32s()
			sum, squares, farthest := 0.0, 0.0, 0.0
			for _, x := range values {
				sum, squares = sum+float64(x), squares+float64(x)*float64(x)
				farthest = max(farthest, math.Abs(float64(x)))
			}
			mean := sum / float64(len(values))
			if got := math.Sqrt(squares/float64(len(values)) - mean*mean); math.Abs(got-deviation) > deviation/10 {
				t.Errorf("%s: deviation %v, want %v", p.Name, got, deviation)
			}
			if p.Name == "prompt_embeddings.weight" && (farthest > 0.1 || farthest < 0.09) {
				t.Errorf("prompts reach %v, want uniform within 0.1", farthest)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestLoadPretrainedAddsStudentTables(t *testing.T) {
	pretrained := small()
	pretrained.Prompts, pretrained.Type = 0, "bfloat16"
	dir := t.TempDir()
	if err := newModel(t, pretrained, 1).Save(dir); err != nil {
		t.Fatal(err)
	}
	dropout := 0.25
	m, err := t5.LoadPretrained(dir, t5.PretrainedOptions{Prompts: 3, Seed: 9, Dropout: &dropout}, torch.CPU)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Free()
	if m.Prompts != 3 || m.Dropout != dropout {
		t.Errorf("%d prompts, dropout %v", m.Prompts, m.Dropout)
	}
	again, err := t5.Load(saved(t, m), torch.CPU)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Free()
	if hash(t, again) != hash(t, m) || again.Type != "float32" {
		t.Errorf("a model saved with the student's tables loads with other weights, of type %s", again.Type)
	}
}

func saved(t *testing.T, m *t5.Model) string {
	t.Helper()
	dir := t.TempDir()
	if err := m.Save(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestBrokenFoldersAreRejected(t *testing.T) {
	write := func(dir, name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cases := map[string]struct {
		spoil func(dir string)
		want  string
	}{
		"no config": {func(dir string) { os.Remove(filepath.Join(dir, "config.json")) }, "config.json"},
		"no weights": {
			func(dir string) { os.Remove(filepath.Join(dir, "model.safetensors")) },
			"model.safetensors",
		},
		"half a config":  {func(dir string) { write(dir, "config.json", `{"d_model": 8,`) }, "config.json"},
		"another config": {func(dir string) { write(dir, "config.json", `{"model_type": "bert"}`) }, `bert`},
		"another width": {
			func(dir string) { write(dir, "config.json", `{"model_type": "t5", "d_model": 16, "vocab_size": 64}`) },
			"shape",
		},
		"half the weights": {func(dir string) {
			if err := os.Truncate(filepath.Join(dir, "model.safetensors"), 5000); err != nil {
				t.Fatal(err)
			}
		}, "model.safetensors"},
	}
	for name, c := range cases {
		dir := saved(t, newModel(t, small(), 1))
		c.spoil(dir)
		before := torch.Live()
		_, err := t5.Load(dir, torch.CPU)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q", name, err, c.want)
		}
		if left := torch.Live() - before; left != 0 {
			t.Errorf("%s: %d tensors left", name, left)
		}
	}
}

func TestBatchesBeyondTheTablesAreRejected(t *testing.T) {
	m := newModel(t, small(), 1)
	good := task.Batch{
		Size: 1, SourceLen: 2, TargetLen: 1,
		Prompts: []int64{4}, Source: []int64{3, 1}, Mask: []int64{1, 1}, Whole: []int64{511, 0}, Target: []int64{5},
	}
	corrupt := map[string]func(b *task.Batch){
		"task":        func(b *task.Batch) { b.Prompts = []int64{5} },
		"source":      func(b *task.Batch) { b.Source = []int64{64, 1} },
		"whole-word":  func(b *task.Batch) { b.Whole = []int64{512, 0} },
		"target":      func(b *task.Batch) { b.Target = []int64{-1} },
		"fill":        func(b *task.Batch) { b.Mask = []int64{1} },
		"to train on": func(b *task.Batch) { b.Target = []int64{0} },
	}
	loss := func(b task.Batch) error {
		return torch.Run(func(s *torch.Scope) error {
			_, err := m.Loss(s, b, spec.Protocol{})
			return err
		})
	}
	if err := loss(good); err != nil {
		t.Fatal(err)
	}
	for want, corrupt := range corrupt {
		b := good
		corrupt(&b)
		if err := loss(b); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
}

// TestNoTensorLeaks runs 1,000 training steps and 1,000 decodings and counts the remaining tensors.
func TestNoTensorLeaks(t *testing.T) {
	m := newModel(t, small(), 1)
	b := task.Batch{
		Size: 2, SourceLen: 3, TargetLen: 2,
		Prompts: []int64{0, 1}, Source: []int64{3, 4, 1, 5, 1, 0}, Mask: []int64{1, 1, 1, 1, 1, 0},
		Whole: make([]int64, 6), Target: []int64{7, 1, 8, 1},
	}
	before := torch.Live()
	for i := range 1000 {
		if err := torch.Run(func(s *torch.Scope) error {
			_, _, err := m.Gradient(s, b, spec.Protocols()[i%2], int64(i))
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 1000 {
		if err := torch.Run(func(s *torch.Scope) error {
			d, err := m.Start(b, t5.DecodeOptions{NumBeams: 3, MaxLength: 6, MaskCross: i%2 == 1})
			if err != nil {
				return err
			}
			defer d.Close()
			if _, err := d.Step(s, []int64{0, 0}, nil); err != nil {
				return err
			}
			during := torch.Live()
			for range 4 {
				inner := s.Sub()
				_, err := d.Step(inner, make([]int64, 6), []int64{0, 0, 0, 1, 1, 1})
				inner.Close()
				if err != nil {
					return err
				}
			}
			if grown := torch.Live() - during; grown != 0 {
				t.Errorf("decoding %d: %d more tensors after 4 steps", i, grown)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	if left := torch.Live() - before; left != 0 {
		t.Errorf("%d tensors left", left)
	}
}

// TestPickledReferenceModelLoads reads a file written by torch.save(model).
// internal/torch/testdata/make.py defines its values.
func TestPickledReferenceModelLoads(t *testing.T) {
	m, err := t5.Load("testdata/model.pt", torch.CPU)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Free()
	if m.Heads != 2 || m.Prompts != 3 || m.Layers != 1 {
		t.Errorf("config %+v", m.Config)
	}
	err = torch.Run(func(s *torch.Scope) error {
		for i, p := range m.Named(s.Use(m.Flat())) {
			for j, got := range p.Tensor.Float32s() {
				if want := float32(float64((31*i+j)%97) / 97); got != want {
					t.Errorf("%s[%d]: %v, want %v", p.Name, j, got, want)
					break
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
