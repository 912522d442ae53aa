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

// built is a model with the given weights, as a value for each place of a parameter; the others are
// 0.
func built(t *testing.T, settings sasrec.Settings, items int,
	weights map[string]func(place int) float64,
) *sasrec.Model {
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
		t.Fatalf("%d of %d weights are the model's", found, len(weights))
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

func always(value float64) func(int) float64 { return func(int) float64 { return value } }

// scoring is a model that gives each item the same score whatever the history: scores[i] is item
// i+1's.
func scoring(t *testing.T, scores ...float64) *sasrec.Model {
	t.Helper()
	return built(t, sasrec.Settings{HiddenSize: 1, Heads: 1, Blocks: 1, MaxLength: 4}, len(scores), map[string]func(int) float64{
		"items": func(place int) float64 {
			if place == 0 {
				return 99 // the padding's, which is no item
			}
			return scores[place-1]
		},
		"norm.bias": always(1),
	})
}

func TestBestByHand(t *testing.T) {
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
		{among(9, 6, 2, 6, 4, 2), []int{4, 6, 2}}, // scoreEach once
		{among(2, 6, 4, 6, 4), []int{4, 6}},
		{among(9, 2, 1), []int{1, 2}}, // the history does not matter to candidates
		{among(0, 2, 1), nil},
	} {
		if got := sasrec.Best(c.query, scores...); !slices.Equal(got, c.want) {
			t.Errorf("%+v: %v, want %v", c.query, got, c.want)
		}
	}
	// More equal items than a sort that is not stable leaves in their order.
	var want []int
	for item := 1; item <= 40; item++ {
		want = append(want, item)
	}
	if got := sasrec.Best(history(40), make([]float32, 50)...); !slices.Equal(got, want) {
		t.Errorf("equal scores: %v, want items 1 to 40", got)
	}
}

func TestNewBatchByHand(t *testing.T) {
	got := sasrec.NewBatch([][]int{{1, 2, 3, 4}, {5}, {6, 7, 8}}, [][]int{{2, 3, 4, 5}, {6}, {7, 8, 9}}, 3)
	want := sasrec.Batch{
		Inputs: []int64{2, 3, 4, 5, 0, 0, 6, 7, 8}, Width: 3, // of four items the latest three
		Positions: []int64{0, 1, 2, 3, 6, 7, 8}, Labels: []int64{2, 3, 4, 5, 6, 7, 8},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("batch (-want +got):\n%s", diff)
	}
	unlabelled := sasrec.NewBatch([][]int{{1}, {2, 3}}, nil, 9)
	if diff := cmp.Diff(sasrec.Batch{Inputs: []int64{1, 0, 2, 3}, Width: 2}, unlabelled); diff != "" {
		t.Errorf("without labels (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(sasrec.Batch{Inputs: []int64{}}, sasrec.NewBatch(nil, nil, 3)); diff != "" {
		t.Errorf("of nothing (-want +got):\n%s", diff)
	}
}

// TestPairsNeedTwoTrainingItems: the last two items are held out, and a single one before them has
// nothing to predict.
func TestPairsNeedTwoTrainingItems(t *testing.T) {
	d := &dataset.Dataset{Items: 9, Users: []dataset.User{
		{ID: 1, Items: []int{1, 2, 3}}, {ID: 2, Items: []int{4, 5, 6, 7}}, {ID: 3, Items: []int{1, 2, 3, 4, 5}}, {ID: 4},
	}}
	if diff := cmp.Diff([][2][]int{{{4}, {5}}, {{1, 2}, {2, 3}}}, sasrec.Pairs(d)); diff != "" {
		t.Errorf("examples (-want +got):\n%s", diff)
	}
}

// TestShuffledDealsEachExampleOnce, in batches of one bucket's neighbours by length.
func TestShuffledDealsEachExampleOnce(t *testing.T) {
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
			for i, place := range batch {
				padding += lengths[batch[len(batch)-1]] - lengths[place]
				if i > 0 && lengths[place] < lengths[batch[i-1]] {
					t.Errorf("seed %d: a batch is not in order of length", seed)
				}
			}
		}
		seen[fmt.Sprint(all)] = true
		// Two buckets of 64 in 16 batches each, and the last of 22 in six, of which one has two.
		if slices.Sort(sizes); len(sizes) != 38 || sizes[0] != 2 || sizes[1] != 4 || sizes[37] != 4 {
			t.Errorf("seed %d: batches of %v", seed, sizes)
		}
		if padding > 60 { // hardly any batch has two lengths; of batches in no order nearly all would have three or four
			t.Errorf("seed %d: %d places of padding", seed, padding)
		}
		slices.Sort(all)
		for i, place := range all {
			if place != i {
				t.Fatalf("seed %d: the examples are %v", seed, all)
			}
		}
		if again := sasrec.Shuffled(lengths, 4, seed); !cmp.Equal(batches, again) {
			t.Errorf("seed %d gives other batches the second time", seed)
		}
	}
	if len(seen) != 3 {
		t.Errorf("three seeds gave %d orders", len(seen))
	}
}

// TestRankByHand ranks by scores that are known: ties by number, at most K, nothing of the history.
func TestRankByHand(t *testing.T) {
	m := scoring(t, 5, 1, 3, 3, 2, 3)
	queries := []baseline.Query{
		{History: []int{1}, K: 3}, {History: []int{2, 1}, K: 9}, {K: 2}, {
			History: []int{1}, Candidates: []int{6, 5, 3},
			K: 2,
		},
	}
	want := [][]int{{3, 4, 6}, {3, 4, 6, 5}, {1, 2}, {3, 6}} // nothing to go by: all scores are equal
	for range 300 {                                          // more than are scored together
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

// TestValidateByHand has one user whose validation item has a known place among the items that are
// not in the training history.
func TestValidateByHand(t *testing.T) {
	// Of items 1 to 14 the higher number is the better; all others are equal and below them.
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
	at := func(place int) float64 { return 1 / math.Log2(float64(place)+1) } // 1 is the first
	for _, c := range []struct {
		name string
		d    *dataset.Dataset
		want float64
	}{
		{"first", users([]int{1, 14, 2}), 1},
		{"second", users([]int{1, 13, 2}), at(2)},
		{"first once the history is gone", users([]int{14, 13, 2}), 1},
		{"the test item is not gone", users([]int{1, 13, 14}), at(2)},
		{"tenth", users([]int{1, 5, 2}), at(10)},
		{"eleventh", users([]int{1, 4, 2}), 0},
		{"ties count against it", users([]int{1, 20, 2}), 0},
		{"mean of two", users([]int{1, 14, 2}, []int{1, 13, 2}), (1 + at(2)) / 2},
		{"too short", users([]int{14, 13}, []int{1, 13, 2}), at(2)},
		{"bought again", users([]int{1, 1, 2}, []int{1, 13, 2}), at(2)},
		{"nobody", users([]int{14, 13}), 0},
	} {
		if got, err := scoring(t, scores...).Validate(t.Context(), c.d); err != nil || math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%s: %v, %v; want %v", c.name, got, err, c.want)
		}
	}
	tied := scoring(t, 1, 2, 2)
	if got, err := tied.Validate(t.Context(), users([]int{1, 2, 3})); err != nil || math.Abs(got-at(2)) > 1e-9 {
		t.Errorf("of two equal items: %v, %v; want the second place's %v", got, err, at(2))
	}
	none := scoring(t, 1, 2, math.NaN())
	if got, err := none.Validate(t.Context(), users([]int{1, 2, 3})); err != nil || math.Abs(got-at(2)) > 1e-9 {
		t.Errorf("beside what is no number: %v, %v; want the second place's %v", got, err, at(2))
	}
}

// TestTheLatestItemsCount: of a history longer than Length the items before do not matter, those
// within do.
func TestTheLatestItemsCount(t *testing.T) {
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
	for i, same := range []bool{true, true, true, false, false, false} {
		if slices.Equal(lists[0], lists[i]) != same {
			t.Errorf("history %v ranks as %v: %t, want %t", histories[i], histories[0], !same, same)
		}
	}
	for i, query := range queries { // one by one as together
		if alone, err := m.Rank(t.Context(), []baseline.Query{query}); err != nil || !slices.Equal(alone[0], lists[i]) {
			t.Errorf("history %v ranks otherwise alone: %v", query.History, err)
		}
	}
}

// TestWeightsAreTheSeeds: the same seed gives the same weights, another one others.
func TestWeightsAreTheSeeds(t *testing.T) {
	weights := func(seed int64) []float32 {
		m, err := sasrec.New(sasrec.Settings{HiddenSize: 4, Heads: 2, Blocks: 1, MaxLength: 3, Batch: 1, Epochs: 1}, 5, seed, torch.CPU)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Free()
		return m.Flat().Float32s()
	}
	one := weights(1)
	if !slices.Equal(one, weights(1)) || slices.Equal(one, weights(2)) {
		t.Error("weights of seeds 1, 1 and 2 are not the same, and others")
	}
	// Two tables, 3 * 16 + 16 + 16 + 16 weights, and the norms' and biases' 4 each.
	if want := 6*4 + 3*4 + 6*16 + 8*4; len(one) != want {
		t.Errorf("%d weights, want %d", len(one), want)
	}
}

func TestSettingsAtTheirLeast(t *testing.T) {
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

// TestDropoutIsDrawnFromTheSeed: the same seed drops the same, another one something else; without
// dropout there is nothing to draw.
func TestDropoutIsDrawnFromTheSeed(t *testing.T) {
	loss := func(dropout float64, seed int64) (value float64) {
		settings := sasrec.Settings{HiddenSize: 8, Heads: 2, Blocks: 1, MaxLength: 4, Dropout: dropout, Batch: 1, Epochs: 1}
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

// TestDropoutsPlaces has models in which one place of dropout shows: half of the vectors' entries
// are dropped, the others doubled.
func TestDropoutsPlaces(t *testing.T) {
	const dim = 64
	settings := sasrec.Settings{HiddenSize: dim, Heads: 2, Blocks: 1, MaxLength: 2}
	identity := func(rows int) func(int) float64 { // rows of which the last dim are those of the identity
		return func(place int) float64 {
			if place/dim-(rows-dim) == place%dim {
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
	norm := always(1)

	embedding := built(t, settings, 3, map[string]func(int) float64{"items": always(1), "norm.weight": norm})
	if got := values(encode(embedding, 0, 1)); len(got) != 1 {
		t.Errorf("without dropout an item's entries are %v, want them equal", got)
	}
	if got := values(encode(embedding, 0.5, 1)); len(got) != 2 {
		t.Errorf("with dropout an item's entries are %v, want two values: dropped and kept", got)
	}

	// 1 from the first half of the feed-forward layer and 1 from its last bias: {0, 2} + 1 is
	// dropped again, {0, 2, 6}.
	feed := built(t, settings, 3, map[string]func(int) float64{
		"block0.up_bias": always(1), "block0.down": identity(dim), "block0.down_bias": always(1), "norm.weight": norm,
	})
	if got := values(encode(feed, 0.5, 1)); len(got) != 3 {
		t.Errorf("a feed-forward layer's entries are %v, want three values", got)
	}

	// A history of one item attends to it alone: dropout of the scores takes a head as a whole,
	// that of the output single entries.
	attention := built(t, settings, 3, map[string]func(int) float64{
		"block0.attention_norm.bias": always(1), "block0.qkv": identity(3 * dim), "block0.out": identity(dim),
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

// still is a job whose weights hardly move.
func still(d *dataset.Dataset, settings sasrec.Settings) sasrec.Job {
	settings.LearningRate = 1e-30
	return sasrec.Job{Data: d, Grid: []sasrec.Settings{settings}, Seeds: []int64{1}}
}

// TestTheFirstOfEqualEpochsAndPointsIsKept: weights that do not move are as good after each epoch
// and in each point.
func TestTheFirstOfEqualEpochsAndPointsIsKept(t *testing.T) {
	settings := sasrec.Settings{HiddenSize: 4, Heads: 1, Blocks: 1, MaxLength: 5, Batch: 8}
	for _, c := range []struct{ epochs, endure, want int }{{10, 2, 3}, {10, 1, 2}, {10, 0, 2}, {2, 5, 2}, {1, 1, 1}} {
		settings.Epochs, settings.Patience = c.epochs, c.endure
		tuned, _ := trainJob(t, still(chains(20), settings))
		if got := tuned.Grid[0]; got.Epochs != c.want || got.BestEpoch != 1 || len(got.Losses) != c.want ||
			len(got.Validations) != c.want {
			t.Errorf("%d epochs, endure %d: %d epochs, best %d; want %d and 1", c.epochs, c.endure, got.Epochs, got.BestEpoch, c.want)
		}
	}
	job := still(chains(20), settings)
	job.Grid = append(job.Grid, job.Grid[0], job.Grid[0])
	if tuned, _ := trainJob(t, job); tuned.Chosen != 0 || len(tuned.Grid) != 3 ||
		tuned.Grid[1].Validation != tuned.Grid[0].Validation {
		t.Errorf("chosen %d of %d equal points", tuned.Chosen, len(tuned.Grid))
	}
	// Nothing to validate on: the figure is 0, and the first epoch is the best.
	again := &dataset.Dataset{Items: 3, Users: []dataset.User{{ID: 1, Items: []int{1, 2, 1, 3}}}}
	settings.Epochs, settings.Patience = 3, 1
	if tuned, _ := trainJob(t, still(again, settings)); tuned.Grid[0].BestEpoch != 1 || tuned.Grid[0].Validation != 0 ||
		tuned.Grid[0].Epochs != 2 {
		t.Errorf("without validation items: %+v", tuned.Grid[0])
	}
}

// TestEachStepDropsAnew: weights that do not move have another loss in each epoch, because each
// step draws its dropout.
func TestEachStepDropsAnew(t *testing.T) {
	settings := sasrec.Settings{HiddenSize: 8, Heads: 1, Blocks: 1, MaxLength: 5, Batch: 64, Epochs: 3, Patience: 9}
	losses := func(dropout float64) []float64 {
		settings.Dropout = dropout
		tuned, _ := trainJob(t, still(chains(20), settings)) // one batch
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

// TestProgressCountsTrainingsEpochsAndSteps: a word at the first step of an epoch, at every
// twentieth after it and at its end.
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
		t.Errorf("best so far %v, want none, then that of %+v", best[:6], tuned.Grid[0])
	}
	if tuned.Trials[0].Parameters != 61*2+3*2+6*4+8*2 {
		t.Errorf("%d parameters", tuned.Trials[0].Parameters)
	}
}

// TestErrorsOfUseEndTheRun, whichever seed they are of, and no tensor stays.
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
	_, err := sasrec.Run(t.Context(), sasrec.Job{Data: chains(10), Grid: []sasrec.Settings{diverging}, Seeds: []int64{1}},
		func(int64, *sasrec.Model) error { return nil })
	if !errors.Is(err, sasrec.ErrSettings) || !strings.Contains(err.Error(), "a lower learning rate may help") {
		t.Errorf("diverging: %v, want %v", err, sasrec.ErrSettings)
	}
	if after := torch.Live(); after != before {
		t.Errorf("%d tensors were left behind", after-before)
	}
}
