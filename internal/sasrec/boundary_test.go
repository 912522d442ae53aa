package sasrec_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/baseline"
	"rdrec/internal/dataset"
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

func constant(value float64) func(int) float64 { return func(int) float64 { return value } }

// fixedScores returns a model whose scores do not depend on the history; scores[i] is that of item
// i+1.
func fixedScores(t *testing.T, scores ...float64) *sasrec.Model {
	t.Helper()
	settings := sasrec.Settings{HiddenSize: 1, Heads: 1, Blocks: 1, MaxLength: 4}
	return newModel(t, settings, len(scores), weights{
		"items": func(index int) float64 {
			if index == 0 {
				return 99 // of the padding, which is not an item
			}
			return scores[index-1]
		},
		"norm.bias": constant(1),
	})
}

func TestTopKByHand(t *testing.T) {
	history := func(k int, items ...int) baseline.Query { return baseline.Query{History: items, K: k} }
	among := func(k int, items ...int) baseline.Query {
		return baseline.Query{History: []int{1}, Candidates: items, K: k}
	}
	scores := []float32{5, 1, 3, 3, 2, 3} // items 3, 4 and 6 are equal
	for _, c := range []struct {
		query baseline.Query
		want  []int
	}{
		{history(0), nil},
		{history(1), []int{1}},
		{history(2, 1), []int{3, 4}},
		{history(3, 1), []int{3, 4, 6}},
		{history(4, 1), []int{3, 4, 6, 5}},
		{history(9, 1), []int{3, 4, 6, 5, 2}},
		{history(2, 1, 3), []int{4, 6}},
		{history(2, 1, 2, 3, 4, 5, 6), nil},
		{among(2, 6, 4, 3), []int{3, 4}},
		{among(2, 3, 4, 6), []int{3, 4}},
		{among(9, 6, 2, 6, 4, 2), []int{4, 6, 2}}, // each once
		{among(2, 6, 4, 6, 4), []int{4, 6}},
		{among(9, 2, 1), []int{1, 2}}, // candidates of the history are ranked too
		{among(0, 2, 1), nil},
	} {
		if got := sasrec.TopK(c.query, scores...); !slices.Equal(got, c.want) {
			t.Errorf("%+v: %v, want %v", c.query, got, c.want)
		}
	}
	// More equal items than an unstable sort would leave in order.
	var want []int
	for item := 1; item <= 40; item++ {
		want = append(want, item)
	}
	if got := sasrec.TopK(history(40), make([]float32, 50)...); !slices.Equal(got, want) {
		t.Errorf("equal scores: %v, want items 1 to 40", got)
	}
}

func TestNewBatchByHand(t *testing.T) {
	got := sasrec.NewBatch([][]int{{1, 2, 3, 4}, {5}, {6, 7, 8}}, [][]int{{2, 3, 4, 5}, {6}, {7, 8, 9}}, 3)
	want := sasrec.Batch{
		Inputs: []int64{2, 3, 4, 5, 0, 0, 6, 7, 8}, Width: 3, // of four items the most recent three
		Positions: []int64{0, 1, 2, 3, 6, 7, 8}, Labels: []int64{2, 3, 4, 5, 6, 7, 8},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("batch (-want +got):\n%s", diff)
	}
	unlabeled := sasrec.NewBatch([][]int{{1}, {2, 3}}, nil, 9)
	if diff := cmp.Diff(sasrec.Batch{Inputs: []int64{1, 0, 2, 3}, Width: 2}, unlabeled); diff != "" {
		t.Errorf("without labels (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(sasrec.Batch{Inputs: []int64{}}, sasrec.NewBatch(nil, nil, 3)); diff != "" {
		t.Errorf("without histories (-want +got):\n%s", diff)
	}
}

// TestExamplesNeedTwoTrainingItems: the last two items are held out, and a single training item has
// no successor to predict.
func TestExamplesNeedTwoTrainingItems(t *testing.T) {
	d := &dataset.Dataset{Items: 9, Users: []dataset.User{
		{ID: 1, Items: []int{1, 2, 3}},
		{ID: 2, Items: []int{4, 5, 6, 7}},
		{ID: 3, Items: []int{1, 2, 3, 4, 5}},
		{ID: 4},
	}}
	if diff := cmp.Diff([][2][]int{{{4}, {5}}, {{1, 2}, {2, 3}}}, sasrec.TrainingExamples(d)); diff != "" {
		t.Errorf("examples (-want +got):\n%s", diff)
	}
}

// TestShuffledReturnsEachExampleOnce: each example is in one batch, with others of its bucket that
// have about the same length.
func TestShuffledReturnsEachExampleOnce(t *testing.T) {
	lengths := make([]int, 150)
	for i := range lengths {
		lengths[i] = 1 + i%7
	}
	seen := map[string]bool{}
	for seed := range uint64(3) {
		batches := sasrec.Shuffled(lengths, 4, seed)
		var all, sizes []int
		padding := 0
		for _, batch := range batches {
			all, sizes = append(all, batch...), append(sizes, len(batch))
			for i, index := range batch {
				padding += lengths[batch[len(batch)-1]] - lengths[index]
				if i > 0 && lengths[index] < lengths[batch[i-1]] {
					t.Errorf("seed %d: a batch is not sorted by length", seed)
				}
			}
		}
		seen[fmt.Sprint(all)] = true
		// Two buckets of 64 in 16 batches each, and the last of 22 in six, of which one has two.
		if slices.Sort(sizes); len(sizes) != 38 || sizes[0] != 2 || sizes[1] != 4 || sizes[37] != 4 {
			t.Errorf("seed %d: batches of %v", seed, sizes)
		}
		// Hardly any batch has two lengths; without sorting, nearly all would have three or four.
		if padding > 60 {
			t.Errorf("seed %d: %d positions of padding", seed, padding)
		}
		slices.Sort(all)
		for i, index := range all {
			if index != i {
				t.Fatalf("seed %d: the examples are %v", seed, all)
			}
		}
		if again := sasrec.Shuffled(lengths, 4, seed); !cmp.Equal(batches, again) {
			t.Errorf("seed %d gives other batches in a second call", seed)
		}
	}
	if len(seen) != 3 {
		t.Errorf("three seeds gave %d different orders", len(seen))
	}
}

// TestRankByHand ranks by known scores: ties by item id, at most K, no item of the history.
func TestRankByHand(t *testing.T) {
	m := fixedScores(t, 5, 1, 3, 3, 2, 3)
	queries := []baseline.Query{
		{History: []int{1}, K: 3},
		{History: []int{2, 1}, K: 9},
		{K: 2},
		{History: []int{1}, Candidates: []int{6, 5, 3}, K: 2},
	}
	want := [][]int{{3, 4, 6}, {3, 4, 6, 5}, {1, 2}, {3, 6}} // without a history, all scores are equal
	for range 300 {                                          // more than one forward pass scores
		queries, want = append(queries, queries[len(queries)%4]), append(want, want[len(want)%4])
	}
	got, err := m.Rank(t.Context(), queries)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("lists (-want +got):\n%s", diff)
	}
}

// TestValidateByHand: each case has a user whose validation item has a known rank among the items
// that are not in the training history.
func TestValidateByHand(t *testing.T) {
	// Items 1 to 14 score the higher the higher their id; all others are equal and below them.
	scores := make([]float64, 30)
	for i := range scores {
		scores[i] = -5
		if i < 14 {
			scores[i] = float64(i + 1)
		}
	}
	users := func(lists ...[]int) *dataset.Dataset {
		d := &dataset.Dataset{Items: 30}
		for i, items := range lists {
			d.Users = append(d.Users, dataset.User{ID: i + 1, Items: items})
		}
		return d
	}
	at := func(rank int) float64 { return 1 / math.Log2(float64(rank)+1) } // 1 is the first
	for _, c := range []struct {
		name string
		d    *dataset.Dataset
		want float64
	}{
		{"first", users([]int{1, 14, 2}), 1},
		{"second", users([]int{1, 13, 2}), at(2)},
		{"the history is left out", users([]int{14, 13, 2}), 1},
		{"the test item is not left out", users([]int{1, 13, 14}), at(2)},
		{"tenth", users([]int{1, 5, 2}), at(10)},
		{"eleventh", users([]int{1, 4, 2}), 0},
		{"ties count against it", users([]int{1, 20, 2}), 0},
		{"mean of two", users([]int{1, 14, 2}, []int{1, 13, 2}), (1 + at(2)) / 2},
		{"too short", users([]int{14, 13}, []int{1, 13, 2}), at(2)},
		{"bought again", users([]int{1, 1, 2}, []int{1, 13, 2}), at(2)},
		{"nobody", users([]int{14, 13}), 0},
	} {
		got, err := fixedScores(t, scores...).Validate(t.Context(), c.d)
		if err != nil || math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%s: %v, %v; want %v", c.name, got, err, c.want)
		}
	}
	tied := fixedScores(t, 1, 2, 2)
	if got, err := tied.Validate(t.Context(), users([]int{1, 2, 3})); err != nil || math.Abs(got-at(2)) > 1e-9 {
		t.Errorf("with two equal items: %v, %v; want %v of rank 2", got, err, at(2))
	}
	nan := fixedScores(t, 1, 2, math.NaN())
	if got, err := nan.Validate(t.Context(), users([]int{1, 2, 3})); err != nil || math.Abs(got-at(2)) > 1e-9 {
		t.Errorf("with a score of NaN: %v, %v; want %v of rank 2", got, err, at(2))
	}
}

// TestOnlyTheMostRecentItemsCount: of a history longer than MaxLength, only the last MaxLength
// items change the scores.
func TestOnlyTheMostRecentItemsCount(t *testing.T) {
	settings := sasrec.Settings{HiddenSize: 8, Heads: 2, Blocks: 2, MaxLength: 3, Batch: 1, Epochs: 1}
	m, err := sasrec.New(settings, 30, 5, torch.CPU)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Free()
	var all []int
	for item := 1; item <= 30; item++ {
		all = append(all, item)
	}
	histories := [][]int{{1, 2, 3}, {9, 1, 2, 3}, {8, 9, 1, 2, 3}, {2, 3}, {9, 2, 3}, {3, 2, 1}}
	var queries []baseline.Query
	for _, history := range histories {
		queries = append(queries, baseline.Query{History: history, Candidates: all, K: 30})
	}
	lists, err := m.Rank(t.Context(), queries)
	if err != nil {
		t.Fatal(err)
	}
	for i, equal := range []bool{true, true, true, false, false, false} {
		if slices.Equal(lists[0], lists[i]) != equal {
			t.Errorf("history %v ranks as %v: %t, want %t", histories[i], histories[0], !equal, equal)
		}
	}
	for i, query := range queries { // the same one by one as in a batch
		alone, err := m.Rank(t.Context(), []baseline.Query{query})
		if err != nil || !slices.Equal(alone[0], lists[i]) {
			t.Errorf("history %v ranks differently alone: %v", query.History, err)
		}
	}
}

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
	norm := constant(1)

	embedding := newModel(t, settings, 3, weights{"items": constant(1), "norm.weight": norm})
	if got := values(encode(embedding, 0, 1)); len(got) != 1 {
		t.Errorf("without dropout an item's entries are %v, want them equal", got)
	}
	if got := values(encode(embedding, 0.5, 1)); len(got) != 2 {
		t.Errorf("with dropout an item's entries are %v, want two values: dropped and kept", got)
	}

	// The first half of the feed-forward layer gives 1, its last bias adds 1: dropout of {0, 2} + 1
	// gives {0, 2, 6}.
	feed := newModel(t, settings, 3, weights{
		"block0.up_bias": constant(1), "block0.down": identity(dim), "block0.down_bias": constant(1),
		"norm.weight": norm,
	})
	if got := values(encode(feed, 0.5, 1)); len(got) != 3 {
		t.Errorf("a feed-forward layer's entries are %v, want three values", got)
	}

	// A history of one item attends to that item alone: dropout of the attention weights drops a
	// whole head, dropout of the output single entries.
	attention := newModel(t, settings, 3, weights{
		"block0.attention_norm.bias": constant(1), "block0.qkv": identity(3 * dim), "block0.out": identity(dim),
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

// frozen returns a job whose weights hardly change.
func frozen(d *dataset.Dataset, settings sasrec.Settings) sasrec.Job {
	settings.LearningRate = 1e-30
	return sasrec.Job{Data: d, Grid: []sasrec.Settings{settings}, Seeds: []int64{1}}
}

// TestTheFirstOfEqualEpochsAndPointsIsKept: frozen weights give the same metric after each epoch
// and at each point.
func TestTheFirstOfEqualEpochsAndPointsIsKept(t *testing.T) {
	settings := sasrec.Settings{HiddenSize: 4, Heads: 1, Blocks: 1, MaxLength: 5, Batch: 8}
	for _, c := range []struct{ epochs, patience, want int }{{10, 2, 3}, {10, 1, 2}, {10, 0, 2}, {2, 5, 2}, {1, 1, 1}} {
		settings.Epochs, settings.Patience = c.epochs, c.patience
		tuned, _ := trainJob(t, frozen(chains(20), settings))
		got := tuned.Grid[0]
		lengths := []int{got.Epochs, len(got.Losses), len(got.Validations), got.BestEpoch}
		if diff := cmp.Diff([]int{c.want, c.want, c.want, 1}, lengths); diff != "" {
			t.Errorf("%d epochs, patience %d: epochs, losses, validations and best epoch (-want +got):\n%s",
				c.epochs, c.patience, diff)
		}
	}
	job := frozen(chains(20), settings)
	job.Grid = append(job.Grid, job.Grid[0], job.Grid[0])
	if tuned, _ := trainJob(t, job); tuned.Chosen != 0 || len(tuned.Grid) != 3 ||
		tuned.Grid[1].Validation != tuned.Grid[0].Validation {
		t.Errorf("chosen %d of %d equal points", tuned.Chosen, len(tuned.Grid))
	}
	// Without validation items the metric is 0, and the first epoch is the best.
	again := &dataset.Dataset{Items: 3, Users: []dataset.User{{ID: 1, Items: []int{1, 2, 1, 3}}}}
	settings.Epochs, settings.Patience = 3, 1
	tuned, _ := trainJob(t, frozen(again, settings))
	if got := tuned.Grid[0]; got.BestEpoch != 1 || got.Validation != 0 || got.Epochs != 2 {
		t.Errorf("without validation items: %+v", got)
	}
}

// TestEachStepSamplesDropout: frozen weights have another loss in each epoch, because each step
// samples its own dropout.
func TestEachStepSamplesDropout(t *testing.T) {
	settings := sasrec.Settings{HiddenSize: 8, Heads: 1, Blocks: 1, MaxLength: 5, Batch: 64, Epochs: 3, Patience: 9}
	losses := func(dropout float64) []float64 {
		settings.Dropout = dropout
		tuned, _ := trainJob(t, frozen(chains(20), settings)) // one batch
		return tuned.Grid[0].Losses
	}
	for i, loss := range losses(0) {
		if first := losses(0)[0]; math.Abs(loss-first) > 1e-5 {
			t.Errorf("without dropout, epoch %d: loss %v, want %v as before", i+1, loss, first)
		}
	}
	if got := losses(0.5); math.Abs(got[0]-got[1]) < 1e-5 || math.Abs(got[1]-got[2]) < 1e-5 ||
		math.Abs(got[0]-got[2]) < 1e-5 {
		t.Errorf("with dropout: losses %v, want three that differ", got)
	}
}

// TestProgressCountsTrainingsEpochsAndSteps: progress is reported at the first step of an epoch, at
// every twentieth after it and at its end.
func TestProgressCountsTrainingsEpochsAndSteps(t *testing.T) {
	settings := sasrec.Settings{
		HiddenSize: 2, Heads: 1, Blocks: 1, MaxLength: 3, Batch: 1, Epochs: 2, Patience: 5,
		LearningRate: 0.001,
	}
	job := sasrec.Job{Data: chains(21), Grid: []sasrec.Settings{settings, settings}, Seeds: []int64{1, 2}}
	var got []string
	var best []float64
	job.Progress = func(p sasrec.Progress) {
		got = append(got, fmt.Sprintf("%d/%d %d/%d %d/%d", p.Training, p.Trainings, p.Epoch, p.Epochs, p.Step, p.Steps))
		best = append(best, p.Best)
		if p.Loss <= 0 || p.Loss > 10 {
			t.Errorf("loss %v", p.Loss)
		}
	}
	tuned, _ := trainJob(t, job)
	var want []string
	for training := 1; training <= 3; training++ {
		for _, steps := range []string{"1/2 1/21", "1/2 21/21", "2/2 0/0", "2/2 1/21", "2/2 21/21", "2/2 0/0"} {
			want = append(want, fmt.Sprintf("%d/3 %s", training, steps))
		}
	}
	if diff := cmp.Diff(strings.Join(want, "\n"), strings.Join(got, "\n")); diff != "" {
		t.Errorf("progress (-want +got):\n%s", diff)
	}
	if best[0] != 0 || best[2] != tuned.Grid[0].Validations[0] || best[5] != tuned.Grid[0].Validation {
		t.Errorf("best so far %v, want 0, then that of %+v", best[:6], tuned.Grid[0])
	}
	if tuned.Trials[0].Parameters != 61*2+3*2+6*4+8*2 {
		t.Errorf("%d parameters", tuned.Trials[0].Parameters)
	}
}

// TestErrorsOfUseEndTheRun: an error of use ends the run, whatever the seed, and frees all tensors.
func TestErrorsOfUseEndTheRun(t *testing.T) {
	before := torch.Live()
	broken := errors.New("broken")
	settings := sasrec.Settings{HiddenSize: 2, Heads: 1, Blocks: 1, MaxLength: 3, Batch: 8, Epochs: 1}
	for _, at := range []int64{1, 2, 3} {
		job := sasrec.Job{Data: chains(10), Grid: []sasrec.Settings{settings}, Seeds: []int64{1, 2, 3}}
		var used []int64
		tuned, err := sasrec.Run(t.Context(), job, func(seed int64, _ *sasrec.Model) error {
			if used = append(used, seed); seed == at {
				return broken
			}
			return nil
		})
		if !errors.Is(err, broken) || len(used) != int(at) || len(tuned.Trials) != int(at) {
			t.Errorf("seed %d: %v after seeds %v and %d trials", at, err, used, len(tuned.Trials))
		}
	}
	odd := sasrec.Job{Data: chains(10), Grid: []sasrec.Settings{settings}, Seeds: []int64{1}, Device: "abacus"}
	if _, err := sasrec.Run(t.Context(), odd, func(int64, *sasrec.Model) error { return nil }); err == nil {
		t.Error("trained on an abacus")
	}
	diverging := settings
	diverging.LearningRate, diverging.Epochs, diverging.Patience = 1e30, 5, 5
	job := sasrec.Job{Data: chains(10), Grid: []sasrec.Settings{diverging}, Seeds: []int64{1}}
	_, err := sasrec.Run(t.Context(), job, func(int64, *sasrec.Model) error { return nil })
	if !errors.Is(err, sasrec.ErrSettings) || !strings.Contains(err.Error(), "a lower learning rate may help") {
		t.Errorf("diverging: %v, want %v", err, sasrec.ErrSettings)
	}
	if after := torch.Live(); after != before {
		t.Errorf("%d tensors were left behind", after-before)
	}
}
