package t5_test

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rdrec/internal/spec"
	"rdrec/internal/t5"
	"rdrec/internal/t5/modeltest"
	"rdrec/internal/task"
	"rdrec/internal/torch"
)

// flanGolden is what Hugging Face's transformers computes with testdata/flan (make_flan.py).
type flanGolden struct {
	InputIDs     [][]int64          `json:"input_ids"`
	Attention    [][]int64          `json:"attention_mask"`
	Labels       [][]int64          `json:"labels"`
	Encoder      [][]float32        `json:"encoder"` // of the first row
	Logits       [][][]float32      `json:"logits"`
	Loss         float64            `json:"loss"`
	GradientNorm map[string]float64 `json:"grad_norm"`
}

// batch returns the rows as a batch without whole words.
func (g flanGolden) batch() task.Batch {
	rows := modeltest.Rows{
		Task: make([]int64, len(g.InputIDs)), InputIDs: g.InputIDs, Attention: g.Attention, Labels: g.Labels,
	}
	for _, row := range g.InputIDs {
		rows.Whole = append(rows.Whole, make([]int64, len(row)))
	}
	return rows.Batch()
}

// loadFlan returns the model of testdata/flan. Its whole-word embeddings, which transformers does
// not have, are 0.
func loadFlan(t *testing.T) *t5.Model {
	t.Helper()
	noDropout := 0.0
	m, err := t5.LoadPretrained(filepath.Join("testdata", "flan"), t5.PretrainedOptions{Dropout: &noDropout}, torch.CPU)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Free)
	err = torch.Run(func(s *torch.Scope) error {
		for _, p := range m.Named(s.Use(m.Flat())) {
			if p.Name == "whole_word_embeddings.weight" {
				p.Tensor.Fill(0)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestFlanT5MatchesTransformers compares a T5 v1.1 (gated feed-forward layers, a head of its own,
// three heads of six on a width of eight, more decoder layers than encoder layers) with Hugging
// Face's: encoder, logits, loss and the gradient of every weight.
func TestFlanT5MatchesTransformers(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("testdata", "flan", "golden.json"))
	if err != nil {
		t.Fatal(err)
	}
	var want flanGolden
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	m, clean := loadFlan(t), spec.Protocol{MaskCross: true}
	if m.Activation != "gated-gelu" || m.Tied || m.Heads*m.Head == m.Model {
		t.Fatalf("not a T5 v1.1: %+v", m.Config)
	}
	err = torch.Run(func(s *torch.Scope) error {
		pass, err := m.Forward(s, want.batch(), clean)
		if err != nil {
			return err
		}
		w := &deviation{t: t, name: "encoder"}
		w.all(pass.Encoded.Select(0, 0).Float32s(), want.Encoder...)
		w.name = "logits"
		var logits [][]float32
		for _, row := range want.Logits {
			logits = append(logits, row...)
		}
		w.all(pass.Logits.Float32s(), logits...)
		loss, gradient, err := m.AccumulatedGradient(s, want.batch(), clean, 1, 0)
		if err != nil {
			return err
		}
		w.name = "loss"
		w.near(loss.Float(), want.Loss, absolute)
		t.Logf("largest deviation %.1e", w.value)
		compared := 0
		for _, p := range m.Named(gradient) {
			norm, ok := want.GradientNorm[p.Name]
			if !ok {
				continue
			}
			compared++
			if got := p.Tensor.Norm().Float(); math.Abs(got-norm) > relativeNorm*norm+1e-6 {
				t.Errorf("gradient of %s: norm %v, want %v", p.Name, got, norm)
			}
		}
		if compared != len(want.GradientNorm) {
			t.Errorf("%d of %d gradients were compared", compared, len(want.GradientNorm))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestPublishedFoldersAreAccepted checks folders as Hugging Face publishes them, and those that do
// not fit, without reading weights.
func TestPublishedFoldersAreAccepted(t *testing.T) {
	change := func(before, after string) func(config string) string {
		return func(config string) string { return strings.Replace(config, before, after, 1) }
	}
	for name, c := range map[string]struct {
		config string
		change func(string) string
		want   string
	}{
		"T5":      {modeltest.T5Config, nil, ""},
		"flan-T5": {modeltest.FlanT5Config, nil, ""},
		"T5 with the configuration of flan-T5": {
			modeltest.T5Config, func(string) string { return modeltest.FlanT5Config },
			`SelfAttention.q.weight": shape [8 8], want [12 8]`,
		},
		"more layers than weights": {
			modeltest.T5Config, change(`"num_layers": 1`, `"num_layers": 2`), `tensor "encoder.block.1.`,
		},
		"another activation": {
			modeltest.FlanT5Config, change("gated-gelu", "gated-silu"),
			"feed_forward_proj: gated-silu is not supported",
		},
		"mT5":           {modeltest.FlanT5Config, change(`"t5"`, `"mt5"`), ""},
		"another model": {modeltest.T5Config, change(`"t5"`, `"umt5"`), "model_type: umt5 is not supported"},
	} {
		dir := modeltest.Pretrained(t, c.config)
		if c.change != nil {
			path := filepath.Join(dir, t5.ConfigFile)
			if err := os.WriteFile(path, []byte(c.change(c.config)), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		err := t5.CheckPretrained(dir)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
