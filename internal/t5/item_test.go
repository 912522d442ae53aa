package t5_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"rdrec/internal/dataset"
	"rdrec/internal/spec"
	"rdrec/internal/t5"
	"rdrec/internal/task"
	"rdrec/internal/torch"
)

// fourItems are the codes of four items; the last has one code fewer.
func fourItems() *dataset.Codes {
	return &dataset.Codes{Widths: []int{2, 3}, Items: [][]int{{0, 0}, {0, 2}, {0, 1}, {1}}}
}

// itemModel returns a small model of 64 words and five codes.
func itemModel(t *testing.T, items t5.ItemConfig, codes *dataset.Codes) *t5.Model {
	t.Helper()
	items.ItemCodes = 5
	m := newModel(t, small().WithItems(items), 3)
	if err := m.UseItems(codes); err != nil {
		t.Fatal(err)
	}
	return m
}

// itemBatch has two histories, of items 1, 4 and of item 2, and a text that names item 3.
func itemBatch(onePosition bool) task.Batch {
	b := task.Batch{
		Size: 3, SourceLen: 3, TargetLen: 3, Prompts: []int64{1, 1, 0},
		Source: []int64{64, 66, 65, 64, 68, 0, 9, 64, 67}, Mask: []int64{1, 1, 1, 1, 1, 0, 1, 1, 1},
		Whole:  []int64{1, 1, 2, 1, 1, 0, 0, 1, 1},
		Target: []int64{64, 67, 1, 65, 1, 0, 12, 13, 1},
		Last:   []int64{2, 1, -1}, Next: []int64{3, 4, 0},
	}
	if onePosition {
		b.Source = []int64{69, 72, 0, 70, 0, 0, 9, 71, 1}
		b.Mask = []int64{1, 1, 0, 1, 0, 0, 1, 1, 1}
		b.Whole = []int64{1, 2, 0, 1, 0, 0, 0, 1, 0}
		b.Last = []int64{1, 0, -1}
	}
	return b
}

// vectorsByHand returns the vectors of the four items: the sums of their codes' rows and their own.
func vectorsByHand(tables map[string][]float32) [][]float64 {
	vectors := make([][]float64, 4)
	for item, rows := range [][]int{{64, 66}, {64, 68}, {64, 67}, {65}} {
		vectors[item] = make([]float64, 8)
		for _, row := range rows {
			addRow(vectors[item], tables["shared.weight"], row)
		}
		if own := tables["item_embeddings.weight"]; (item+1)*8 <= len(own) {
			addRow(vectors[item], own, item)
		}
	}
	return vectors
}

func addRow(sum []float64, table []float32, row int) {
	for i := range sum {
		sum[i] += float64(table[row*len(sum)+i])
	}
}

// crossEntropy returns -log softmax(logits)[label].
func crossEntropy(logits []float64, label int) float64 {
	sum := 0.0
	for _, x := range logits {
		sum += math.Exp(x)
	}
	return math.Log(sum) - logits[label]
}

// TestItemLossByHand computes the loss from the model's states and logits: labels of items compete
// with codes, labels of texts with all tokens, and next items with all items.
func TestItemLossByHand(t *testing.T) {
	p := spec.Protocols()[1]
	for _, items := range []t5.ItemConfig{
		{},
		{OnePosition: true},
		{OnePosition: true, ItemEmbeddings: 4},
		{OnePosition: true, ItemEmbeddings: 3},
		{ItemEmbeddings: 6},
	} {
		m, b := itemModel(t, items, fourItems()), itemBatch(items.OnePosition)
		m.HeadWeight = 2.5
		tables := parameters(t, m)
		vectors := vectorsByHand(tables)
		err := torch.Run(func(s *torch.Scope) error {
			out, err := m.Forward(s, b, p)
			if err != nil {
				return err
			}
			if items.OnePosition {
				want := slices.Clone(vectors[3])
				addRow(want, tables["whole_word_embeddings.weight"], 2)
				for i, x := range out.Embedded.Float32s()[(3+1)*8 : (3+2)*8] { // after the prompt, item 4
					if math.Abs(float64(x)-want[i]) > 1e-5 {
						t.Errorf("%+v: the input of item 4 is %v at %d, want %v", items, x, i, want[i])
					}
				}
			}
			logits, encoded := out.Logits.Float32s(), out.Encoded.Float32s()
			sum, labels := 0.0, 0
			for i, label := range b.Target {
				if label == 0 {
					continue
				}
				var competing []float64
				index := -1
				for token, x := range logits[i*69 : (i+1)*69] {
					if i >= 6 || token < 2 || token >= 64 {
						if int64(token) == label {
							index = len(competing)
						}
						competing = append(competing, float64(x))
					}
				}
				sum, labels = sum+crossEntropy(competing, index), labels+1
			}
			scores, err := m.ItemScores(s, b.Rows(0, 2))
			if err != nil {
				return err
			}
			got := scores.Float32s()
			for row := range 2 {
				state := encoded[(row*6+3+int(b.Last[row]))*8:][:8]
				all := make([]float64, 4)
				for item := range all {
					for i, x := range state {
						all[item] += float64(x) * vectors[item][i]
					}
				}
				sum += 2.5 * crossEntropy(all, int(b.Next[row])-1)
				for item := range all {
					score, want := float64(got[row*4+item]), -crossEntropy(all, item)
					if math.Abs(score-want) > 1e-4 {
						t.Errorf("%+v: row %d item %d has the score %v, want %v", items, row, item+1, score, want)
					}
				}
			}
			loss, err := m.Loss(s, b, p)
			if err != nil {
				return err
			}
			if want := sum / float64(labels); math.Abs(loss.Float()-want) > 1e-4 {
				t.Errorf("%+v: loss %v, want %v", items, loss.Float(), want)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestItemGradient compares the gradient with differences of the loss along itself, and with those
// of micro-batches and of gradient checkpointing.
func TestItemGradient(t *testing.T) {
	p := spec.Protocols()[1]
	for _, items := range []t5.ItemConfig{{}, {OnePosition: true, ItemEmbeddings: 4}} {
		m, b := itemModel(t, items, fourItems()), itemBatch(items.OnePosition)
		m.HeadWeight, m.Dropout = 2.5, 0
		_, want := gradient(t, m, b, p, 0)
		length := 0.0
		for _, x := range want {
			length += float64(x) * float64(x)
		}
		length = math.Sqrt(length)
		const step = 1e-2
		lossAt := func(distance float64) (loss float64) {
			if err := torch.Run(func(s *torch.Scope) error {
				move := s.FromFloat32(want, int64(len(want))).Scale(distance / length)
				m.Flat().AddTo(move)
				l, err := m.Loss(s, b, p)
				if err == nil {
					loss = l.Float()
				}
				m.Flat().AddTo(move.Scale(-1))
				return err
			}); err != nil {
				t.Fatal(err)
			}
			return loss
		}
		if slope := (lossAt(step) - lossAt(-step)) / (2 * step); math.Abs(slope/length-1) > 0.01 {
			t.Errorf("%+v: slope %v, want the gradient's norm %v", items, slope, length)
		}
		for name, set := range map[string]func() int{
			"micro-batches": func() int { return 1 },
			"checkpointing": func() int { m.GradientCheckpointing = true; return 0 },
		} {
			_, got := gradient(t, m, b, p, set())
			if distance, _ := relativeDistance(want, got); !(distance < 1e-5) {
				t.Errorf("%+v: %s: the gradient is %v of its length apart", items, name, distance)
			}
			m.GradientCheckpointing = false
		}
	}
}

// TestLabelSmoothingByHand: with smoothing, a label has the weight 1 - 0.1, and all classes share
// 0.1.
func TestLabelSmoothingByHand(t *testing.T) {
	err := torch.Run(func(s *torch.Scope) error {
		logits := s.FromFloat32([]float32{0, 1, 2, 5, 5, 5}, 2, 3)
		got := logits.CrossEntropy(s.FromInt64([]int64{2, 0}, 2), -1, 0.1).Float()
		first := []float64{0, 1, 2}
		want := 0.9*crossEntropy(first, 2) + math.Log(3)*0.9
		for i := range first {
			want += 0.1 / 3 * (crossEntropy(first, i) + math.Log(3))
		}
		if math.Abs(got-want/2) > 1e-5 {
			t.Errorf("loss %v, want %v", got, want/2)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestPretrainedTablesGrow loads a model without item tokens, and one with fewer items.
func TestPretrainedTablesGrow(t *testing.T) {
	plain := newModel(t, small(), 1)
	coded := itemModel(t, t5.ItemConfig{ItemEmbeddings: 2, OnePosition: true}, fourItems())
	for _, old := range []*t5.Model{plain, coded} {
		dir := t.TempDir()
		if err := old.Save(dir); err != nil {
			t.Fatal(err)
		}
		items := t5.ItemConfig{ItemCodes: 5, ItemEmbeddings: 4, OnePosition: true, ItemHead: true}
		m, err := t5.LoadPretrained(dir, t5.PretrainedOptions{Prompts: 3, Seed: 2, Items: items}, torch.CPU)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Free()
		if m.Vocabulary != 69 || m.ItemConfig != items {
			t.Errorf("configuration %d, %+v", m.Vocabulary, m.ItemConfig)
		}
		before, after := parameters(t, old), parameters(t, m)
		for name, values := range before {
			if got := after[name][:len(values)]; !slices.Equal(got, values) {
				t.Errorf("%s is not kept", name)
			}
		}
		if rows := len(after["item_embeddings.weight"]); rows != 4*8 {
			t.Errorf("%d numbers of items' embeddings", rows)
		}
		own, added := rootMeanSquare(before["shared.weight"]), rootMeanSquare(after["shared.weight"][64*8:])
		if old == plain && math.Abs(added/own-1) > 1e-4 {
			t.Errorf("rows of codes have the root mean square %v, those of words %v", added, own)
		}
	}
	dir := t.TempDir()
	if err := coded.Save(dir); err != nil {
		t.Fatal(err)
	}
	_, err := t5.LoadPretrained(dir, t5.PretrainedOptions{Items: t5.ItemConfig{ItemCodes: 6}}, torch.CPU)
	if err == nil || !strings.Contains(err.Error(), "it has 5 codes of items, the data has 6") {
		t.Error(err)
	}
}

func rootMeanSquare(values []float32) float64 {
	sum := 0.0
	for _, x := range values {
		sum += float64(x) * float64(x)
	}
	return math.Sqrt(sum / float64(len(values)))
}

// TestInvalidItems rejects batches and codes that do not fit the model.
func TestInvalidItems(t *testing.T) {
	m := itemModel(t, t5.ItemConfig{OnePosition: true}, fourItems())
	valid := func() task.Batch { return itemBatch(true) }
	for want, change := range map[string]func(*task.Batch){
		"row 2: source id 73 is not below 73":               func(b *task.Batch) { b.Source[7] = 73 },
		"row 1: history ends at 3 of 3 positions":           func(b *task.Batch) { b.Last[1] = 3 },
		"row 0: history ends at 1 of 3 positions, before":   func(b *task.Batch) { b.Next[0] = 5 },
		"3 rows: 2 ends of histories and 3 next items":      func(b *task.Batch) { b.Last = b.Last[:2] },
		"row 0: history ends at -2 of 3 positions, before ": func(b *task.Batch) { b.Last[0] = -2 },
	} {
		b := valid()
		change(&b)
		err := torch.Run(func(s *torch.Scope) error {
			_, err := m.Loss(s, b, spec.Protocols()[1])
			return err
		})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	if err := m.UseItems(&dataset.Codes{Widths: []int{2}, Items: [][]int{{0}, {1}}}); err == nil {
		t.Error("two codes were accepted by a model of five")
	}
	if err := torch.Run(func(s *torch.Scope) error { _, err := m.ItemScores(s, valid()); return err }); err == nil {
		t.Error("a row without a history was scored")
	}
	without := newModel(t, small().WithItems(t5.ItemConfig{ItemCodes: 5}), 1)
	if err := torch.Run(func(s *torch.Scope) error {
		_, err := without.Loss(s, itemBatch(false), spec.Protocols()[1])
		return err
	}); err == nil || !strings.Contains(err.Error(), "needs the codes of the items") {
		t.Error(err)
	}
}

// TestInitializerRange: sampled weights have the standard deviation, norms start at 1, and the
// decoder's last norm cancels the scale of a tied head.
func TestInitializerRange(t *testing.T) {
	c := small()
	c.InitializerRange = 0.02
	weights := parameters(t, newModel(t, c, 1))
	for _, name := range []string{"shared.weight", "whole_word_embeddings.weight"} {
		if got := rootMeanSquare(weights[name]); math.Abs(got/0.02-1) > 0.15 {
			t.Errorf("%s has the root mean square %v", name, got)
		}
	}
	if got := weights["encoder.final_layer_norm.weight"][0]; got != 1 {
		t.Errorf("the encoder's norm starts at %v", got)
	}
	if got := weights["decoder.final_layer_norm.weight"][0]; math.Abs(float64(got)-math.Sqrt(8)) > 1e-6 {
		t.Errorf("the decoder's norm starts at %v", got)
	}
}
