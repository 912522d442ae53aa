package recommend_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"rdrec/internal/beam"
	"rdrec/internal/prediction"
	"rdrec/internal/recommend"
	"rdrec/internal/spec"
	"rdrec/internal/t5"
	"rdrec/internal/task"
	"rdrec/internal/torch"
)

// miniJob evaluates the golden model on a few users of beauty_mini.
func miniJob(t *testing.T, protocol string) recommend.Job {
	t.Helper()
	job := script{}.job(t, protocol)
	job.Evaluate.Batch = 4
	job.Evaluate.SequentialUsers, job.Evaluate.TopNUsers, job.Evaluate.Explanations = 10, 6, 10
	return job
}

// evaluations returns the three evaluations.
func evaluations() map[string]func(context.Context, recommend.Job) (any, error) {
	return map[string]func(context.Context, recommend.Job) (any, error){
		"sequential": func(ctx context.Context, job recommend.Job) (any, error) {
			return recommend.Sequential(ctx, job)
		},
		"topn":    func(ctx context.Context, job recommend.Job) (any, error) { return recommend.TopN(ctx, job) },
		"explain": func(ctx context.Context, job recommend.Job) (any, error) { return recommend.Explain(ctx, job) },
	}
}

// TestResultsDoNotDependOnMemory lets every search of more than one row run out of memory once it
// has begun: the rows are halved until one is left, and the results are those of whole batches.
func TestResultsDoNotDependOnMemory(t *testing.T) {
	for _, protocol := range []string{spec.Paper, spec.Clean} {
		job := miniJob(t, protocol)
		job.Evaluate.SequentialUsers, job.Evaluate.TopNUsers, job.Evaluate.Explanations = 5, 4, 4
		for name, run := range evaluations() {
			t.Run(protocol+"/"+name, func(t *testing.T) {
				want, err := run(t.Context(), job)
				if err != nil {
					t.Fatal(err)
				}
				live, failed := torch.Live(), 0
				restore := torch.InjectOOM(func(int64) bool {
					failed++
					return failed <= 2
				})
				got, err := run(t.Context(), job)
				restore()
				if err != nil || failed < 3 {
					t.Fatalf("%d failures: %v", failed, err)
				}
				if diff := cmp.Diff(want, got, cmpopts.EquateApprox(0, 1e-5)); diff != "" {
					t.Errorf("with less memory (-want +got):\n%s", diff)
				}
				if left := torch.Live() - live; left != 0 {
					t.Errorf("%d tensors left", left)
				}
			})
		}
	}
}

// TestShardsMergeExactly compares parts put together with the whole, scores included, in both
// protocols.
func TestShardsMergeExactly(t *testing.T) {
	for _, protocol := range []string{spec.Paper, spec.Clean} {
		job := miniJob(t, protocol)
		for name, run := range evaluations() {
			t.Run(protocol+"/"+name, func(t *testing.T) {
				whole, err := run(t.Context(), job)
				if err != nil {
					t.Fatal(err)
				}
				for _, shards := range []int{2, 3, 7} {
					all := make([]any, shards)
					for shard := range shards {
						one := job
						one.Shard, one.Shards = shard, shards
						found, err := run(t.Context(), one)
						if err != nil {
							t.Fatal(err)
						}
						all[shard] = found
					}
					if diff := cmp.Diff(whole, merge(t, all)); diff != "" {
						t.Errorf("%d parts: %s", shards, diff)
					}
				}
			})
		}
	}
}

func merge(t *testing.T, shards []any) any {
	t.Helper()
	var rankings [][]prediction.Prediction
	var texts [][]prediction.Text
	for _, shard := range shards {
		switch found := shard.(type) {
		case []prediction.Prediction:
			rankings = append(rankings, found)
		case []prediction.Text:
			texts = append(texts, found)
		}
	}
	slices.Reverse(rankings) // workers end in any order
	slices.Reverse(texts)
	if rankings != nil {
		return prediction.Merge(rankings...)
	}
	return prediction.Merge(texts...)
}

// TestCleanRankings checks what protocol clean promises: in the catalogue, unseen or candidates,
// different, enough, in order.
func TestCleanRankings(t *testing.T) {
	job := miniJob(t, spec.Clean)
	history := map[int][]int{}
	for _, user := range job.Data.Users {
		history[user.ID] = user.Items[:len(user.Items)-1]
	}
	type allow = func(r prediction.Prediction, item int) bool
	check := func(rankings []prediction.Prediction, users, want int, allowed allow) {
		if len(rankings) != users {
			t.Fatalf("%d rankings for %d users", len(rankings), users)
		}
		for i, r := range rankings {
			if r.Index != i || len(r.Items) != want || r.Replaced+r.Seen != 0 {
				t.Errorf("place %d: %+v", i, r)
			}
			seen := map[int]bool{}
			for k, item := range r.Items {
				if r.Texts[k] != strconv.Itoa(item) {
					t.Errorf("user %d: item %d has the text %q", r.User, item, r.Texts[k])
				}
				if seen[item] || !allowed(r, item) {
					t.Errorf("user %d: item %d is repeated or not allowed", r.User, item)
				}
				seen[item] = true
				if k > 0 && r.Scores[k] > r.Scores[k-1] {
					t.Errorf("user %d: scores are not in order: %v", r.User, r.Scores)
				}
			}
		}
	}
	rankings, err := recommend.Sequential(t.Context(), job)
	if err != nil {
		t.Fatal(err)
	}
	check(rankings, 10, job.Evaluate.NumReturnSequences, func(r prediction.Prediction, item int) bool {
		return 1 <= item && item <= job.Data.Items && !slices.Contains(history[r.User], item)
	})
	rankings, err = recommend.TopN(t.Context(), job)
	if err != nil {
		t.Fatal(err)
	}
	check(rankings, 6, job.Evaluate.TopN, func(r prediction.Prediction, item int) bool {
		return item == r.Truth || slices.Contains(job.Data.Negatives[r.User], item)
	})
}

// TestCleanIsIndependentOfBatches decodes the same users in batches of one and of all.
func TestCleanIsIndependentOfBatches(t *testing.T) {
	job := miniJob(t, spec.Clean)
	items := func(batch int) (all [][]int) {
		job.Evaluate.Batch = batch
		rankings, err := recommend.Sequential(t.Context(), job)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rankings {
			all = append(all, r.Items)
		}
		return all
	}
	if diff := cmp.Diff(items(1), items(10)); diff != "" {
		t.Error(diff)
	}
}

// TestPaperRandomItemsDependOnTheSeedAlone checks that random items come from the seed alone.
func TestPaperRandomItemsDependOnTheSeedAlone(t *testing.T) {
	job := miniJob(t, spec.Paper)
	run := func(seed int64) []prediction.Prediction {
		job.Seed = seed
		rankings, err := recommend.Sequential(t.Context(), job)
		if err != nil {
			t.Fatal(err)
		}
		return rankings
	}
	first := run(1)
	if !slices.ContainsFunc(first, func(r prediction.Prediction) bool { return r.Replaced > 0 }) {
		t.Fatal("no text that is no number: the test tests nothing")
	}
	if diff := cmp.Diff(first, run(1)); diff != "" {
		t.Error(diff)
	}
	if cmp.Equal(first, run(2)) {
		t.Error("another seed samples the same items")
	}
}

// TestNoTensorLeaks decodes 50 batches of each kind: no tensor stays behind.
func TestNoTensorLeaks(t *testing.T) {
	for _, protocol := range []string{spec.Paper, spec.Clean} {
		job := miniJob(t, protocol)
		job.Evaluate.Batch, job.Evaluate.NumBeams, job.Evaluate.NumReturnSequences = 1, 4, 4
		job.Evaluate.SequentialUsers, job.Evaluate.TopNUsers, job.Evaluate.Explanations = 50, 4, 4
		job.Evaluate.TopN, job.Evaluate.MaxLength = 4, 14
		for name, run := range evaluations() {
			before, during := torch.Live(), int64(0)
			job.Progress = func(done, total int) {
				live := torch.Live()
				if during == 0 {
					during = live // with what the catalog keeps
				}
				if live != during {
					t.Fatalf("%d of %d rows: %d tensors, %d after the first batch", done, total, live, during)
				}
			}
			if _, err := run(t.Context(), job); err != nil {
				t.Fatalf("%s %s: %v", protocol, name, err)
			}
			if after := torch.Live(); after != before {
				t.Errorf("%s %s: %d tensors left", protocol, name, after-before)
			}
		}
	}
}

func TestProgressAndCancel(t *testing.T) {
	job := miniJob(t, spec.Clean)
	for name, run := range evaluations() {
		ctx, cancel := context.WithCancel(t.Context())
		var done []int
		job.Progress = func(rows, _ int) {
			done = append(done, rows)
			cancel()
		}
		before := torch.Live()
		_, err := run(ctx, job)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: error %v", name, err)
		}
		if !slices.Equal(done, []int{4}) {
			t.Errorf("%s: told of %v rows", name, done)
		}
		if torch.Live() != before {
			t.Errorf("%s: %d tensors left behind", name, torch.Live()-before)
		}
	}
}

func TestNoUsersOrExplanations(t *testing.T) {
	job := miniJob(t, spec.Paper)
	job.Evaluate.SequentialUsers, job.Evaluate.TopNUsers, job.Evaluate.Explanations = -1, -1, -1
	for name, run := range evaluations() {
		found, err := run(t.Context(), job)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if r, ok := found.([]prediction.Prediction); ok && len(r) > 0 {
			t.Errorf("%s: %d rankings", name, len(r))
		}
	}
}

func TestInvalidJobs(t *testing.T) {
	for name, c := range map[string]struct {
		change func(j *recommend.Job)
		want   string
	}{
		"part":  {func(j *recommend.Job) { j.Shard, j.Shards = 2, 2 }, "shard 2 of 2 is out of range"},
		"batch": {func(j *recommend.Job) { j.Evaluate.Batch = 0 }, "batches of 0 rows"},
		"return": {
			func(j *recommend.Job) { j.Evaluate.NumReturnSequences = 21 }, "21 sequences to return of 20 beams",
		},
		"length":  {func(j *recommend.Job) { j.Evaluate.MaxLength = 1 }, "maximum length 1"},
		"beams":   {func(j *recommend.Job) { j.Evaluate.NumBeams = 0 }, "0 beams"},
		"several": {func(j *recommend.Job) { j.Evaluate.NumBeams, j.Evaluate.MaxLength = 0, 1 }, "maximum length 1"},
	} {
		t.Run(name, func(t *testing.T) {
			job := miniJob(t, spec.Paper)
			c.change(&job)
			_, err := recommend.Sequential(t.Context(), job)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}

// encodeExamples encodes the first rows of a kind's test list.
func encodeExamples(t *testing.T, job recommend.Job, tk task.Task, rows int) task.Batch {
	t.Helper()
	corpus, err := task.New(job.Data, job.Settings)
	if err != nil {
		t.Fatal(err)
	}
	list, err := corpus.Test(tk, 1)
	if err != nil {
		t.Fatal(err)
	}
	encoder, err := task.NewEncoder(job.Tokenizer, job.Settings, 20)
	if err != nil {
		t.Fatal(err)
	}
	return encoder.Encode(list.SampleEvenly(rows).Examples)
}

// TestManyRows searches the same rows many times in one batch, more than are scored at a time: all
// find the same.
func TestManyRows(t *testing.T) {
	const times = 13 // 13 * 8 rows * 20 beams: more than maxSequences
	job := miniJob(t, spec.Paper)
	few := encodeExamples(t, job, task.Sequential, 8)
	many := few
	many.Size *= times
	many.Prompts, many.Source = slices.Repeat(few.Prompts, times), slices.Repeat(few.Source, times)
	many.Mask, many.Whole = slices.Repeat(few.Mask, times), slices.Repeat(few.Whole, times)
	many.Target = slices.Repeat(few.Target, times)
	config := beam.DefaultConfig()
	config.MaxLength = 6
	tokens := func(b task.Batch) (all [][]int32) {
		found, err := beam.Search(t.Context(), job.Model, b, config, false)
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range slices.Concat(found...) {
			all = append(all, h.Tokens)
		}
		return all
	}
	if diff := cmp.Diff(slices.Repeat(tokens(few), times), tokens(many)); diff != "" {
		t.Error(diff)
	}
}

// TestGroupsWithoutDiversityPenaltyMatchOneGroup compares three groups of seven beams with seven
// plain ones, returning several.
func TestGroupsWithoutDiversityPenaltyMatchOneGroup(t *testing.T) {
	job := miniJob(t, spec.Paper)
	batch := encodeExamples(t, job, task.Explanation, 3)
	search := func(c beam.Config) [][]beam.Hypothesis {
		c.MinLength = 10
		found, err := beam.Search(t.Context(), job.Model, batch, c, false)
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	groups, plain := beam.DefaultConfig(), beam.DefaultConfig()
	groups.NumBeams, groups.NumBeamGroups, groups.NumReturnSequences = 21, 3, 6
	plain.NumBeams, plain.NumReturnSequences = 7, 2
	want := search(plain)
	for row, three := range search(groups) {
		for i, h := range three { // each of the best twice three times
			if diff := cmp.Diff(want[row][i/3], h); diff != "" {
				t.Errorf("row %d, sequence %d: %s", row, i, diff)
			}
		}
	}
}

// TestUnknownIDsAreDropped generates ids that the student has and the tokenizer has not; the
// reference fails on them.
func TestUnknownIDsAreDropped(t *testing.T) {
	job := miniJob(t, spec.Paper)
	text, err := job.Text(beam.Hypothesis{Tokens: []int32{32100, 314, 32127}})
	if err != nil || text != "4" {
		t.Errorf("text %q, error %v", text, err)
	}
}

// TestEveryMethod evaluates a student with random weights for each method.
func TestEveryMethod(t *testing.T) {
	for _, method := range spec.Methods() {
		for _, protocol := range []string{spec.Paper, spec.Clean} {
			job := miniJob(t, protocol)
			job.Settings.Method = method
			job.Evaluate.MaxLength, job.Evaluate.MinLength = 6, 3
			model, err := t5.New(t5.FromSize(spec.Sizes()[0], method.PromptVectors), 1, torch.CPU)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(model.Free)
			job.Model = model
			for name, run := range evaluations() {
				if _, err := run(t.Context(), job); err != nil {
					t.Errorf("%s, %s, %s: %v", method.Name, protocol, name, err)
				}
			}
		}
	}
}
