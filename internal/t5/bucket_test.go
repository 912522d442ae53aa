package t5_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/spec"
	"rdrec/internal/t5"
	"rdrec/internal/task"
)

// TestBiasSaturates: the last of 16 buckets begins where ln(d / 8) / ln(128 / 8) * 8 reaches 7, at
// 8 * 2^3.5 = 90.5; the last of 4 where ln(d / 2) / ln(100 / 2) * 2 reaches 1, at 2 * 50^0.5 =
// 14.1; the last of 2 covers all but the position itself.
func TestBiasSaturates(t *testing.T) {
	for _, c := range []struct {
		buckets, farthest int64
		want              int
	}{{32, 128, 91}, {8, 100, 15}, {4, 3, 1}} {
		config := small()
		config.Buckets, config.MaxDistance = c.buckets, c.farthest
		if got := config.Saturation(); got != c.want {
			t.Errorf("%d buckets to distance %d: saturation %d, want %d", c.buckets, c.farthest, got, c.want)
		}
	}
}

// ragged returns a batch of rows with the given numbers of source and target tokens, padded to
// width and to three. Row i has prompt i.
func ragged(width int, sources, targets []int) task.Batch {
	b := task.Batch{Size: len(sources), SourceLen: width, TargetLen: 3}
	for row, tokens := range sources {
		b.Prompts = append(b.Prompts, int64(row))
		for i := range width {
			token := int64(0)
			if i < tokens {
				token = 1
			}
			b.Source, b.Mask, b.Whole = append(b.Source, 9*token), append(b.Mask, token), append(b.Whole, 2*token)
		}
		for i := range 3 {
			label := int64(0)
			if i < targets[row] {
				label = 8
			}
			b.Target = append(b.Target, label)
		}
	}
	return b
}

// shape is the expected shape of a length bucket.
type shape struct {
	Rows           []int64 // by their tasks
	Source, Target int
	Last           int
}

func shapes(buckets []t5.Bucketed) []shape {
	var all []shape
	for _, b := range buckets {
		all = append(all, shape{b.Batch.Prompts, b.Batch.SourceLen, b.Batch.TargetLen, b.Last})
	}
	return all
}

// TestRowsAreCutToWhatTheyNeed truncates batches that are too small for several length buckets.
func TestRowsAreCutToWhatTheyNeed(t *testing.T) {
	both := spec.Protocol{MaskCross: true, SkipPads: true}
	for name, c := range map[string]struct {
		batch    task.Batch
		protocol spec.Protocol
		dropout  float64
		want     shape
	}{
		"masked": {
			ragged(9, []int{4, 2, 3}, []int{1, 2, 1}),
			both, 0.1,
			shape{[]int64{1, 2, 0}, 4, 2, 1},
		},
		"pads count in the loss": {
			ragged(9, []int{4, 2, 3}, []int{1, 2, 1}),
			spec.Protocol{MaskCross: true},
			0.1,
			shape{[]int64{1, 2, 0}, 4, 3, 1},
		},
		"equal needs keep order": {
			ragged(9, []int{3, 2, 3, 2}, []int{1, 2, 1, 1}),
			both, 0,
			shape{[]int64{3, 1, 0, 2}, 3, 2, 1},
		},
		"no padding": {
			ragged(4, []int{4, 4}, []int{3, 3}),
			both, 0,
			shape{[]int64{0, 1}, 4, 3, 1},
		},
		"a target of pads": {
			ragged(4, []int{2, 2}, []int{0, 0}),
			both, 0,
			shape{[]int64{0, 1}, 2, 1, 1},
		},
		"pads are seen": {
			ragged(100, []int{4, 2}, []int{1, 1}),
			spec.Protocol{SkipPads: true},
			0,
			shape{[]int64{1, 0}, 95, 1, 6},
		},
		"pads are seen to the edge": {
			ragged(95, []int{4, 2}, []int{1, 1}),
			spec.Protocol{SkipPads: true},
			0,
			shape{[]int64{1, 0}, 95, 1, 1},
		},
		"all pads are seen": {
			ragged(50, []int{4, 2}, []int{1, 1}),
			spec.Protocol{SkipPads: true},
			0,
			shape{[]int64{0, 1}, 50, 1, 1},
		},
		"dropout tells pads apart": {
			ragged(100, []int{4, 2}, []int{1, 1}),
			spec.Protocol{SkipPads: true},
			0.1,
			shape{[]int64{0, 1}, 100, 3, 1},
		},
	} {
		m := newModel(t, small(), 1)
		if diff := cmp.Diff([]shape{c.want}, shapes(m.LengthBuckets(c.batch, c.protocol, c.dropout))); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// TestOddPaddingIsLeftAlone checks that only rows whose pads all follow the tokens are truncated.
func TestOddPaddingIsLeftAlone(t *testing.T) {
	for name, spoil := range map[string]func(b *task.Batch){
		"a token behind pads":      func(b *task.Batch) { b.Mask[8] = 1 },
		"a pad that is a token":    func(b *task.Batch) { b.Source[8] = 9 },
		"a pad of a whole word":    func(b *task.Batch) { b.Whole[8] = 2 },
		"the last row's first pad": func(b *task.Batch) { b.Source[9+2] = 9 },
	} {
		b := ragged(9, []int{4, 2}, []int{1, 1})
		spoil(&b)
		m := newModel(t, small(), 1)
		got := m.LengthBuckets(b, spec.Protocol{MaskCross: true, SkipPads: true}, 0)
		if diff := cmp.Diff([]t5.Bucketed{{Batch: b, Last: 1}}, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// TestCostIsTheMultiplications counts the multiplications of small's layers by hand: a position
// takes 8 * (4 * 8
// + 2 * 16) = 512, a score's passes 2 * 8 * 4 = 64, and a target token 8 * 64 = 512 more in the
// head. Starting a length bucket takes 2e8.
func TestCostIsTheMultiplications(t *testing.T) {
	m := newModel(t, small(), 1)
	if got, want := m.Cost(2, 10, 3), 2e8+2*(10*512+10*10*64+3*(512+512)); got != want {
		t.Errorf("cost %v, want %v", got, want)
	}
}

// TestBatchesAreCutWhereThatPays checks where batches are split. A row of n source positions costs
// 512 n + 64 n^2, so splitting off a shorter row saves the start of a length bucket, 2e8, where (n
// - m) * (n + m + 8) reaches 3,125,000: with m = 621 that is from n = 1871 on, exactly.
func TestBatchesAreCutWhereThatPays(t *testing.T) {
	m := newModel(t, small(), 1)
	for _, c := range []struct {
		sources []int
		want    [][]int
	}{
		{[]int{621}, [][]int{{0}}},
		{[]int{621, 1870}, [][]int{{0, 1}}},
		{[]int{621, 1871}, [][]int{{0}, {1}}}, // a tie: cut
		{[]int{621, 1872}, [][]int{{0}, {1}}},
		{[]int{621, 621, 1872}, [][]int{{0, 1}, {2}}},
		{[]int{621, 1872, 1872, 9000}, [][]int{{0}, {1, 2}, {3}}},
	} {
		if diff := cmp.Diff(c.want, m.Partition(c.sources)); diff != "" {
			t.Errorf("%v: %s", c.sources, diff)
		}
	}
}

// TestLengthBucketsSampleDropoutInOrder compares a batch of two length buckets with the same pass
// over plain tensors: the buckets sample dropout in order.
func TestLengthBucketsSampleDropoutInOrder(t *testing.T) {
	p := spec.Protocols()[1]
	b := ragged(330, []int{330, 3}, []int{2, 1})
	short, long := ragged(3, []int{0, 3}, []int{0, 1}).Rows(1, 2), b.Rows(0, 1)
	short.TargetLen, short.Target = 1, short.Target[:1]
	long.TargetLen, long.Target = 2, long.Target[:2]
	for _, checkpointing := range []bool{false, true} {
		c := small()
		c.Dropout, c.FeedForward, c.Model = 0.3, 8000, 40
		m := newModel(t, c, 1)
		m.GradientCheckpointing = checkpointing
		if got := m.LengthBuckets(b, p, 0.3); len(got) != 2 {
			t.Fatalf("%d length buckets", len(got))
		}
		want, wantGradient := hfGradient(t, m, p, 7, short, long)
		got, gotGradient := gradient(t, m, b, p, 0)
		compare(t, want, got, wantGradient, gotGradient)
	}
}
