package recommend_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/dataset"
	"rdrec/internal/indexing"
	"rdrec/internal/recommend"
	"rdrec/internal/spec"
	"rdrec/internal/t5"
	"rdrec/internal/task"
	"rdrec/internal/token"
	"rdrec/internal/torch"
)

func TestTopItemsByHand(t *testing.T) {
	scores := []float32{-1, -3, -1, 0, -2, -3}
	for _, c := range []struct {
		excluded []int
		n        int
		want     []int
	}{
		{nil, 3, []int{4, 1, 3}},
		{[]int{4, 1}, 3, []int{3, 5, 2}},
		{[]int{4, 4, 99}, 9, []int{1, 3, 5, 2, 6}},
		{[]int{1, 2, 3, 4, 5, 6}, 2, nil},
	} {
		var got []int
		for _, f := range recommend.TopItems(scores, c.excluded, c.n) {
			got = append(got, f.Item)
			if f.Score != float64(scores[f.Item-1]) {
				t.Errorf("item %d has the score %v", f.Item, f.Score)
			}
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%v, %d (-want +got):\n%s", c.excluded, c.n, diff)
		}
	}
}

// codedJob returns a job whose items have codes, and a random student with an item head.
func codedJob(t *testing.T, onePosition bool) recommend.Job {
	t.Helper()
	job := miniJob(t, spec.Clean)
	codes := spec.DefaultCodes()
	codes.Levels, codes.Width, codes.Dimensions = 2, 32, 8
	if _, err := indexing.Apply(job.Data, spec.ItemCodes, &codes, 1); err != nil {
		t.Fatal(err)
	}
	config := t5.FromSize(spec.Size{Model: 16, Head: 8, FeedForward: 16, Layers: 1, Heads: 2}, 3)
	config.Vocabulary = 32128
	model, err := t5.New(config.WithItems(t5.ItemConfig{
		ItemCodes: int64(job.Data.Codes.Tokens()), OnePosition: onePosition, ItemHead: true,
	}), 5, torch.CPU)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(model.Free)
	if err := model.UseItems(job.Data.Codes); err != nil {
		t.Fatal(err)
	}
	job.Model = model
	job.Evaluate.SequentialUsers = 7
	return job
}

// userOf returns the user with an id.
func userOf(d *dataset.Dataset, id int) dataset.User {
	return d.Users[slices.IndexFunc(d.Users, func(u dataset.User) bool { return u.ID == id })]
}

// TestSearchOfCodes compares both searches with each found item's own score.
func TestSearchOfCodes(t *testing.T) {
	for _, onePosition := range []bool{false, true} {
		job := codedJob(t, onePosition)
		predictions, err := recommend.Sequential(t.Context(), job)
		if err != nil {
			t.Fatal(err)
		}
		settings := job.Settings
		settings.Items = job.Model.ItemTokens()
		corpus, err := task.New(job.Data, settings)
		if err != nil {
			t.Fatal(err)
		}
		list, err := corpus.Test(task.Sequential, job.Seed)
		if err != nil {
			t.Fatal(err)
		}
		list = list.SampleEvenly(7)
		encoder, err := job.Encoder(20)
		if err != nil {
			t.Fatal(err)
		}
		catalog, err := job.NewCatalog()
		if err != nil {
			t.Fatal(err)
		}
		allowed := append([]int32{token.End}, catalog.Tokens()...)
		search := recommend.ItemSearch{
			NumBeams: job.Evaluate.NumBeams, NumItems: job.Evaluate.NumReturnSequences, MaskCross: true,
		}
		for i, p := range predictions {
			search.Constraints = append(search.Constraints, catalog.Except(userOf(job.Data, p.User).History()))
			if p.Truth != list.Examples[i].Item || len(p.Items) != job.Evaluate.NumReturnSequences {
				t.Errorf("user %d: %d items, truth %d", p.User, len(p.Items), p.Truth)
			}
			batch := encoder.Encode(list.Examples[i : i+1])
			tokens := append(settings.Items.Target(p.Items[0]), token.End)
			if want := sequenceScore(t, job, batch, tokens, allowed); math.Abs(p.Scores[0]-want) > 1e-4 {
				t.Errorf("user %d: item %d has the score %v, by itself %v", p.User, p.Items[0], p.Scores[0], want)
			}
		}
		host, device := searchOnBoth(t, job.Model, encoder.Encode(list.Examples), catalog, search)
		compareFound(t, fmt.Sprint("one position ", onePosition), host, device)
	}
}

// TestRankingByHead compares the rankings with the scores of all items.
func TestRankingByHead(t *testing.T) {
	job := codedJob(t, true)
	got, err := recommend.SequentialByHead(t.Context(), job)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 7 {
		t.Fatalf("%d predictions", len(got))
	}
	for _, p := range got {
		user := userOf(job.Data, p.User)
		if len(p.Items) != job.Evaluate.NumReturnSequences || p.Truth != user.TestItem() {
			t.Errorf("user %d: %d items, truth %d", p.User, len(p.Items), p.Truth)
		}
		for i, item := range p.Items {
			if slices.Contains(user.History(), item) {
				t.Errorf("user %d: item %d is in the history", p.User, item)
			}
			if i > 0 && p.Scores[i] > p.Scores[i-1] {
				t.Errorf("user %d: scores %v", p.User, p.Scores)
			}
		}
	}
	job.Shards = 2
	var merged [][]int
	for job.Shard = range 2 {
		part, err := recommend.SequentialByHead(t.Context(), job)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range part {
			merged = append(merged, append([]int{p.Index}, p.Items...))
		}
	}
	slices.SortFunc(merged, func(a, b []int) int { return a[0] - b[0] })
	for i, p := range got {
		if !slices.Equal(merged[i][1:], p.Items) {
			t.Errorf("user %d: the shards give %v, want %v", p.User, merged[i][1:], p.Items)
		}
	}
	job.Shards, job.Shard, job.Validation = 0, 0, true
	job.Model.ItemHead = false
	if none, err := recommend.SequentialByHead(t.Context(), job); none != nil || err != nil {
		t.Errorf("a student without a head gives %v, %v", none, err)
	}
}

// TestMemoryOfTheLargestCatalogue ranks a million items for 24 users by the item head: no result of
// an operation is larger than the scores that are computed at once, which are those of 16 users.
func TestMemoryOfTheLargestCatalogue(t *testing.T) {
	const items, users, limit = 1_000_000, 24, 64 << 20
	job := miniJob(t, spec.Clean)
	job.Data.Items, job.Data.Codes = items, &dataset.Codes{Widths: []int{1000, 1000}, Items: make([][]int, items)}
	for item := range job.Data.Codes.Items {
		job.Data.Codes.Items[item] = []int{item / 1000, item % 1000}
	}
	config := t5.FromSize(spec.Size{Model: 4, Head: 4, FeedForward: 4, Layers: 1, Heads: 1}, 3)
	model, err := t5.New(config.WithItems(t5.ItemConfig{
		ItemCodes: int64(job.Data.Codes.Tokens()), OnePosition: true, ItemHead: true,
	}), 5, torch.CPU)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(model.Free)
	if err := model.UseItems(job.Data.Codes); err != nil {
		t.Fatal(err)
	}
	job.Model, job.Evaluate.SequentialUsers, job.Evaluate.Batch = model, users, users
	var most atomic.Int64
	defer torch.InjectOOM(func(bytes int64) bool {
		most.Store(max(most.Load(), bytes))
		return false
	})()
	got, err := recommend.SequentialByHead(t.Context(), job)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d users, the largest result has %d bytes", len(got), most.Load())
	if len(got) != users || len(got[users-1].Items) != job.Evaluate.NumReturnSequences || most.Load() > limit {
		t.Errorf("%d users, the largest result has %d bytes, want at most %d", len(got), most.Load(), limit)
	}
}

// TestRecommenderByHead recommends to users whose next item is unknown: their whole history is
// read, and no item of it is recommended.
func TestRecommenderByHead(t *testing.T) {
	job := codedJob(t, true)
	rec, err := recommend.NewRecommender(job.Model, job.Tokenizer, job.Data, job.Settings.Method, job.Evaluate)
	if err != nil {
		t.Fatal(err)
	}
	users := job.Data.Users[:5]
	got, err := rec.RecommendByHead(t.Context(), users, 4, nil)
	if err != nil {
		t.Fatal(err)
	}
	encoder, err := job.Encoder(20)
	if err != nil {
		t.Fatal(err)
	}
	for i, user := range users {
		var source strings.Builder
		for _, item := range user.Items[max(0, len(user.Items)-20):] {
			fmt.Fprintf(&source, "<item_%d> ", item)
		}
		batch := encoder.Encode([]task.Example{{Prompt: task.PromptSequential, Source: source.String()}})
		var want []int
		if err := torch.Run(func(s *torch.Scope) error {
			scores, err := job.Model.ItemScores(s, batch)
			if err == nil {
				for _, f := range recommend.TopItems(scores.Float32s(), user.Items, 4) {
					want = append(want, f.Item)
				}
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got[i].Items); diff != "" {
			t.Errorf("user %d (-want +got):\n%s", user.ID, diff)
		}
	}
}
