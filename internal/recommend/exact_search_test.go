package recommend_test

import (
	"slices"
	"strconv"
	"testing"

	"rdrec/internal/recommend"
	"rdrec/internal/spec"
	"rdrec/internal/task"
	"rdrec/internal/token"
	"rdrec/internal/torch"
)

// TestSearchItemsExact compares a search wide enough to drop nothing with every candidate's own
// score.
func TestSearchItemsExact(t *testing.T) {
	job := miniJob(t, spec.Clean)
	corpus, err := task.New(job.Data, job.Settings)
	if err != nil {
		t.Fatal(err)
	}
	list, err := corpus.Test(task.TopN, 1)
	if err != nil {
		t.Fatal(err)
	}
	list = list.SampleEvenly(3)
	encodings := map[int][]int32{}
	for _, example := range list.Examples {
		for _, item := range example.Items {
			ids := job.Tokenizer.Encode(strconv.Itoa(item))
			encodings[item] = ids[:len(ids)-1]
		}
	}
	catalog, err := recommend.NewCatalog(encodings, token.End)
	if err != nil {
		t.Fatal(err)
	}
	encoder, err := task.NewEncoder(job.Tokenizer, job.Settings, 20)
	if err != nil {
		t.Fatal(err)
	}
	search := recommend.ItemSearch{NumBeams: 100, NumItems: 100, MaskCross: true}
	for _, example := range list.Examples {
		only, err := catalog.Only(example.Items)
		if err != nil {
			t.Fatal(err)
		}
		search.Constraints = append(search.Constraints, only.Except(nil))
	}
	found, err := recommend.SearchItems(t.Context(), job.Model, encoder.Encode(list.Examples), catalog, search)
	if err != nil {
		t.Fatal(err)
	}
	tokens := append([]int32{token.End}, catalog.Tokens()...)
	for row, example := range list.Examples {
		if len(found[row]) != len(example.Items) {
			t.Fatalf("row %d: %d of %d candidates found", row, len(found[row]), len(example.Items))
		}
		for _, f := range found[row][:10] {
			want := sequenceScore(
				t, job, encoder.Encode(list.Examples[row:row+1]), append(slices.Clone(encodings[f.Item]), token.End),
				tokens,
			)
			if diff := f.Score - want; diff > 1e-4 || diff < -1e-4 {
				t.Errorf("row %d: item %d scores %v, by itself %v", row, f.Item, f.Score, want)
			}
		}
	}
}

// sequenceScore is the sum of the log-probabilities of tokens, among the alphabet's, for a batch of
// one row.
func sequenceScore(t *testing.T, job recommend.Job, b task.Batch, tokens, allowed []int32) float64 {
	t.Helper()
	b.Target, b.TargetLen = nil, len(tokens)
	for _, token := range tokens {
		b.Target = append(b.Target, int64(token))
	}
	sum := 0.0
	err := torch.Run(func(s *torch.Scope) error {
		pass, err := job.Model.Forward(s, b, job.Settings.Protocol)
		if err != nil {
			return err
		}
		columns := make([]int64, len(allowed))
		for i, token := range allowed {
			columns[i] = int64(token)
		}
		scores := pass.Logits.IndexSelect(2, s.FromInt64(columns, int64(len(columns)))).LogSoftmax(-1).Float32s()
		for i, token := range tokens {
			sum += float64(scores[i*len(allowed)+slices.Index(allowed, token)])
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return sum
}
