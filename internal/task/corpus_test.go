package task_test

import (
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/dataset"
	"rdrec/internal/spec"
	"rdrec/internal/task"
	"rdrec/internal/token"
)

// small returns a dataset of four users with 2, 3, 4 and 5 items, and explanations in all splits.
func small() *dataset.Dataset {
	return &dataset.Dataset{
		Name: "small", Items: 40,
		Users: []dataset.User{
			{ID: 1, Items: []int{1, 2}},
			{ID: 2, Items: []int{1, 2, 3}},
			{ID: 3, Items: []int{4, 5, 6, 7}},
			{ID: 4, Items: []int{8, 9, 10, 11, 12}},
		},
		Explanations: dataset.Splits{
			Train: []dataset.Explanation{
				{User: 2, Item: 1, Explanation: "good", Preference: "p", Attribution: "a"},
				{User: 2, Item: 2, Explanation: "about the validation item", Preference: "p", Attribution: "a"},
				{User: 3, Item: 7, Explanation: "about the test item"},
				{User: 4, Item: 8, Explanation: "no rationale"},
			},
			Val: []dataset.Explanation{
				{User: 4, Item: 9, Explanation: "fine"},
				{User: 4, Item: 12, Explanation: "about the test item"},
			},
			Test: []dataset.Explanation{{User: 4, Item: 12, Explanation: "soft"}},
		},
		Negatives: map[int][]int{2: {20, 21}, 3: {22, 23}, 4: {24, 25}},
	}
}

func TestCorpusNoticesDisabledTasks(t *testing.T) {
	bare := small()
	bare.Explanations = dataset.Splits{}
	long, one := small(), small()
	long.Users = long.Users[2:]
	for i := range long.Explanations.Train {
		e := &long.Explanations.Train[i]
		e.User, e.Item, e.Preference, e.Attribution = 3, 4, "p", "a"
	}
	long.Explanations.Val = long.Explanations.Val[:1]
	one.Users = one.Users[2:]
	one.Explanations.Train = one.Explanations.Train[2:]
	one.Explanations.Train[1].Preference, one.Explanations.Train[1].Attribution = "p", "a"
	for name, c := range map[string]struct {
		data     *dataset.Dataset
		settings task.Settings
		tasks    []task.Task
		notices  []string
	}{
		"no notices": {long, clean("rdrec"), task.Tasks(), nil},
		"one held out of each": {one, clean("rdrec"), task.Tasks(), []string{
			"1 of 2 training explanations are about a validation or test item: they are held out",
			"1 of 2 validation explanations are about a test item: they are held out",
		}},
		"everything": {small(), paper("rdrec"), task.Tasks(), []string{
			"1 of 4 users have fewer than 3 items: they are left out of sequential and top-N examples",
			"1 of 4 users have 3 items, of which one is to train on: they are evaluated, but left out of " +
				"sequential training",
			"2 of 4 training explanations have no rationale: they are left out of rationale examples",
		}},
		"a method without rationales": {small(), paper("pod"), []task.Task{
			task.Explanation, task.Sequential, task.TopN,
		}, []string{
			"1 of 4 users have fewer than 3 items: they are left out of sequential and top-N examples",
			"1 of 4 users have 3 items, of which one is to train on: they are evaluated, but left out of " +
				"sequential training",
		}},
		"no explanations": {bare, paper("rdrec"), []task.Task{task.Sequential, task.TopN}, []string{
			"1 of 4 users have fewer than 3 items: they are left out of sequential and top-N examples",
			"1 of 4 users have 3 items, of which one is to train on: they are evaluated, but left out of " +
				"sequential training",
			`explanation is off: dataset "small" has no training explanations`,
			`rationale is off: dataset "small" has no training rationales (distill them)`,
		}},
		"held out": {small(), clean("rdrec"), task.Tasks(), []string{
			"1 of 4 users have fewer than 3 items: they are left out of sequential and top-N examples",
			"1 of 4 users have 3 items, of which one is to train on: they are evaluated, but left out of " +
				"sequential training",
			"2 of 4 training explanations are about a validation or test item: they are held out",
			"1 of 2 validation explanations are about a test item: they are held out",
			"1 of 2 training explanations have no rationale: they are left out of rationale examples",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			corpus := newCorpus(t, c.data, c.settings)
			if diff := cmp.Diff(c.notices, corpus.Notices); diff != "" {
				t.Errorf("notices (-want +got):\n%s", diff)
			}
			for _, tk := range task.Tasks() {
				if want := slices.Contains(c.tasks, tk); corpus.Has(tk) != want {
					t.Errorf("has %s: %t, want %t", tk, !want, want)
				}
			}
		})
	}
}

func TestHeldOutPairsAreNeverTrainedOn(t *testing.T) {
	data := small()
	shows := func(s task.Settings) bool {
		for _, batch := range next(newMixer(t, data, s, train(8), 1), 5) {
			for _, example := range batch {
				if strings.HasPrefix(example.Target, "about the") {
					return true
				}
			}
		}
		return false
	}
	if !shows(paper("rdrec")) {
		t.Error("protocol paper holds explanations out, the reference does not")
	}
	if shows(clean("rdrec")) {
		t.Error("protocol clean trains on an explanation of a held-out pair")
	}
	list, err := newCorpus(t, data, clean("rdrec")).Validation(task.Explanation, 1, 1)
	if err != nil || len(list.Examples) != 1 {
		t.Errorf("protocol clean validates on %d explanations (%v), want 1", len(list.Examples), err)
	}
}

func TestCorpusRejectsInvalidData(t *testing.T) {
	odd := paper("rdrec")
	odd.Method.TemplateSet = "poetry"
	p5 := paper("p5")
	p5.Method.Rationale = true
	many := paper("rdrec")
	many.Negatives = 36
	table := paper("rdrec")
	table.Negatives = 510
	blanks := paper("p5")
	blanks.Negatives = 250
	large := small()
	large.Items = 2000
	for name, c := range map[string]struct {
		data     *dataset.Dataset
		settings task.Settings
		want     string
	}{
		"an unknown template set": {small(), odd, `no template set "poetry"; known are pod, p5`},
		"a family without a kind": {small(), p5, `template set "p5" has no templates for rationale`},
		"too few items": {
			small(), many, "user 4 has seen 5 of 40 items: 35 are left, each top-N example needs 36",
		},
		"too many numbers": {
			large, table, "a list of 511 items has more whole words than the student's 511 whole-word embeddings",
		},
		"too many words": {
			large, blanks, "a list of 251 items has more whole words than the student's 511 whole-word embeddings",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := task.New(c.data, c.settings); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}

func TestListsFollowTheSplit(t *testing.T) {
	corpus := newCorpus(t, small(), paper("rdrec"))
	type row struct {
		Source, Target string
	}
	rows := func(list task.List, err error) []row {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		var out []row
		for _, example := range list.Examples {
			out = append(out, row{example.Source, example.Target})
		}
		return out
	}
	if diff := cmp.Diff([]row{
		{"user_2 item_1", "2"}, {"user_3 item_4 item_5", "6"}, {"user_4 item_8 item_9 item_10", "11"},
	}, rows(corpus.Validation(task.Sequential, 1, 1))); diff != "" {
		t.Errorf("sequential validation (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]row{
		{"user_2 item_1 item_2", "3"},
		{"user_3 item_4 item_5 item_6", "7"},
		{"user_4 item_8 item_9 item_10 item_11", "12"},
	}, rows(corpus.Test(task.Sequential, 1))); diff != "" {
		t.Errorf("sequential test (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]row{{"user_4 item_12", "soft"}}, rows(corpus.Test(task.Explanation, 1))); diff != "" {
		t.Errorf("explanation test (-want +got):\n%s", diff)
	}
}

func TestTopNCandidatesFollowTheProtocol(t *testing.T) {
	valid := func(s task.Settings, epoch int) []task.Example {
		t.Helper()
		list, err := newCorpus(t, small(), s).Validation(task.TopN, 1, epoch)
		if err != nil {
			t.Fatal(err)
		}
		for _, example := range list.Examples {
			if len(example.Items) != s.Negatives+1 || !slices.Contains(example.Items, example.Item) {
				t.Errorf("user %d: candidates %v for %d", example.User, example.Items, example.Item)
			}
		}
		return list.Examples
	}
	if cmp.Equal(valid(paper("rdrec"), 1), valid(paper("rdrec"), 2)) {
		t.Error("protocol paper: epochs 1 and 2 are validated on the same negatives")
	}
	if !cmp.Equal(valid(paper("rdrec"), 1), valid(paper("rdrec"), 1)) {
		t.Error("protocol paper: epoch 1 has other negatives the second time")
	}
	if diff := cmp.Diff(valid(clean("rdrec"), 1), valid(clean("rdrec"), 2)); diff != "" {
		t.Errorf("protocol clean: epochs 1 and 2 differ:\n%s", diff)
	}
	list, err := newCorpus(t, small(), clean("rdrec")).Test(task.TopN, 1)
	if err != nil {
		t.Fatal(err)
	}
	got := slices.Sorted(slices.Values(list.Examples[0].Items))
	if diff := cmp.Diff([]int{3, 20, 21}, got); diff != "" {
		t.Errorf("candidates of user 2 (-want +got):\n%s", diff)
	}
	data := small()
	delete(data.Negatives, 3)
	_, err = newCorpus(t, data, paper("rdrec")).Test(task.TopN, 1)
	if err == nil || !strings.Contains(err.Error(), "user 3 has no negatives") {
		t.Errorf("error %v, want one about user 3", err)
	}
}

func TestBatchesCountRecords(t *testing.T) {
	data := read(t, "beauty_mini")
	for _, s := range []task.Settings{paper("rdrec"), clean("rdrec")} {
		list, err := newCorpus(t, data, s).Validation(task.Rationale, 1, 1)
		if err != nil {
			t.Fatal(err)
		}
		list = list.SampleEvenly(5)
		var sizes, tasks []int
		for b := range list.Batches(newEncoder(t, s, 20), 2) {
			sizes = append(sizes, b.Size)
			if len(tasks) == 0 {
				for _, id := range b.Prompts {
					tasks = append(tasks, int(id))
				}
			}
		}
		if diff := cmp.Diff([]int{4, 4, 2}, sizes); diff != "" {
			t.Errorf("%s: sizes (-want +got):\n%s", s.Protocol.Name, diff)
		}
		want := []int{3, 3, 4, 4}
		if s.Protocol.CorrectTasks {
			want = []int{3, 4, 3, 4}
		}
		if diff := cmp.Diff(want, tasks); diff != "" {
			t.Errorf("%s: tasks (-want +got):\n%s", s.Protocol.Name, diff)
		}
	}
}

func TestOnlyPaperPadsToTheWholeList(t *testing.T) {
	data := small()
	data.Explanations.Val = []dataset.Explanation{
		{User: 4, Item: 9, Explanation: "ok"},
		{User: 4, Item: 9, Explanation: "a much longer text than the one before it"},
	}
	widths := func(s task.Settings) []int {
		list, err := newCorpus(t, data, s).Validation(task.Explanation, 1, 1)
		if err != nil {
			t.Fatal(err)
		}
		var out []int
		for b := range list.Batches(newEncoder(t, s, 20), 1) {
			out = append(out, b.TargetLen)
		}
		return out
	}
	if got := widths(paper("rdrec")); got[0] != got[1] {
		t.Errorf("protocol paper: widths %v, want them equal", got)
	}
	if got := widths(clean("rdrec")); got[0] >= got[1] {
		t.Errorf("protocol clean: widths %v, want each batch's own", got)
	}
}

func TestTruncatedTargetsEndAsTheProtocolSays(t *testing.T) {
	example := []task.Example{{Source: "user_1", Target: "a rather long answer, which is cut before it ends"}}
	for _, s := range []task.Settings{paper("rdrec"), clean("rdrec")} {
		b := newEncoder(t, s, 6).Encode(example)
		if b.TargetLen != 6 {
			t.Errorf("%s: %d tokens, want 6", s.Protocol.Name, b.TargetLen)
		}
		if ends := b.Target[5] == int64(token.End); ends != s.Protocol.SkipPads {
			t.Errorf("%s: ends in the end token: %t", s.Protocol.Name, ends)
		}
	}
}

func TestP5Prompts(t *testing.T) {
	s := paper("p5")
	s.Negatives = 99
	data := read(t, "beauty_mini")
	encoder := newEncoder(t, s, 20)
	for _, batch := range next(newMixer(t, data, s, train(64), 1), 20) {
		b := encoder.Encode(batch)
		if most := slices.Max(b.Whole); most >= task.WholeWords {
			t.Fatalf("whole word %d", most)
		}
		for _, example := range batch {
			if example.Prompt == task.PromptTopN && strings.Contains(example.Source, "item_") {
				t.Errorf("%q names items", example.Source)
			}
		}
	}
	list, err := newCorpus(t, small(), paper("p5")).Test(task.Sequential, 1)
	if err != nil || list.Examples[0].Source != "Continue the purchases of user_2 : 1 , 2" {
		t.Errorf("%v %v", list.Examples, err)
	}
}

func TestEveryMethodHasItsTemplates(t *testing.T) {
	for _, method := range spec.Methods() {
		if _, err := task.New(small(), paper(method.Name)); err != nil {
			t.Error(err)
		}
	}
}

func TestDumpShowsEachTask(t *testing.T) {
	var out strings.Builder
	corpus := newCorpus(t, small(), paper("rdrec"))
	wrote, err := corpus.Dump(&out, newEncoder(t, paper("rdrec"), 20), 1, 2)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]int{"explanation": 2, "sequential": 2, "topn": 2, "rationale": 4}
	if diff := cmp.Diff(want, wrote); diff != "" {
		t.Errorf("wrote (-want +got):\n%s", diff)
	}
	for line := range strings.Lines(out.String()) {
		var shown struct {
			Task, Source, Target string
			IDs                  []int `json:"source_ids"`
			Whole                []int `json:"whole_words"`
			Answer               []int `json:"target_ids"`
		}
		if err := json.Unmarshal([]byte(line), &shown); err != nil {
			t.Fatal(err)
		}
		if shown.Task == "" || shown.Source == "" || len(shown.IDs) != len(shown.Whole) || len(shown.Answer) == 0 {
			t.Errorf("line %s", line)
		}
	}
}

// TestDumpDoesNotEscapeTexts also expects only the tasks of the corpus.
func TestDumpDoesNotEscapeTexts(t *testing.T) {
	data := small()
	data.Explanations.Train[0].Explanation = "soft & <b>good</b>"
	var out strings.Builder
	if _, err := newCorpus(t, data, paper("pod")).Dump(&out, newEncoder(t, paper("pod"), 20), 1, 1); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), `"target":"soft & <b>good</b>"`) {
		t.Errorf("wrote %s", out.String())
	}
	data.Explanations = dataset.Splits{}
	wrote, err := newCorpus(t, data, paper("rdrec")).Dump(io.Discard, newEncoder(t, paper("rdrec"), 20), 1, 9)
	if diff := cmp.Diff(map[string]int{"sequential": 2, "topn": 3}, wrote); diff != "" || err != nil {
		t.Errorf("without explanations: %v (-want +got):\n%s", err, diff)
	}
	full := errors.New("the disk is full")
	wrote, err = newCorpus(t, small(), paper("rdrec")).Dump(refusal{full}, newEncoder(t, paper("rdrec"), 20), 1, 9)
	if !errors.Is(err, full) || len(wrote) != 0 ||
		!strings.HasPrefix(err.Error(), `write examples of dataset "small"`) {
		t.Errorf("on a full disk: %v, %v", wrote, err)
	}
}

// refusal is a writer that fails.
type refusal struct{ err error }

func (r refusal) Write([]byte) (int, error) { return 0, r.err }
