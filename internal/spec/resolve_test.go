package spec_test

import (
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/spec"
)

func TestIndexing(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ protocol, indexing, folder, want string }{
		{spec.Paper, "", "x", spec.AsIs},
		{spec.Paper, "", "", spec.Random},
		{spec.Clean, "", "x", spec.Random},
		{spec.Clean, "", "", spec.Random},
		{spec.Clean, spec.AsIs, "x", spec.AsIs},
		{spec.Paper, spec.Semantic, "x", spec.Semantic},
	} {
		s := spec.Spec{Protocol: c.protocol, Data: spec.Data{Folder: c.folder, Indexing: c.indexing}}
		if got := s.Indexing(); got != c.want {
			t.Errorf("%+v: got %q", c, got)
		}
	}
}

// TestEverySwitchIsInTheTable: a field of Protocol without a row could be neither set nor ablated,
// and ForTraining would drop it.
func TestEverySwitchIsInTheTable(t *testing.T) {
	t.Parallel()
	if fields := reflect.TypeFor[spec.Protocol]().NumField() - 1; fields != len(spec.Switches()) {
		t.Errorf("%d switches in spec.Protocol, %d in the table", fields, len(spec.Switches()))
	}
	for _, w := range spec.Switches() {
		flipped := w.Flip(spec.Protocol{})
		on := 0
		for _, other := range spec.Switches() {
			if other.On(flipped) {
				on++
			}
		}
		if !w.On(flipped) || on != 1 || w.Flip(flipped) != (spec.Protocol{}) {
			t.Errorf("%s flips %+v", w.Name, flipped)
		}
	}
}

func TestSwitchesOverrideTheProtocol(t *testing.T) {
	t.Parallel()
	s := spec.Spec{Protocol: spec.Clean, Switches: map[string]bool{"skip_pads": false, "mask_cross": true}}
	got, err := s.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	want := spec.Protocol{
		Name: spec.Clean, MaskCross: true, CorrectTasks: true, PatienceResets: true, Constrained: true, HeldOut: true,
		FullPrefixes: true, BlindNegatives: true,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	s = spec.Spec{Protocol: spec.Paper, Switches: map[string]bool{"held_out": true}}
	if got, err := s.Resolve(); err != nil || got != (spec.Protocol{Name: spec.Paper, HeldOut: true}) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestProtocolKeepsOnlyRelevantSwitches(t *testing.T) {
	t.Parallel()
	clean, err := spec.ProtocolNamed(spec.Clean)
	if err != nil {
		t.Fatal(err)
	}
	rdrec, pod := spec.Methods()[0], spec.Methods()[1]
	all := spec.Ratio{Explanation: 1, Sequential: 1, Rationale: 1, TopN: 1}
	items := spec.Ratio{Sequential: 1, TopN: 1}
	cleanWithoutName := clean
	cleanWithoutName.Name = ""
	without := func(change func(*spec.Protocol)) spec.Protocol { p := cleanWithoutName; change(&p); return p }
	for name, c := range map[string]struct{ got, want spec.Protocol }{
		"all": {clean.ForTraining(rdrec, all), cleanWithoutName},
		"pod": {clean.ForTraining(pod, all), without(func(p *spec.Protocol) { p.CorrectTasks = false })},
		"items": {
			clean.ForTraining(rdrec, items),
			without(func(p *spec.Protocol) { p.CorrectTasks, p.HeldOut = false, false }),
		},
		"rankings": {clean.ForRankings(), spec.Protocol{MaskCross: true, Constrained: true}},
		"texts":    {clean.ForTexts(), spec.Protocol{MaskCross: true}},
	} {
		if diff := cmp.Diff(c.want, c.got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	s := spec.Spec{Ablate: []string{"held_out", "correct_tasks", "skip_pads"}, Train: spec.Train{Ratio: all}}
	var names []string
	for _, w := range s.Ablations(pod) {
		names = append(names, w.State(w.Flip(clean)))
	}
	if diff := cmp.Diff([]string{"skip_pads off", "held_out off"}, names); diff != "" {
		t.Error(diff)
	}
}

// TestTrainedMethodNeedsNoTextsWithoutWeight: only texts are switched off.
func TestTrainedMethodNeedsNoTextsWithoutWeight(t *testing.T) {
	all := spec.Method{Explanation: true, Sequential: true, Rationale: true, TopN: true}
	for _, c := range []struct {
		ratio                  spec.Ratio
		explanation, rationale bool
	}{
		{spec.Ratio{Sequential: 1}, false, false},
		{spec.Ratio{Explanation: 0.1, Sequential: 1}, true, false},
		{spec.Ratio{Rationale: 0.1, TopN: 1}, false, true},
	} {
		want := all
		want.Explanation, want.Rationale = c.explanation, c.rationale
		if got := all.Trained(c.ratio); got != want {
			t.Errorf("%+v: %+v, want %+v", c.ratio, got, want)
		}
	}
	plain := spec.Method{Sequential: true}
	if got := plain.Trained(spec.Ratio{Explanation: 1, Rationale: 1}); got != plain {
		t.Errorf("a method without texts got some: %+v", got)
	}
}
