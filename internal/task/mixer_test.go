package task_test

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/dataset"
	"rdrec/internal/spec"
	"rdrec/internal/task"
)

func train(batch int) spec.Train {
	return spec.Train{Batch: batch, Ratio: spec.Ratio{Explanation: 1, Sequential: 1, Rationale: 1, TopN: 1}}
}

func newMixer(t testing.TB, data *dataset.Dataset, s task.Settings, train spec.Train, seed int64) *task.Mixer {
	t.Helper()
	mixer, err := newCorpus(t, data, s).Mixer(train, seed)
	if err != nil {
		t.Fatal(err)
	}
	return mixer
}

func next(mixer *task.Mixer, batches int) [][]task.Example {
	var out [][]task.Example
	for range batches {
		out = append(out, mixer.Next())
	}
	return out
}

func TestMixerResumesFromItsState(t *testing.T) {
	data := read(t, "beauty_mini")
	first := newMixer(t, data, paper("rdrec"), train(400), 7) // 100 users per batch: the orders end and are reshuffled
	next(first, 10)
	state, err := first.State()
	if err != nil {
		t.Fatal(err)
	}
	want := next(first, 10)
	second := newMixer(t, data, paper("rdrec"), train(400), 99)
	next(second, 3)
	if err := second.Restore(state); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, next(second, 10)); diff != "" {
		t.Errorf("batches after restoring (-want +got):\n%s", diff)
	}
	one, err := first.State()
	if err != nil {
		t.Fatal(err)
	}
	two, err := second.State()
	if err != nil {
		t.Fatal(err)
	}
	if string(one) != string(two) {
		t.Error("the states differ ten batches later")
	}
}

func TestMixerIsDeterministic(t *testing.T) {
	data := read(t, "beauty_mini")
	want := next(newMixer(t, data, clean("pod"), train(16), 7), 5)
	if diff := cmp.Diff(want, next(newMixer(t, data, clean("pod"), train(16), 7), 5)); diff != "" {
		t.Errorf("batches of the same seed (-first +second):\n%s", diff)
	}
	if cmp.Equal(want, next(newMixer(t, data, clean("pod"), train(16), 8), 5)) {
		t.Error("batches of another seed are the same")
	}
}

func TestMixerRejectsAnotherMixersState(t *testing.T) {
	data := read(t, "beauty_mini")
	sampled := newMixer(t, data, paper("rdrec"), train(16), 1)
	sampled.Next()
	state, err := sampled.State()
	if err != nil {
		t.Fatal(err)
	}
	smaller := *data
	smaller.Users = data.Users[:100]
	for name, c := range map[string]struct {
		mixer *task.Mixer
		state string
		want  string
	}{
		"another batch": {newMixer(t, data, paper("rdrec"), train(32), 1), string(state), "records per task"},
		"another dataset": {
			newMixer(t, &smaller, paper("rdrec"), train(16), 1), string(state),
			"sequential: 4 of 300 records, but the dataset has 100",
		},
		"a truncated state": {newMixer(t, data, paper("rdrec"), train(16), 1), string(state[:100]), "unexpected end"},
		"a record twice": {
			newMixer(t, data, paper("rdrec"), train(16), 1), strings.Replace(string(state), "[0,1,2,", "[0,0,2,", 1),
			"is duplicated in its order",
		},
		"other randomness": {
			newMixer(t, data, paper("rdrec"), train(16), 1),
			strings.Replace(string(state), `"random":"`, `"random":"AAAA`, 1), "invalid PCG",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if err := c.mixer.Restore([]byte(c.state)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}

func TestRationaleRowsHaveTheirPrompt(t *testing.T) {
	data := read(t, "beauty_mini")
	only := spec.Train{Batch: 8, Ratio: spec.Ratio{Rationale: 1}}
	wrong := func(s task.Settings) int {
		count := 0
		for _, example := range newMixer(t, data, s, only, 1).Next() {
			if (example.Prompt == task.PromptPreference) != strings.HasPrefix(example.Source, "Generate user_") {
				count++
			}
		}
		return count
	}
	if got := wrong(paper("rdrec")); got != 8 {
		t.Errorf("protocol paper: %d of 16 rows have the wrong task, the reference has 8", got)
	}
	if got := wrong(clean("rdrec")); got != 0 {
		t.Errorf("protocol clean: %d of 16 rows have the wrong task", got)
	}
}

func TestFirstEpochIsInFileOrder(t *testing.T) {
	data := read(t, "beauty_mini")
	users := len(data.Users)
	mixer := newMixer(t, data, paper("rdrec"), spec.Train{Batch: users, Ratio: spec.Ratio{Sequential: 1}}, 1)
	inOrder := func(examples []task.Example) bool {
		seen := map[int]bool{}
		for _, example := range examples {
			seen[example.User] = true
		}
		return len(seen) == users
	}
	for range 2 {
		if !inOrder(mixer.Next()) {
			t.Error("an epoch does not see each user once")
		}
	}
	half := newMixer(t, data, paper("rdrec"), spec.Train{Batch: users / 2, Ratio: spec.Ratio{Sequential: 1}}, 1)
	for _, example := range half.Next() {
		if example.User > users/2 {
			t.Errorf("user %d is in the first half of the first epoch", example.User)
		}
	}
}

func TestTrainingNeverShowsTheLastTwoItems(t *testing.T) {
	data := read(t, "beauty_mini")
	ends := map[int][]int{}
	for _, user := range data.Users {
		ends[user.ID] = user.Items[len(user.Items)-2:]
	}
	for _, batch := range next(newMixer(t, data, paper("rdrec"), train(200), 3), 10) {
		for _, example := range batch {
			if example.Prompt != task.PromptSequential && example.Prompt != task.PromptTopN {
				continue
			}
			shown := append([]int{example.Item}, example.Items...)
			for _, item := range shown {
				if item == ends[example.User][0] || item == ends[example.User][1] {
					t.Fatalf("user %d: item %d is shown in %q", example.User, item, example.Source)
				}
			}
		}
	}
}

func TestTopNCandidatesAreUnseenButOne(t *testing.T) {
	data := read(t, "beauty_mini")
	seen := map[int]map[int]bool{}
	for _, user := range data.Users {
		seen[user.ID] = map[int]bool{}
		for _, item := range user.Items {
			seen[user.ID][item] = true
		}
	}
	s := paper("rdrec")
	s.Negatives = 30
	mixer := newMixer(t, data, s, spec.Train{Batch: 300, Ratio: spec.Ratio{TopN: 1}}, 1)
	for _, example := range mixer.Next() {
		known, all := 0, map[int]bool{}
		for _, item := range example.Items {
			all[item] = true
			if seen[example.User][item] {
				known++
			}
		}
		if len(all) != 31 || known != 1 || !all[example.Item] {
			t.Errorf("user %d: %d different candidates, %d known, in %q", example.User, len(all), known, example.Source)
		}
	}
}

func TestEpochStepsCanBeSet(t *testing.T) {
	settings := train(16)
	settings.EpochSteps = 3
	if got := newMixer(t, read(t, "beauty_mini"), paper("rdrec"), settings, 1).EpochSteps(); got != 3 {
		t.Errorf("%d steps an epoch, want 3", got)
	}
}

func TestMixerWithoutTopNReassignsTheRemainder(t *testing.T) {
	s := paper("rdrec")
	s.Method.TopN = false
	settings := spec.Train{Batch: 10, Ratio: spec.Ratio{Explanation: 1, Sequential: 1, Rationale: 1}}
	want := task.Counts{task.Explanation: 4, task.Sequential: 3, task.Rationale: 3}
	if got := newMixer(t, read(t, "beauty_mini"), s, settings, 1).Counts(); got != want {
		t.Errorf("counts %v, want %v", got, want)
	}
}

func TestMixerNeedsAPositiveWeight(t *testing.T) {
	data := read(t, "beauty_mini")
	data.Explanations = dataset.Splits{}
	_, err := newCorpus(t, data, paper("rdrec")).Mixer(
		spec.Train{Batch: 8, Ratio: spec.Ratio{Explanation: 1, Rationale: 1}}, 1,
	)
	if err == nil || !strings.Contains(err.Error(), `method "rdrec" on dataset "beauty_mini": ratio 0:0:0:0`) {
		t.Errorf("error %v", err)
	}
}

func TestSplitRejectsInvalidInput(t *testing.T) {
	for name, c := range map[string]struct {
		ratio spec.Ratio
		batch int
		want  string
	}{
		"no weights": {spec.Ratio{}, 8, "all weights are 0"},
		"negative":   {spec.Ratio{Explanation: 2, TopN: -1}, 8, "weight -1 is not a valid weight"},
		"no number":  {spec.Ratio{TopN: math.NaN()}, 8, "weight NaN is not a valid weight"},
		"endless":    {spec.Ratio{TopN: 1, Sequential: math.Inf(1)}, 8, "weight +Inf is not a valid weight"},
		"no batch":   {spec.Ratio{TopN: 1}, 0, "at least 1"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := task.Split(c.ratio, c.batch); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}

func BenchmarkMixer(b *testing.B) {
	data := read(b, "beauty_mini")
	s := paper("rdrec")
	s.Negatives = 99
	mixer := newMixer(b, data, s, train(64), 1)
	encoder := newEncoder(b, s, 20)
	for b.Loop() {
		encoder.Encode(mixer.Next())
	}
}
