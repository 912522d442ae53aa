package recommend_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"rdrec/internal/beam"
	"rdrec/internal/prediction"
	"rdrec/internal/recommend"
	"rdrec/internal/spec"
	"rdrec/internal/task"
)

// TestStreamsOfRandomItems: each user has one for each task, above the streams of package task,
// which start at 0.
func TestStreamsOfRandomItems(t *testing.T) {
	for _, c := range []struct {
		tk   task.Task
		user int
		want uint64
	}{
		{task.Sequential, 0, 1<<48 + 1},
		{task.TopN, 0, 1<<48 + 2},
		{task.Sequential, 7, 1<<48 + 29},
		{task.TopN, 7, 1<<48 + 30},
	} {
		if got := recommend.Stream(c.tk, c.user); got != c.want {
			t.Errorf("user %d, %s: stream %d, want %d", c.user, c.tk, got, c.want)
		}
	}
	seen := map[uint64]bool{}
	for user := range 50 {
		for _, tk := range task.Tasks() {
			stream := recommend.Stream(tk, user)
			if seen[stream] {
				t.Errorf("user %d, %s: stream %d is another's", user, tk, stream)
			}
			seen[stream] = true
		}
	}
}

// TestPaperReadsWhatWasDecoded makes items of the decoded texts once more, by the streams of each
// user and task.
func TestPaperReadsWhatWasDecoded(t *testing.T) {
	job := miniJob(t, spec.Paper)
	job.Seed = 3
	history := map[int][]int{}
	for _, user := range job.Data.Users {
		history[user.ID] = user.Items[:len(user.Items)-1]
	}
	sampled := map[task.Task]map[int][]int{}
	for tk, run := range map[task.Task]func() ([]prediction.Prediction, error){
		task.Sequential: func() ([]prediction.Prediction, error) { return recommend.Sequential(t.Context(), job) },
		task.TopN:       func() ([]prediction.Prediction, error) { return recommend.TopN(t.Context(), job) },
	} {
		rankings, err := run()
		if err != nil {
			t.Fatal(err)
		}
		sampled[tk] = map[int][]int{}
		for _, r := range rankings {
			random := rand.New(
				rand.NewPCG(
					3,
					1<<48+uint64(r.User)*4+map[task.Task]uint64{task.Sequential: 1, task.TopN: 2}[tk],
				),
			)
			want := prediction.Prediction{
				Index: r.Index, User: r.User, Truth: r.Truth, Texts: r.Texts, Scores: r.Scores,
			}
			for _, text := range r.Texts {
				item, ok := recommend.ParseItem(text)
				switch {
				case !ok:
					item = 1 + random.IntN(job.Data.Items)
					want.Replaced++
					sampled[tk][r.User] = append(sampled[tk][r.User], item)
				case tk == task.Sequential && slices.Contains(history[r.User], item):
					want.Seen++
					continue
				}
				want.Items = append(want.Items, item)
			}
			if diff := gocmp.Diff(want, r); diff != "" {
				t.Errorf("user %d, %s (-want +got):\n%s", r.User, tk, diff)
			}
		}
	}
	for user, items := range sampled[task.TopN] {
		if other := sampled[task.Sequential][user]; len(items) > 1 && len(other) >= len(items) &&
			slices.Equal(items, other[:len(items)]) {
			t.Errorf("user %d: both rankings draw %v", user, items)
		}
	}
}

// TestAllTiesGoByTheTokens finds 150 items that score alike, over two steps, and no others.
func TestAllTiesGoByTheTokens(t *testing.T) {
	trie := newTrie(t, itemEncodings(300))
	got := recommend.NewPaths(trie.Except([]int{2, 101}), 300, 150).Run(1, func([]int32, int32) float32 { return 0 })
	var want []recommend.Found
	for item := range 153 {
		if item != 0 && item != 2 && item != 101 {
			want = append(want, recommend.Found{Item: item})
		}
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("items (-want +got):\n%s", diff)
	}
}

// TestTiesOfThreeScores: items of one token score alike in threes, by the token or by the end token
// after it.
func TestTiesOfThreeScores(t *testing.T) {
	const items, end = 60, 1
	spellings := map[int][]int32{}
	for item := range items {
		spellings[item+1] = []int32{int32(item + 2)}
	}
	trie := newTrie(t, spellings)
	var want []recommend.Found
	for rank := range 3 {
		for item := range items {
			if (item+2)%3 == rank {
				want = append(want, recommend.Found{Item: item + 1, Score: -float64(rank)})
			}
		}
	}
	for name, logProb := range map[string]func(path []int32, token int32) float32{
		"by the token": func(_ []int32, token int32) float32 {
			if token == end {
				return 0
			}
			return -float32(token % 3)
		},
		"by the end": func(path []int32, token int32) float32 {
			if token == end {
				return -float32(path[0] % 3)
			}
			return 0
		},
	} {
		if diff := gocmp.Diff(want, recommend.NewPaths(trie.Except(nil), items, items).Run(end, logProb)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestNarrowTiesKeepTheFirst: of paths that score alike the ones of the parent that comes first go
// on, then the ones of the lower token.
func TestNarrowTiesKeepTheFirst(t *testing.T) {
	trie := newTrie(t, map[int][]int32{
		1: {9, 5}, 2: {9, 6}, 3: {9, 7}, 4: {8, 5}, 5: {8, 6}, 6: {8, 7}, 7: {7, 5}, 8: {7, 6},
	})
	for name, c := range map[string]struct {
		scores map[int32]float32
		width  int
		want   []int
	}{
		"all alike":                {nil, 2, []int{7, 8}},
		"the highest token leads":  {map[int32]float32{9: 1}, 3, []int{1, 2, 3}},
		"two lead, in their order": {map[int32]float32{9: 1, 8: 1}, 4, []int{4, 5, 6, 1}},
		"then the second token":    {map[int32]float32{9: 1, 8: 1, 6: 1}, 4, []int{5, 2, 4, 6}},
	} {
		t.Run(name, func(t *testing.T) {
			got := recommend.NewPaths(trie.Except(nil), c.width, c.width).
				Run(1, func(_ []int32, token int32) float32 { return c.scores[token] - 2 })
			var items []int
			for _, f := range got {
				items = append(items, f.Item)
			}
			if diff := gocmp.Diff(c.want, items); diff != "" {
				t.Errorf("items (-want +got):\n%s", diff)
			}
		})
	}
}

// TestParts covers the rows of a job in batches, whatever their number: the borders of ten batches'
// parts, the last one short.
func TestPartsHaveWholeBatches(t *testing.T) {
	job := miniJob(t, spec.Clean)
	job.Evaluate.Batch, job.Evaluate.SequentialUsers = 2, 9
	job.Evaluate.NumBeams, job.Evaluate.NumReturnSequences = 1, 1
	for _, c := range []struct {
		part, parts int
		want        []int // rows done after each batch
	}{
		{0, 0, []int{2, 4, 6, 8, 9}},
		{0, 1, []int{2, 4, 6, 8, 9}},
		{0, 2, []int{2, 4}},
		{1, 2, []int{2, 4, 5}},
		{0, 5, []int{2}},
		{4, 5, []int{1}},
		{0, 7, nil},
		{1, 7, []int{2}},
		{6, 7, []int{1}},
	} {
		var done []int
		job.Shard, job.Shards = c.part, c.parts
		job.Progress = func(rows, total int) {
			done = append(done, rows)
			if len(c.want) == 0 || total != c.want[len(c.want)-1] {
				t.Errorf("part %d of %d: %d rows in all", c.part, c.parts, total)
			}
		}
		rankings, err := recommend.Sequential(t.Context(), job)
		if err != nil {
			t.Fatal(err)
		}
		if diff := gocmp.Diff(c.want, done); diff != "" || len(c.want) > 0 && len(rankings) != c.want[len(c.want)-1] {
			t.Errorf("part %d of %d: %d rankings, done (-want +got):\n%s", c.part, c.parts, len(rankings), diff)
		}
	}
}

func TestPartsThatAreNone(t *testing.T) {
	job := miniJob(t, spec.Clean)
	for part, want := range map[int]string{
		-1: "shard -1 of 2 is out of range (shards start at 0)",
		2:  "shard 2 of 2 is out of range (shards start at 0)",
	} {
		job.Shard, job.Shards = part, 2
		if _, err := recommend.Sequential(t.Context(), job); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

// TestWhatAWalkNeeds: a constraint a row, a beam and an item.
func TestWhatAWalkNeeds(t *testing.T) {
	job, batch, catalogue, _ := itemBatch(t, 2)
	all := []recommend.Constraint{catalogue.Except(nil), catalogue.Except(nil)}
	for name, c := range map[string]struct {
		walk recommend.ItemSearch
		want string
	}{
		"one of each": {recommend.ItemSearch{Constraints: all, NumBeams: 1, NumItems: 1}, ""},
		"no beam": {
			recommend.ItemSearch{Constraints: all, NumItems: 1},
			"item search: 1 items with 0 beams: at least 1 is needed",
		},
		"no item": {
			recommend.ItemSearch{Constraints: all, NumBeams: 1},
			"item search: 0 items with 1 beams: at least 1 is needed",
		},
		"a row too few": {
			recommend.ItemSearch{Constraints: all[:1], NumBeams: 1, NumItems: 1},
			"item search: 1 constraints for 2 rows",
		},
		"nothing at all": {recommend.ItemSearch{}, "item search: 0 constraints for 2 rows"},
	} {
		t.Run(name, func(t *testing.T) {
			found, err := recommend.SearchItems(t.Context(), job.Model, batch, catalogue, c.walk)
			if (err == nil) != (c.want == "") || err != nil && err.Error() != c.want {
				t.Errorf("error %v, want %q", err, c.want)
			}
			if err == nil && (len(found) != 2 || len(found[0]) != 1 || len(found[1]) != 1) {
				t.Errorf("found %v", found)
			}
		})
	}
	const end = 1
	_, err := recommend.NewCatalog(map[int][]int32{1: {5}, 2: {end, 6}}, end)
	if err == nil || err.Error() != "catalog: an item's tokens contain the end token 1" {
		t.Errorf("error %v", err)
	}
	_, err = recommend.NewCatalog(map[int][]int32{1: {5}, 2: {5}}, end)
	if err == nil || !strings.HasPrefix(err.Error(), "catalog: items 1 and 2") {
		t.Errorf("error %v", err)
	}
}

// TestSearchesThatFail name the rows, whoever asked for them.
func TestSearchesThatFail(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	job, batch, catalogue, _ := itemBatch(t, 2)
	_, err := beam.Search(ctx, job.Model, batch, beam.DefaultConfig(), true)
	if !errors.Is(err, context.Canceled) || !strings.HasPrefix(err.Error(), "beam search over 2 rows: ") {
		t.Errorf("beam search: error %v", err)
	}
	walk := recommend.ItemSearch{
		NumBeams:    1,
		NumItems:    1,
		Constraints: []recommend.Constraint{catalogue.Except(nil), catalogue.Except(nil)},
	}
	for name, search := range map[string]func() error{
		"host": func() error {
			_, err := recommend.SearchItemsOnHost(ctx, job.Model, batch, catalogue, walk)
			return err
		},
		"device": func() error {
			_, err := recommend.SearchItemsOnDevice(ctx, job.Model, batch, catalogue, walk)
			return err
		},
	} {
		if err := search(); !errors.Is(err, context.Canceled) ||
			!strings.HasPrefix(err.Error(), "item search over 2 rows: ") {
			t.Errorf("%s: error %v", name, err)
		}
	}
	mini := miniJob(t, spec.Clean)
	mini.Evaluate.ExplanationNumBeams = 0
	if _, err := recommend.Explain(
		t.Context(),
		mini,
	); err == nil ||
		!strings.Contains(err.Error(), "explanation rows 1 to 4: beam search: 0 beams") {
		t.Errorf("explanations: error %v", err)
	}
}
