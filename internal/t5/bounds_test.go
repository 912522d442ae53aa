package t5_test

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/spec"
	"rdrec/internal/t5"
	"rdrec/internal/task"
	"rdrec/internal/torch"
)

// pair is a batch of two rows of small's largest ids.
func pair() task.Batch {
	return task.Batch{
		Size: 2, SourceLen: 2, TargetLen: 2,
		Prompts: []int64{4, 0}, Source: []int64{63, 1, 3, 0}, Mask: []int64{1, 1, 1, 0},
		Whole: []int64{511, 0, 1, 0}, Target: []int64{63, 1, 7, 0},
	}
}

// TestBatchBounds checks batches just beyond the bounds of small's tables. The error names the row.
func TestBatchBounds(t *testing.T) {
	m := newModel(t, small(), 1)
	loss := func(b task.Batch) error {
		return torch.Run(func(s *torch.Scope) error {
			_, err := m.Loss(s, b, spec.Protocol{})
			return err
		})
	}
	if err := loss(pair()); err != nil {
		t.Fatal(err)
	}
	for want, spoil := range map[string]func(b *task.Batch){
		"row 1: task id 5 is not below 5":                     func(b *task.Batch) { b.Prompts = []int64{4, 5} },
		"row 1: task id -1 is not below 5":                    func(b *task.Batch) { b.Prompts = []int64{4, -1} },
		"row 0: source id 64 is not below 64":                 func(b *task.Batch) { b.Source = []int64{3, 64, 3, 1} },
		"row 1: mask id 2 is not below 2":                     func(b *task.Batch) { b.Mask = []int64{1, 1, 2, 0} },
		"row 1: whole-word id 512 is not below 512":           func(b *task.Batch) { b.Whole = []int64{0, 0, 0, 512} },
		"row 1: target id 64 is not below 64":                 func(b *task.Batch) { b.Target = []int64{63, 1, 64, 1} },
		"batch of 0 rows of 2 source tokens: empty":           func(b *task.Batch) { b.Size = 0 },
		"batch of 2 rows of 0 source tokens: empty":           func(b *task.Batch) { b.SourceLen = 0 },
		"batch of 2 rows: 3 target ids do not fill rows of 2": func(b *task.Batch) { b.Target = []int64{63, 1, 7} },
		"no target token":                                     func(b *task.Batch) { b.Target = []int64{0, 0, 0, 0} },
	} {
		b := pair()
		spoil(&b)
		if err := loss(b); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// TestDecodingBounds decodes two rows of at most two beams up to the bounds, and one beyond each.
func TestDecodingBounds(t *testing.T) {
	m := newModel(t, small(), 1)
	for _, c := range []struct {
		beams, tokens int
		good          bool
	}{{1, 2, true}, {0, 2, false}, {1, 1, false}} {
		d, err := m.Start(pair(), t5.DecodeOptions{NumBeams: c.beams, MaxLength: c.tokens})
		if (err == nil) != c.good {
			t.Errorf("%d beams to %d tokens: %v", c.beams, c.tokens, err)
		}
		if err == nil {
			d.Close()
		}
	}
	type call struct{ tokens, parents []int64 }
	first, second := call{[]int64{0, 0}, nil}, call{[]int64{3, 4, 5, 63}, []int64{0, 0, 1, 1}}
	for name, c := range map[string]struct {
		calls []call
		want  string // the last call's error
	}{
		"to the last token":     {[]call{first, second, {[]int64{3, 4, 5, 6}, []int64{3, 2, 1, 0}}}, ""},
		"beyond the last token": {[]call{first, second, second, second}, "step 4 exceeds the maximum length 4"},
		"as many as beams":      {[]call{{[]int64{0, 0, 0, 0}, nil}}, ""},
		"more than beams": {
			[]call{{[]int64{0, 0, 0, 0, 0, 0}, nil}},
			"6 sequences for 2 rows of at most 2 beams",
		},
		"no full rows":           {[]call{{[]int64{0, 0, 0}, nil}}, "3 sequences for 2 rows"},
		"none":                   {[]call{{nil, nil}}, "0 sequences"},
		"token beyond the table": {[]call{{[]int64{0, 64}, nil}}, "token 64 is not below 64"},
		"negative token":         {[]call{{[]int64{0, -1}, nil}}, "token -1"},
		"parents at first":       {[]call{{[]int64{0, 0}, []int64{0, 1}}}, "the first step has no parents"},
		"last parent":            {[]call{first, {[]int64{3, 4}, []int64{0, 1}}}, ""},
		"parent beyond": {
			[]call{first, {[]int64{3, 4}, []int64{0, 2}}},
			"parent 2 is not a sequence of the previous step",
		},
		"negative parent": {
			[]call{first, {[]int64{3, 4}, []int64{-1, 0}}},
			"parent -1 is not a sequence of the previous step",
		},
		"fewer parents":   {[]call{first, {[]int64{3, 4}, []int64{0}}}, "1 parents of 2 sequences"},
		"without parents": {[]call{first, {[]int64{3, 4}, nil}}, ""},
		"wider without parents": {
			[]call{first, {[]int64{3, 4, 5, 6}, nil}},
			"4 sequences continue 2 sequences without parents",
		},
		"narrower without parents": {
			[]call{first, second, {[]int64{3, 4}, nil}},
			"2 sequences continue 4 sequences without parents",
		},
	} {
		err := torch.Run(func(s *torch.Scope) error {
			d, err := m.Start(pair(), t5.DecodeOptions{NumBeams: 2, MaxLength: 4})
			if err != nil {
				return err
			}
			defer d.Close()
			for i, call := range c.calls {
				_, err = d.Step(s, call.tokens, call.parents)
				if i < len(c.calls)-1 && err != nil {
					t.Errorf("%s: step %d: %v", name, i, err)
				}
			}
			return err
		})
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

// TestLongDecodingsGrowTheirCache decodes 20 tokens of equal beams, which swap at each step. The
// cache has a capacity of 8, then 16, then the maximum length, and the scores equal those of one
// forward pass.
func TestLongDecodingsGrowTheirCache(t *testing.T) {
	m, b := newModel(t, small(), 1), pair()
	b.TargetLen, b.Target = 20, nil
	for i := range 40 {
		b.Target = append(b.Target, int64(1+i*7%63))
	}
	err := torch.Run(func(s *torch.Scope) error {
		pass, err := m.Forward(s, b, spec.Protocol{})
		if err != nil {
			return err
		}
		want := pass.Logits.LogSoftmax(-1).Transpose(0, 1) // [target, rows, vocabulary]
		d, err := m.Start(b, t5.DecodeOptions{NumBeams: 2, MaxLength: 21})
		if err != nil {
			return err
		}
		defer d.Close()
		var rooms []int
		w := &deviation{t: t, name: "log-probability"}
		for step := range 20 {
			tokens, parents := []int64{0, 0, 0, 0}, []int64(nil)
			if step > 0 {
				first, second := b.Target[step-1], b.Target[20+step-1]
				tokens, parents = []int64{first, first, second, second}, []int64{1, 0, 3, 2}
			}
			scores, err := d.Step(s, tokens, parents)
			if err != nil {
				return err
			}
			w.all(scores.Float32s(), want.Select(0, int64(step)).RepeatInterleave(2, 0).Float32s())
			rooms = append(rooms, d.CacheRoom())
		}
		wantRooms := []int{8, 8, 8, 8, 8, 8, 8, 8, 16, 16, 16, 16, 16, 16, 16, 16, 20, 20, 20, 20}
		if diff := cmp.Diff(wantRooms, rooms); diff != "" {
			t.Errorf("capacity of the cache: %s", diff)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestScoredTokensAreTheOnlyOnes scores three tokens, in order, in two steps whose tokens are on
// the device already.
func TestScoredTokensAreTheOnlyOnes(t *testing.T) {
	m, b := newModel(t, small(), 1), pair()
	scored := []int64{9, 3, 63}
	err := torch.Run(func(s *torch.Scope) error {
		pass, err := m.Forward(s, b, spec.Protocol{})
		if err != nil {
			return err
		}
		allowed := pass.Logits.NewInt64(scored, 3)
		want := pass.Logits.IndexSelect(2, allowed).LogSoftmax(-1) // [rows, target, 3]
		d, err := m.Start(b, t5.DecodeOptions{NumBeams: 1, MaxLength: 3, AllowedTokens: allowed})
		if err != nil {
			return err
		}
		defer d.Close()
		w := &deviation{t: t, name: "log-probability"}
		for step, tokens := range [][]int64{{0, 0}, {63, 7}} { // the start token, then the first of the target
			var parents *torch.Tensor
			if step > 0 {
				parents = pass.Logits.NewInt64([]int64{0, 1}, 2)
			}
			hidden, err := d.HiddenOn(s, pass.Logits.NewInt64(tokens, 2), parents)
			if err != nil {
				return err
			}
			w.all(d.LogProbs(hidden).Float32s(), want.Select(1, int64(step)).Float32s())
		}
		_, err = d.HiddenOn(s, pass.Logits.NewInt64([]int64{3, 3}, 2), pass.Logits.NewInt64([]int64{0, 1}, 2))
		if err == nil {
			t.Error("a third step of two tokens was accepted")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestShortDecodingsHaveLittleCache checks that the capacity is no more than the maximum length
// without the last token.
func TestShortDecodingsHaveLittleCache(t *testing.T) {
	m := newModel(t, small(), 1)
	for longest, room := range map[int]int{2: 1, 8: 7, 9: 8, 10: 8} {
		d, err := m.Start(pair(), t5.DecodeOptions{NumBeams: 1, MaxLength: longest})
		if err != nil {
			t.Fatal(err)
		}
		if got := d.CacheRoom(); got != room {
			t.Errorf("%d tokens: capacity %d, want %d", longest, got, room)
		}
		d.Close()
	}
}

// TestPartsOfABatch splits five rows with 1, 2, 0, 3 and 2 labels in three positions each.
func TestPartsOfABatch(t *testing.T) {
	type part struct {
		Tasks []int64 // the rows' indices
		From  int
		Share float64
	}
	all := []int64{0, 1, 2, 3, 4}
	for _, c := range []struct {
		rows     int
		protocol spec.Protocol
		want     []part
	}{
		{0, spec.Protocol{}, []part{{all, 0, 1}}},
		{-1, spec.Protocol{}, []part{{all, 0, 1}}},
		{5, spec.Protocol{}, []part{{all, 0, 1}}},
		{6, spec.Protocol{}, []part{{all, 0, 1}}},
		{4, spec.Protocol{}, []part{{all[:4], 0, 12. / 15}, {all[4:], 4, 3. / 15}}},
		{2, spec.Protocol{SkipPads: true}, []part{{all[:2], 0, 3. / 8}, {all[2:4], 2, 3. / 8}, {all[4:], 4, 2. / 8}}},
		{
			1,
			spec.Protocol{SkipPads: true},
			[]part{{all[:1], 0, 1. / 8}, {all[1:2], 1, 2. / 8}, {all[3:4], 3, 3. / 8}, {all[4:], 4, 2. / 8}},
		},
	} {
		var got []part
		batch := ragged(4, []int{1, 2, 3, 4, 1}, []int{1, 2, 0, 3, 2})
		err := newModel(t, small(), 1).MicroBatches(batch, c.protocol, c.rows,
			func(b task.Batch, from int, weight float64) error {
				if math.Abs(weight*1000-math.Round(weight*1000)) > 1e-9 {
					t.Errorf("weight %v", weight)
				}
				got = append(got, part{b.Prompts, from, weight})
				return nil
			})
		if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
			t.Errorf("%d rows at a time: %v %s", c.rows, err, diff)
		}
	}
}

// TestConfigsAreCheckedBeforeMemoryIsAllocated loads a small model whose config.json claims more.
func TestConfigsAreCheckedBeforeMemoryIsAllocated(t *testing.T) {
	m := newModel(t, small(), 1)
	tensors, shapes := parameters(t, m), map[string][]int64{}
	for _, p := range m.Parameters() {
		shapes[p.Name] = p.Shape
	}
	for want, change := range map[string]func(c *t5.Config){
		"num_layers: 1000000000 is not supported":   func(c *t5.Config) { c.Layers = 1_000_000_000 },
		"d_kv: 1000000000000 is not supported":      func(c *t5.Config) { c.Head = 1_000_000_000_000 },
		"n_positions: 1099511627776":                func(c *t5.Config) { c.Positions = 1 << 40 },
		"vocab_size, item_embeddings":               func(c *t5.Config) { c.Vocabulary = 1 << 40 },
		"prompts_per_task: 1099511627776":           func(c *t5.Config) { c.Prompts = 1 << 40 },
		"relative_attention_max_distance: 10000000": func(c *t5.Config) { c.MaxDistance = 10_000_000 },
		`tensor "shared.weight": shape [64 8]`:      func(c *t5.Config) { c.Vocabulary = 1 << 26 },
		"wants the shape":                           func(c *t5.Config) { c.Tasks, c.Prompts = 60_000, 60_000 },
	} {
		c := m.Config
		change(&c)
		held := map[string][]float32{}
		for name, values := range tensors {
			if c.Tasks != 60_000 || name != "prompt_embeddings.weight" {
				held[name] = values
			}
		}
		_, err := t5.LoadPretrained(write(t, c, held, shapes), t5.PretrainedOptions{Prompts: 3}, torch.CPU)
		if !errors.Is(err, t5.ErrModel) || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// FuzzConfig reads any config.json: an error, or a model of a size that can be computed.
func FuzzConfig(f *testing.F) {
	f.Add(`{"model_type": "t5", "d_model": 8, "num_layers": 2, "vocab_size": 64}`)
	f.Add(`{"d_kv": 1000000000000, "num_layers": 1000000000, "num_decoder_layers": -1, "dropout_rate": 1e309}`)
	f.Fuzz(func(t *testing.T, text string) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, t5.ConfigFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := t5.ReadConfig(dir)
		if err != nil || c.Layers+c.DecoderLayers > 100 {
			return
		}
		for _, p := range c.Parameters() {
			if p.Numel() < 1 {
				t.Errorf("%s has %d elements: shape %v", p.Name, p.Numel(), p.Shape)
			}
		}
	})
}
