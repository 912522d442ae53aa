package sasrec_test

import (
	"errors"
	"math"
	"slices"
	"testing"

	"rdrec/internal/sasrec"
	"rdrec/internal/torch"
)

// weights has functions from an index of a parameter, by the parameter's name, to its value.
type weights map[string]func(index int) float64

// newModel returns a model with the given weights; all others are 0.
func newModel(t *testing.T, settings sasrec.Settings, items int, weights weights) *sasrec.Model {
	t.Helper()
	settings.Batch, settings.Epochs = max(1, settings.Batch), max(1, settings.Epochs)
	m, err := sasrec.New(settings, items, 1, torch.CPU)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Free)
	var flat []float32
	found := 0
	for _, p := range m.Parameters() {
		n := int64(1)
		for _, size := range p.Shape {
			n *= size
		}
		value := weights[p.Name]
		if value != nil {
			found++
		}
		for i := range int(n) {
			if value == nil {
				flat = append(flat, 0)
			} else {
				flat = append(flat, float32(value(i)))
			}
		}
	}
	if found != len(weights) {
		t.Fatalf("the model has only %d of the %d parameters", found, len(weights))
	}
	err = torch.Run(func(s *torch.Scope) error {
		m.Flat().SetTo(s.FromFloat32(flat, int64(len(flat))))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func one(int) float64 { return 1 }

// TestWeightsDependOnTheSeed: the same seed gives the same weights, another seed other weights.
func TestWeightsDependOnTheSeed(t *testing.T) {
	weights := func(seed int64) []float32 {
		settings := sasrec.Settings{HiddenSize: 4, Heads: 2, Blocks: 1, MaxLength: 3, Batch: 1, Epochs: 1}
		m, err := sasrec.New(settings, 5, seed, torch.CPU)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Free()
		return m.Flat().Float32s()
	}
	one := weights(1)
	if !slices.Equal(one, weights(1)) || slices.Equal(one, weights(2)) {
		t.Error("weights of seeds 1 and 1 differ, or those of seeds 1 and 2 are equal")
	}
	// Two embeddings, 3 * 16 + 16 + 16 + 16 weights, and 4 for each norm and bias.
	if want := 6*4 + 3*4 + 6*16 + 8*4; len(one) != want {
		t.Errorf("%d weights, want %d", len(one), want)
	}
}

func TestLeastSettings(t *testing.T) {
	least := sasrec.Settings{HiddenSize: 2, Heads: 2, Blocks: 1, MaxLength: 1, Batch: 1, Epochs: 1}
	for name, c := range map[string]struct {
		change func(*sasrec.Settings)
		fails  bool
	}{
		"least":       {func(*sasrec.Settings) {}, false},
		"no heads":    {func(s *sasrec.Settings) { s.Heads = 0 }, true},
		"no length":   {func(s *sasrec.Settings) { s.MaxLength = 0 }, true},
		"no blocks":   {func(s *sasrec.Settings) { s.Blocks = 0 }, true},
		"no batch":    {func(s *sasrec.Settings) { s.Batch = 0 }, true},
		"no epochs":   {func(s *sasrec.Settings) { s.Epochs = 0 }, true},
		"odd heads":   {func(s *sasrec.Settings) { s.HiddenSize = 3 }, true},
		"one head":    {func(s *sasrec.Settings) { s.HiddenSize, s.Heads = 3, 1 }, false},
		"three heads": {func(s *sasrec.Settings) { s.HiddenSize, s.Heads = 6, 3 }, false},
	} {
		settings := least
		c.change(&settings)
		m, err := sasrec.New(settings, 5, 1, torch.CPU)
		if (err != nil) != c.fails || c.fails && !errors.Is(err, sasrec.ErrSettings) {
			t.Errorf("%s: %v, fails %t", name, err, c.fails)
		}
		if err == nil {
			m.Free()
		}
	}
}

// TestDropoutDependsOnTheSeed: the same seed drops the same entries, another seed others; without
// dropout the seed has no effect.
func TestDropoutDependsOnTheSeed(t *testing.T) {
	loss := func(dropout float64, seed int64) (value float64) {
		settings := sasrec.Settings{
			HiddenSize: 8, Heads: 2, Blocks: 1, MaxLength: 4, Dropout: dropout, Batch: 1, Epochs: 1,
		}
		m, err := sasrec.New(settings, 9, 1, torch.CPU)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Free()
		err = torch.Run(func(s *torch.Scope) error {
			of, _ := m.Gradient(s, sasrec.NewBatch([][]int{{1, 2, 3}}, [][]int{{2, 3, 4}}, 4), seed)
			value = of.Float()
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
	if loss(0.5, 1) != loss(0.5, 1) || loss(0.5, 1) == loss(0.5, 2) {
		t.Errorf("losses with dropout %v, %v and %v of seeds 1, 1 and 2", loss(0.5, 1), loss(0.5, 1), loss(0.5, 2))
	}
	if loss(0, 1) != loss(0, 2) || loss(0, 1) == loss(0.5, 1) {
		t.Errorf("losses %v and %v without dropout, %v with it", loss(0, 1), loss(0, 2), loss(0.5, 1))
	}
}

// TestWhereDropoutApplies has models that each show dropout in one part of the network: half of the
// entries are dropped, the others doubled.
func TestWhereDropoutApplies(t *testing.T) {
	const dim = 64
	settings := sasrec.Settings{HiddenSize: dim, Heads: 2, Blocks: 1, MaxLength: 2}
	identity := func(rows int) func(int) float64 { // the last dim rows are the identity's
		return func(index int) float64 {
			if index/dim-(rows-dim) == index%dim {
				return 1
			}
			return 0
		}
	}
	encode := func(m *sasrec.Model, dropout float64, seed int64) []float32 {
		out, err := m.Encode([]int64{1}, 1, dropout, seed)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	values := func(entries []float32) []float32 {
		sorted := slices.Sorted(slices.Values(entries))
		return slices.CompactFunc(sorted, func(a, b float32) bool { return math.Abs(float64(a-b)) < 1e-4 })
	}
	norm := one

	embedding := newModel(t, settings, 3, weights{"items": one, "norm.weight": norm})
	if got := values(encode(embedding, 0, 1)); len(got) != 1 {
		t.Errorf("without dropout an item's entries are %v, want them equal", got)
	}
	if got := values(encode(embedding, 0.5, 1)); len(got) != 2 {
		t.Errorf("with dropout an item's entries are %v, want two values: dropped and kept", got)
	}

	// The first half of the feed-forward layer gives 1, its last bias adds 1: dropout of {0, 2} + 1
	// gives {0, 2, 6}.
	feed := newModel(t, settings, 3, weights{
		"block0.up_bias": one, "block0.down": identity(dim), "block0.down_bias": one,
		"norm.weight": norm,
	})
	if got := values(encode(feed, 0.5, 1)); len(got) != 3 {
		t.Errorf("a feed-forward layer's entries are %v, want three values", got)
	}

	// A history of one item attends to that item alone: dropout of the attention weights drops a
	// whole head, dropout of the output single entries.
	attention := newModel(t, settings, 3, weights{
		"block0.attention_norm.bias": one, "block0.qkv": identity(3 * dim), "block0.out": identity(dim),
		"norm.weight": norm,
	})
	heads, entries := false, false
	for seed := range int64(20) {
		out := encode(attention, 0.5, seed)
		first, second := len(values(out[:dim/2])), len(values(out[dim/2:]))
		heads = heads || first == 1 && second == 2 || first == 2 && second == 1
		entries = entries || first == 2 || second == 2
	}
	if !heads || !entries {
		t.Errorf("a head was dropped: %t, single entries: %t; want both", heads, entries)
	}
}
