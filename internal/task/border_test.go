package task_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/dataset"
	"rdrec/internal/spec"
	"rdrec/internal/task"
	"rdrec/internal/token"
)

// TestRemainderGoesToTheLargestTask: if top-N is disabled, the rounding remainder goes to the first
// of the tasks with the largest share.
func TestRemainderGoesToTheLargestTask(t *testing.T) {
	without := func(off ...task.Task) task.Settings {
		s := paper("rdrec")
		s.Method.TopN = false
		for _, tk := range off {
			switch tk {
			case task.Explanation:
				s.Method.Explanation = false
			case task.Sequential:
				s.Method.Sequential = false
			case task.Rationale:
				s.Method.Rationale = false
			case task.TopN:
			}
		}
		return s
	}
	for _, c := range []struct {
		name                           string
		settings                       task.Settings
		explanation, sequential, ratio float64
		batch                          int
		want                           task.Counts // explanation, sequential, top-N, rationale
	}{
		{"explanations lead", without(), 2, 1, 1, 10, task.Counts{6, 2, 0, 2}},
		{"sequences lead", without(), 1, 2, 1, 10, task.Counts{2, 6, 0, 2}},
		{"rationales lead", without(), 1, 1, 2, 10, task.Counts{2, 2, 0, 6}},
		{"two lead", without(), 1, 2, 2, 11, task.Counts{2, 5, 0, 4}},
		{"all lead", without(), 1, 1, 1, 11, task.Counts{5, 3, 0, 3}},
		{"nothing is left", without(), 1, 1, 1, 9, task.Counts{3, 3, 0, 3}},
		{"all round to nothing", without(), 1, 1, 1, 1, task.Counts{1, 0, 0, 0}},
		{"no explanations", without(task.Explanation), 9, 1, 2, 10, task.Counts{0, 3, 0, 7}},
		{"no explanations, all round to nothing", without(task.Explanation), 9, 1, 2, 1, task.Counts{0, 1, 0, 0}},
		{"rationales alone", without(task.Explanation, task.Sequential), 9, 9, 2, 1, task.Counts{0, 0, 0, 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			ratio := spec.Ratio{Explanation: c.explanation, Sequential: c.sequential, Rationale: c.ratio, TopN: 5}
			mixer := newMixer(t, small(), c.settings, spec.Train{Batch: c.batch, Ratio: ratio}, 1)
			if got := mixer.Counts(); got != c.want {
				t.Errorf("counts %v, want %v", got, c.want)
			}
		})
	}
}

// TestEpochCoversTheFirstTaskOnce covers the first task of explanations, rationales, sequences and
// top-N that a batch has, with at least one step. small has four explanations and two rationales to
// train on, two sequences and three users.
func TestEpochCoversTheFirstTaskOnce(t *testing.T) {
	for _, c := range []struct {
		ratio spec.Ratio
		batch int
		steps int
	}{
		{spec.Ratio{Explanation: 1}, 1, 4},
		{spec.Ratio{Explanation: 1}, 3, 1},
		{spec.Ratio{Explanation: 1}, 4, 1},
		{spec.Ratio{Explanation: 1}, 5, 1},
		{spec.Ratio{Explanation: 1, Sequential: 1, Rationale: 1, TopN: 1}, 8, 2},
		{spec.Ratio{Sequential: 1, Rationale: 1, TopN: 1}, 3, 2},
		{spec.Ratio{Sequential: 1, TopN: 1}, 2, 2},
		{spec.Ratio{TopN: 1}, 1, 3},
	} {
		if got := newMixer(
			t,
			small(),
			paper("rdrec"),
			spec.Train{Batch: c.batch, Ratio: c.ratio},
			1,
		).EpochSteps(); got != c.steps {
			t.Errorf("ratio %+v, batch %d: %d steps, want %d", c.ratio, c.batch, got, c.steps)
		}
	}
}

// TestBordersOfACorpus has the last accepted settings and the first rejected ones.
func TestBordersOfACorpus(t *testing.T) {
	data := func(items int, histories ...[]int) *dataset.Dataset {
		d := &dataset.Dataset{Name: "border", Items: items}
		for i, history := range histories {
			d.Users = append(d.Users, dataset.User{ID: i + 1, Items: history})
		}
		return d
	}
	negatives := func(method string, n int) task.Settings {
		s := paper(method)
		s.Negatives = n
		return s
	}
	five, twice := []int{8, 9, 10, 11, 12}, []int{8, 9, 10, 11, 12, 12}
	for name, c := range map[string]struct {
		data     *dataset.Dataset
		settings task.Settings
		want     string
	}{
		"exactly enough unseen": {data(40, five), negatives("pod", 35), ""},
		"one too few": {
			data(40, five), negatives("pod", 36),
			"has seen 5 of 40 items: 35 are left, each top-N example needs 36",
		},
		"a repeated item": {data(40, twice), negatives("pod", 35), ""},
		"a repeated item and one too few": {
			data(40, twice), negatives("pod", 36), "user 1 has seen 5 of 40 items: 35 are left",
		},
		"users with other items": {data(40, twice, []int{1, 2, 3, 4, 5, 5}), negatives("pod", 35), ""},
		"the second user has too few": {
			data(40, []int{1, 2, 3}, five), negatives("pod", 36), "user 2 has seen 5 of 40",
		},
		"an omitted user may have too few": {data(40, []int{1, 2}, []int{1, 2, 3}), negatives("pod", 37), ""},
		"510 whole words":                  {data(2000, five), negatives("pod", 509), ""},
		"511 whole words": {
			data(2000, five), negatives("pod", 510), "a list of 511 items has more whole words",
		},
		"247 items among blanks": {data(2000, five), negatives("p5", 246), ""},
		"248 items among blanks": {
			data(2000, five), negatives("p5", 247), "a list of 248 items has more whole words",
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := task.New(c.data, c.settings)
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}

// TestDatasetNegativesCountAsWholeWords: the test list has the same limit as the training examples.
func TestDatasetNegativesCountAsWholeWords(t *testing.T) {
	for negatives, rejected := range map[int]bool{509: false, 510: true} {
		data := small()
		data.Items = 2000
		data.Negatives[4] = upTo(negatives)
		_, err := newCorpus(t, data, paper("pod")).Test(task.TopN, 1)
		if rejected != (err != nil) {
			t.Errorf("%d negatives: error %v", negatives, err)
		}
		if err != nil &&
			!strings.Contains(err.Error(), `dataset "small": user 4: template set "pod": a list of 511 items`) {
			t.Errorf("%d negatives: error %v", negatives, err)
		}
	}
}

// TestBordersOfAMixersState changes one number of a state.
func TestBordersOfAMixersState(t *testing.T) {
	settings := spec.Train{Batch: 4, Ratio: spec.Ratio{Explanation: 1, Sequential: 1, Rationale: 1, TopN: 1}}
	mixer := func() *task.Mixer { return newMixer(t, small(), paper("rdrec"), settings, 1) }
	random, err := task.NewPCG(1, 0).MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	state := func(counts, explanations string, at int) string {
		return fmt.Sprintf(
			`{"counts":%s,"orders":[{"indices":%s,"at":%d},{"indices":[0,1],"at":0},{"indices":[0,1,2],"at":0},`+
				`{"indices":[0,1],"at":0}],"random":%q}`,
			counts,
			explanations,
			at,
			base64.StdEncoding.EncodeToString(random),
		)
	}
	const counts, four = "[1,1,1,1]", "[3,1,0,2]"
	for name, c := range map[string]struct{ state, want string }{
		"at the start":     {state(counts, four, 0), ""},
		"at the end":       {state(counts, four, 4), ""},
		"before the start": {state(counts, four, -1), "explanation: -1 of 4 records, but the dataset has 4"},
		"after the end":    {state(counts, four, 5), "explanation: 5 of 4 records, but the dataset has 4"},
		"a record less":    {state(counts, "[2,1,0]", 0), "explanation: 0 of 3 records, but the dataset has 4"},
		"a record too far": {
			state(counts, "[4,1,0,2]", 0),
			"explanation: record 4 is duplicated in its order or out of range (4 records)",
		},
		"a record below": {
			state(counts, "[-1,1,0,2]", 0),
			"explanation: record -1 is duplicated in its order or out of range (4 records)",
		},
		"a record twice": {
			state(counts, "[3,1,3,2]", 0),
			"explanation: record 3 is duplicated in its order or out of range (4 records)",
		},
		"other counts": {state("[1,1,0,1]", four, 0), "they have [1 1 0 1] records per task, want [1 1 1 1]"},
		"no state":     {"[]", "restore training batches: json"},
		"broken randomness": {
			strings.Replace(state(counts, four, 0), `"random":"`, `"random":"AAAA`, 1),
			"restore training batches: invalid PCG",
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := mixer()
			err := m.Restore([]byte(c.state))
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error %v, want one with %q", err, c.want)
			}
			if err != nil { // the mixer is unchanged
				if diff := cmp.Diff(next(mixer(), 3), next(m, 3)); diff != "" {
					t.Errorf("batches after a rejected state:\n%s", diff)
				}
			}
		})
	}
}

// bare is randomness without a state.
type bare struct{ task.Random }

// broken is randomness whose state cannot be marshaled.
type broken struct{ task.Random }

func (broken) MarshalBinary() ([]byte, error) { return nil, errors.New("no state") }

func TestRandomnessWithoutAState(t *testing.T) {
	settings := spec.Train{Batch: 4, Ratio: spec.Ratio{Explanation: 1}}
	corpus := newCorpus(t, small(), paper("rdrec"))
	mixer, err := corpus.MixerFrom(settings, bare{task.NewPCG(1, 0)})
	if err != nil {
		t.Fatal(err)
	}
	const unsaved = "save training batches: their random generator cannot be saved"
	if _, err := mixer.State(); err == nil || err.Error() != unsaved {
		t.Errorf("saving: error %v", err)
	}
	failing, err := corpus.MixerFrom(settings, broken{task.NewPCG(1, 0)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := failing.State(); err == nil || err.Error() != "save training batches: no state" {
		t.Errorf("saving: error %v", err)
	}
	state, err := newMixer(t, small(), paper("rdrec"), settings, 1).State()
	if err != nil {
		t.Fatal(err)
	}
	if err := mixer.Restore(
		state,
	); err == nil ||
		err.Error() != "restore training batches: their random generator cannot be restored" {
		t.Errorf("restoring: error %v", err)
	}
}

// TestTargetsAreTruncatedAtTheLimit has targets one token shorter than the limit, of its length and
// one token longer.
func TestTargetsAreTruncatedAtTheLimit(t *testing.T) {
	const border = 4
	t5, err := token.NewT5()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []task.Settings{paper("rdrec"), clean("rdrec")} {
		encoder := newEncoder(t, s, border)
		for text, long := range map[string]bool{
			"soft hair": false, "very soft hair": false, "very very soft hair": true,
		} {
			ids := t5.Encode(text)
			want := make([]int64, border)
			for i := range min(border, len(ids)) {
				want[i] = int64(ids[i])
			}
			if long && s.Protocol.SkipPads {
				want[border-1] = int64(token.End)
			}
			got := encoder.Encode(
				[]task.Example{{Source: "x", Target: text}, {Source: "x", Target: "very very very soft"}},
			)
			if diff := cmp.Diff(want, got.Target[:border]); diff != "" {
				t.Errorf("%s, %q, %d tokens (-want +got):\n%s", s.Protocol.Name, text, len(ids), diff)
			}
		}
	}
	odd := paper("rdrec")
	odd.Method.TemplateSet = "poetry"
	_, err = task.NewEncoder(t5, odd, 4)
	if err == nil || !strings.HasPrefix(err.Error(), `method "rdrec": no template set "poetry"`) {
		t.Errorf("unknown template set: error %v", err)
	}
	for tokens, rejected := range map[int]bool{0: true, 1: false} {
		if _, err := task.NewEncoder(t5, paper("rdrec"), tokens); rejected != (err != nil) {
			t.Errorf("targets of %d tokens: error %v", tokens, err)
		}
	}
}

// TestReferencesAreTruncatedAtTheLimit: "very soft hair" is three tokens and the end token.
func TestReferencesAreTruncatedAtTheLimit(t *testing.T) {
	t5, err := token.NewT5()
	if err != nil {
		t.Fatal(err)
	}
	for tokens, want := range map[int]string{
		0: "", 1: "very", 2: "very soft", 3: "very soft hair", 4: "very soft hair", 9: "very soft hair",
	} {
		if got, err := task.Reference(t5, "very  soft hair", tokens); err != nil || got != want {
			t.Errorf("%d tokens: %q, %v, want %q", tokens, got, err, want)
		}
	}
}

func TestRowsOfABatch(t *testing.T) {
	var examples []task.Example
	for i := range 3 {
		examples = append(
			examples,
			task.Example{
				Prompt: task.Prompt(i),
				Source: "user_" + strconv.Itoa(i+1),
				Target: []string{"very", "soft", "hair"}[i],
			},
		)
	}
	encoder := newEncoder(t, paper("rdrec"), 20)
	whole := encoder.Encode(examples)
	for from := range 3 {
		for to := from + 1; to <= 3; to++ {
			if diff := cmp.Diff(encoder.Encode(examples[from:to]), whole.Rows(from, to)); diff != "" {
				t.Errorf("rows %d to %d (-want +got):\n%s", from, to, diff)
			}
		}
	}
}
