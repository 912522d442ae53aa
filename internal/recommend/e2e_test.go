package recommend_test

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/dataset"
	"rdrec/internal/golden"
	"rdrec/internal/metric"
	"rdrec/internal/prediction"
	"rdrec/internal/recommend"
	"rdrec/internal/spec"
	"rdrec/internal/t5/modeltest"
	"rdrec/internal/task"
	"rdrec/internal/token"
)

// script is a run of one of the reference's inference scripts.
type script struct {
	Script    string           `json:"script"`
	Arguments []string         `json:"arguments"`
	Histories map[int][]string `json:"histories"`
	Records   []struct {
		User        int    `json:"user"`
		Item        int    `json:"item"`
		Explanation string `json:"explanation"`
	} `json:"records"`
	Printed   []string      `json:"printed"`
	Texts     [][]string    `json:"predicted_text"`
	Ranked    map[int][]int `json:"ranked_after_filter"`
	Random    int           `json:"unparsable_replaced_by_random"`
	Inputs    []string      `json:"inputs"`
	Generated string        `json:"generated_txt"`
}

// job is the script's, on the part of beauty_mini that it saw.
func (s script) job(t testing.TB, protocol string) recommend.Job {
	t.Helper()
	tokenizer, err := token.NewT5()
	if err != nil {
		t.Fatal(err)
	}
	data := modeltest.BeautyMini(t)
	if s.Histories != nil {
		data.Users = nil
		for _, user := range slices.Sorted(maps.Keys(s.Histories)) {
			data.Users = append(data.Users, dataset.User{ID: user, Items: atois(t, s.Histories[user])})
		}
	}
	if s.Records != nil {
		data.Explanations.Test = nil
		for _, r := range s.Records {
			e := dataset.Explanation{User: r.User, Item: r.Item, Explanation: r.Explanation}
			data.Explanations.Test = append(data.Explanations.Test, e)
		}
	}
	job := recommend.Job{
		Model: modeltest.Tiny(t), Tokenizer: tokenizer, Data: data, Evaluate: spec.Default().Evaluate, Seed: 1,
		Settings: task.Settings{Negatives: 99, Method: spec.Methods()[0], Protocol: modeltest.Protocol(t, protocol)},
	}
	for i := 0; i+1 < len(s.Arguments); i += 2 {
		n, err := strconv.Atoi(s.Arguments[i+1])
		if err != nil {
			t.Fatalf("argument %q: %v", s.Arguments[i+1], err)
		}
		e := &job.Evaluate
		set := map[string]map[string]*int{
			"seq.py":  {"--num_beams": &e.NumBeams, "--top_n": &e.NumReturnSequences},
			"topn.py": {"--num_beams": &e.NumBeams, "--top_n": &e.TopN, "--negative_num": &job.Settings.Negatives},
			"exp.py": {
				"--num_beams":       &e.ExplanationNumBeams,
				"--num_beam_groups": &e.ExplanationNumBeamGroups, "--min_len": &e.MinLength,
				"--exp_len": &e.MaxReferenceTokens,
			},
		}[s.Script][s.Arguments[i]]
		if s.Arguments[i] == "--batch_size" {
			set = &e.Batch
		}
		if set == nil {
			t.Fatalf("unknown argument %q", s.Arguments[i])
		}
		*set = n
	}
	return job
}

func atois(t testing.TB, texts []string) []int {
	t.Helper()
	all := make([]int, len(texts))
	for i, text := range texts {
		var err error
		if all[i], err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// scriptNamed is a run of e2e.json; a file without it skips the test.
func scriptNamed(t *testing.T, name string) script {
	t.Helper()
	var file map[string]script
	golden.Load(t, "e2e.json.gz", &file)
	s, ok := file[name]
	if !ok {
		t.Skipf("golden file %q has no run %q", "e2e.json.gz", name)
	}
	return s
}

func TestGoldenSequential(t *testing.T) {
	s := scriptNamed(t, "sequential")
	rankings, err := recommend.Sequential(t.Context(), s.job(t, spec.Paper))
	if err != nil {
		t.Fatal(err)
	}
	s.compare(t, rankings)
}

func TestGoldenTopN(t *testing.T) {
	s := scriptNamed(t, "topn")
	job := s.job(t, spec.Paper)
	corpus, err := task.New(job.Data, job.Settings)
	if err != nil {
		t.Fatal(err)
	}
	list, err := corpus.Test(task.TopN, 1)
	if err != nil {
		t.Fatal(err)
	}
	for i, input := range s.Inputs { // the reference shuffles candidates without a seed
		list.Examples[i].Source = input
	}
	rankings, err := recommend.Rank(t.Context(), job, list)
	if err != nil {
		t.Fatal(err)
	}
	s.compare(t, rankings)
}

// compare checks texts, items and the printed scores. Random items differ from the reference's, so
// scores are computed with the reference's items in their place.
func (s script) compare(t *testing.T, rankings []prediction.Prediction) {
	t.Helper()
	if len(rankings) != len(s.Texts) {
		t.Fatalf("%d rankings, the reference has %d", len(rankings), len(s.Texts))
	}
	random := 0
	lists := make([]metric.List, 0, len(rankings))
	for i, r := range rankings {
		if diff := cmp.Diff(s.Texts[i], r.Texts); diff != "" {
			t.Errorf("user %d: %s", r.User, diff)
		}
		want := s.Ranked[r.User]
		if len(r.Items) != len(want) {
			t.Fatalf("user %d: %d items, the reference has %d", r.User, len(r.Items), len(want))
		}
		sampled := 0
		for k, item := range r.Items {
			if item != want[k] {
				sampled++
			}
		}
		if sampled > r.Replaced {
			t.Errorf("user %d: %v, the reference has %v; only %d are random", r.User, r.Items, want, r.Replaced)
		}
		random += r.Replaced
		lists = append(lists, metric.List{Items: want, Truth: []int{r.Truth}})
	}
	if random != s.Random {
		t.Errorf("%d random items, the reference has %d", random, s.Random)
	}
	printed := make([]string, 0, len(s.Printed))
	for _, k := range []int{1, 5, 10} {
		hit, gain := 0.0, 0.0
		for _, list := range lists {
			hit += metric.HitRate(list, k)
			gain += metric.NDCG(list, k)
		}
		n := float64(len(lists))
		printed = append(printed, fmt.Sprintf("HR@%d %7.4f", k, hit/n), fmt.Sprintf("NDCG@%d %7.4f", k, gain/n))
	}
	if diff := cmp.Diff(s.Printed, printed); diff != "" {
		t.Error(diff)
	}
}

func TestGoldenExplain(t *testing.T) {
	s := scriptNamed(t, "explanation")
	texts, err := recommend.Explain(t.Context(), s.job(t, spec.Paper))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	words := make([]metric.Text, len(texts))
	for i, text := range texts {
		fmt.Fprintf(&out, "%s\n%s\n\n", text.Reference, text.Generated)
		words[i] = metric.Text{Reference: token.Fields(text.Reference), Generated: token.Fields(text.Generated)}
	}
	if diff := cmp.Diff(s.Generated, out.String()); diff != "" {
		t.Error(diff)
	}
	scores, err := metric.ScoreTexts(words)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]string{}
	for i, name := range []string{"ROUGE-1", "ROUGE-2", "ROUGE-L"} {
		for letter, part := range map[string]string{" F": "f", " P": "p", " R": "r"} {
			names[name+letter] = fmt.Sprintf("rouge_%c/%s_score", "12l"[i], part)
		}
	}
	printed := make([]string, 0, len(scores))
	for _, score := range scores {
		name := score.Metric
		if other := names[name]; other != "" {
			name = other
		}
		printed = append(printed, fmt.Sprintf("%s %7.4f", name, score.Value))
	}
	if diff := cmp.Diff(slices.Sorted(slices.Values(s.Printed)), slices.Sorted(slices.Values(printed))); diff != "" {
		t.Error(diff)
	}
}
