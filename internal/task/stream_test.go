package task_test

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/spec"
	"rdrec/internal/task"
	"rdrec/internal/token"
)

// TestPCGIsTheStreamOfASeed compares with the standard library's generator.
func TestPCGIsTheStreamOfASeed(t *testing.T) {
	for _, c := range []struct {
		seed   int64
		stream uint64
	}{{1, 0}, {2, 0}, {1, 1}, {-1, 7}} {
		want, got := rand.New(rand.NewPCG(uint64(c.seed), c.stream)), task.NewPCG(c.seed, c.stream)
		for range 5 {
			if w, g := want.IntN(1000), got.IntN(1000); w != g {
				t.Errorf("seed %d, stream %d: got %d, want %d", c.seed, c.stream, g, w)
			}
		}
		shuffled, mixed := upTo(9), upTo(9)
		want.Shuffle(9, func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		got.Shuffle(mixed)
		if diff := cmp.Diff(shuffled, mixed); diff != "" {
			t.Errorf("seed %d, stream %d: shuffle (-want +got):\n%s", c.seed, c.stream, diff)
		}
	}
}

// TestRandomStreamsAreDistinct: stream 0 mixes training batches, 1 orders the test candidates, 2
// samples the dump, and those from 3 on sample the validation candidates, one per epoch in protocol
// paper.
func TestRandomStreamsAreDistinct(t *testing.T) {
	const seed = 5
	corpus := newCorpus(t, small(), paper("rdrec"))
	from := func(stream uint64) []task.Example {
		t.Helper()
		mixer, err := corpus.MixerFrom(train(8), task.NewPCG(seed, stream))
		if err != nil {
			t.Fatal(err)
		}
		return slices.Concat(next(mixer, 4)...)
	}
	if diff := cmp.Diff(
		from(0),
		slices.Concat(next(newMixer(t, small(), paper("rdrec"), train(8), seed), 4)...),
	); diff != "" {
		t.Errorf("training batches are not of stream 0:\n%s", diff)
	}
	valid := func(c *task.Corpus, epoch int) []task.Example {
		t.Helper()
		list, err := c.Validation(task.TopN, seed, epoch)
		if err != nil {
			t.Fatal(err)
		}
		return list.Examples
	}
	for epoch := range 4 {
		for _, s := range []task.Settings{paper("rdrec"), clean("rdrec")} {
			stream := uint64(3)
			if s.Protocol.Name == spec.Paper {
				stream += uint64(epoch)
			}
			c := newCorpus(t, small(), s)
			want, err := c.ValidationFrom(task.TopN, task.NewPCG(seed, stream))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want.Examples, valid(c, epoch)); diff != "" {
				t.Errorf("%s: validation of epoch %d is not of stream %d:\n%s", s.Protocol.Name, epoch, stream, diff)
			}
		}
	}
}

// TestCandidatesOfTheTest are the file's negatives and the last item, shuffled by stream 1, user by
// user.
func TestCandidatesOfTheTest(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 1))
	var want [][]int
	for _, candidates := range [][]int{{20, 21, 3}, {22, 23, 7}, {24, 25, 12}} {
		random.Shuffle(3, func(i, j int) { candidates[i], candidates[j] = candidates[j], candidates[i] })
		want = append(want, candidates)
	}
	data := small()
	list, err := newCorpus(t, data, paper("rdrec")).Test(task.TopN, 5)
	if err != nil {
		t.Fatal(err)
	}
	var got [][]int
	var truths []int
	for _, example := range list.Examples {
		got, truths = append(got, example.Items), append(truths, example.Item)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("candidates (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]int{3, 7, 12}, truths); diff != "" {
		t.Errorf("items to find (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(small().Negatives, data.Negatives); diff != "" {
		t.Errorf("the data's negatives were shuffled (-want +got):\n%s", diff)
	}
}

// TestCandidatesOfAValidation samples them one by one from 1 to the number of items, without the
// user's items and those sampled before.
func TestCandidatesOfAValidation(t *testing.T) {
	data := small()
	data.Items = 14 // few, so that many samples are rejected
	random := rand.New(rand.NewPCG(5, 3+2))
	var want [][]int
	for _, user := range data.Users[1:] {
		var candidates []int
		for len(candidates) < 5 {
			if item := random.IntN(14) + 1; !slices.Contains(append(candidates, user.Items...), item) {
				candidates = append(candidates, item)
			}
		}
		candidates = append(candidates, user.Items[len(user.Items)-2])
		random.Shuffle(6, func(i, j int) { candidates[i], candidates[j] = candidates[j], candidates[i] })
		want = append(want, candidates)
	}
	list, err := newCorpus(t, data, paper("rdrec")).Validation(task.TopN, 5, 2)
	if err != nil {
		t.Fatal(err)
	}
	var got [][]int
	for _, example := range list.Examples {
		got = append(got, example.Items)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("candidates (-want +got):\n%s", diff)
	}
}

// TestDumpUsesItsOwnStream: the dumped explanations use the templates that stream 2 samples.
func TestDumpUsesItsOwnStream(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 2))
	set, err := task.TemplateSetNamed("pod")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, record := range small().Explanations.Train[:3] {
		text := set.Explanation[random.IntN(len(set.Explanation))]
		set := task.TemplateSet{Explanation: []string{text}, Sequential: []string{"x"}}
		explain, _, err := set.Inputs(task.Pair{User: record.User, Item: record.Item}, nil)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, explain)
	}
	var out strings.Builder
	if _, err := newCorpus(t, small(), paper("rdrec")).Dump(&out, newEncoder(t, paper("rdrec"), 20), 5, 3); err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(out.String()) {
		var shown struct{ Task, Source string }
		if err := json.Unmarshal([]byte(line), &shown); err != nil {
			t.Fatal(err)
		}
		if shown.Task == "explanation" {
			got = append(got, shown.Source)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("explanations shown (-want +got):\n%s", diff)
	}
}

// TestEachSwitchActsIndependently turns each of the protocol's switches on alone: it changes what
// it is for, and nothing else.
func TestEachSwitchActsIndependently(t *testing.T) {
	type effects struct {
		Narrow, KeepsEnd, CorrectTasks, SameCandidates, HeldOut, FullPrefixes, BlindNegatives, Shuffled bool
	}
	data := small()
	data.Explanations.Val = append(data.Explanations.Val, data.Explanations.Val[0])
	data.Explanations.Val[0].Explanation = "a much longer text than the one after it"
	data.Explanations.Val[0].Preference, data.Explanations.Val[0].Attribution = "p", "a"
	data.Explanations.Val[2].Preference, data.Explanations.Val[2].Attribution = "a long preference", "a"
	data.Explanations.Val[2].User = 3
	t5, err := token.NewT5()
	if err != nil {
		t.Fatal(err)
	}
	of := func(p spec.Protocol) effects {
		s := paper("rdrec")
		s.Protocol = p
		corpus := newCorpus(t, data, s)
		encoder, err := task.NewEncoder(t5, s, 6)
		if err != nil {
			t.Fatal(err)
		}
		whole, err := task.NewEncoder(t5, s, 20)
		if err != nil {
			t.Fatal(err)
		}
		list := func(tk task.Task, epoch int) task.List {
			got, err := corpus.Validation(tk, 1, epoch)
			if err != nil {
				t.Fatal(err)
			}
			return got
		}
		widths := func(tk task.Task) (all []int) {
			for b := range list(tk, 1).Batches(whole, 1) {
				all = append(all, b.TargetLen)
			}
			return all
		}
		narrow := func(tk task.Task) bool { w := widths(tk); return w[0] != w[len(w)-1] }
		var e effects
		if e.Narrow = narrow(task.Explanation); e.Narrow != narrow(task.Rationale) {
			t.Errorf("%+v: rationales and explanations are padded differently", p)
		}
		e.KeepsEnd = encoder.Encode([]task.Example{{Target: "a rather long answer, which is cut"}}).Target[5] == 1
		for b := range list(task.Rationale, 1).Batches(encoder, 2) {
			e.CorrectTasks = b.Prompts[1] == int64(task.PromptAttribute) && b.Prompts[2] == int64(task.PromptPreference)
		}
		sampled := newMixer(t, data, s, spec.Train{Batch: 2, Ratio: spec.Ratio{Rationale: 1}}, 1).Next()
		right := !slices.ContainsFunc(sampled, func(x task.Example) bool {
			return (x.Prompt == task.PromptPreference) != strings.Contains(x.Source, "preference")
		})
		if right != e.CorrectTasks {
			t.Errorf("%+v: training and validation have different prompts", p)
		}
		e.Shuffled = slices.ContainsFunc(list(task.Rationale, 1).Examples, func(x task.Example) bool {
			return x.User == 3 && x.Target == "p" // user 4's
		})
		e.SameCandidates = cmp.Equal(list(task.TopN, 1).Examples, list(task.TopN, 2).Examples)
		e.HeldOut = len(list(task.Explanation, 1).Examples) == 2
		e.FullPrefixes = newMixer(t, data, s, onlySequential(1), 1).EpochSteps() == 3
		candidates := newMixer(t, data, s, spec.Train{Batch: 99, Ratio: spec.Ratio{TopN: 1}}, 1).Next()
		e.BlindNegatives = slices.ContainsFunc(candidates, func(x task.Example) bool {
			return x.User == 2 && slices.Contains(x.Items, 3) // the test item
		})
		return e
	}
	want := map[string]effects{
		"mask_cross": {
			Narrow: true,
		},
		"skip_pads":           {KeepsEnd: true},
		"correct_tasks":       {CorrectTasks: true},
		"patience_resets":     {},
		"constrained":         {SameCandidates: true},
		"held_out":            {HeldOut: true},
		"full_prefixes":       {FullPrefixes: true},
		"blind_negatives":     {BlindNegatives: true},
		"shuffled_rationales": {Shuffled: true},
	}
	for _, w := range spec.Switches() {
		if diff := cmp.Diff(want[w.Name], of(w.Flip(spec.Protocol{}))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", w.Name, diff)
		}
	}
	if diff := cmp.Diff(effects{}, of(spec.Protocol{})); diff != "" {
		t.Errorf("no switch (-want +got):\n%s", diff)
	}
}
