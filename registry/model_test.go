package registry_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/spec"
	"rdrec/registry"
	"rdrec/storage"
	"rdrec/storage/storagetest"
)

// TestARunsModelIsItsFirstStudent names none, one and another method, and runs that have none.
func TestARunsModelIsItsFirstStudent(t *testing.T) {
	b, _ := storagetest.OpenFolder(t)
	in := registry.RunRecord{Spec: spec.Default(), Preprocessed: artifact(t, b, "data")}
	in.Spec.Methods = []string{"rdrec", "pod"}
	in.Trials = []registry.TrialResult{
		{Method: "rdrec", Variant: "skip_pads off", Seed: 1, Model: artifact(t, b, "1")},
		{Method: "rdrec", Seed: 2, Model: artifact(t, b, "2")},
		{Method: "rdrec", Seed: 3, Model: artifact(t, b, "3")},
		{Method: "pod", Seed: 4, Model: artifact(t, b, "4"), Fusion: artifact(t, b, "mix")},
	}
	putRun(t, b, "exp", "r1", in)
	find := func(name, method string) (registry.Model, error) {
		return registry.FindModel(t.Context(), b, name, method)
	}
	for _, c := range []struct {
		method, want string
		seed         int64
		trial        int
	}{{"", "rdrec", 2, 1}, {"rdrec", "rdrec", 2, 1}, {"pod", "pod", 4, 3}} {
		for _, name := range []string{"exp", "exp/r1"} {
			got, err := find(name, c.method)
			if err != nil {
				t.Fatal(err)
			}
			got.Spec = spec.Spec{}
			want := registry.Model{
				Name:         "exp/r1",
				Preprocessed: in.Preprocessed,
				Student:      in.Trials[c.trial].Model,
				Fusion:       in.Trials[c.trial].Fusion,
				Method:       c.want,
				Seed:         c.seed,
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: %s", name+" "+c.method, diff)
			}
		}
	}
	if _, err := find("exp", "p5"); err == nil || !strings.Contains(
		err.Error(), `no student of method "p5" (available: [rdrec pod])`,
	) {
		t.Errorf("a method that it has not: %v", err)
	}
	if _, err := find("nosuch", ""); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("no run and no promotion: %v", err)
	}
	if err := b.PutRun(t.Context(), "torn", "r1", storage.RunRecord, []byte("{")); err != nil {
		t.Fatal(err)
	}
	var corrupt *storage.CorruptError
	if _, err := find("torn", ""); !errors.As(err, &corrupt) || corrupt.Key != "runs/torn/r1/run.json" {
		t.Errorf("a torn record: %v", err)
	}
	if err := b.PutRun(t.Context(), "empty", "r1", storage.RunRecord, []byte("{}")); err != nil {
		t.Fatal(err)
	}
	if _, err := find("empty", ""); err == nil {
		t.Error("a run without methods has a model")
	}
}

// TestAPromotedModelComesFirst has a name that is a run's, too.
func TestAPromotedModelComesFirst(t *testing.T) {
	b, _ := storagetest.OpenFolder(t)
	putRun(t, b, "shop", "r1", registry.RunRecord{Spec: spec.Default()})
	used := promote(t, b, 0)
	used.Table = artifact(t, b, "table")
	got, err := registry.FindModel(t.Context(), b, "shop", "")
	if err != nil || got.Name != "shop/1" || got.Student != used.Model.Weights {
		t.Errorf("found %+v, %v", got, err)
	}
	used.Model.Method, used.Model.Seed, used.Model.Spec = "pod", 5, []byte(`{"name":"n"}`)
	got, err = registry.ModelOfPromotion("shop", used)
	if err != nil {
		t.Fatal(err)
	}
	want := registry.Model{
		Name:         "shop/1",
		Preprocessed: used.Preprocessed,
		Student:      used.Model.Weights,
		Method:       "pod",
		Seed:         5,
		Table:        used.Table,
	}
	want.Spec.Name = "n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: %s", "promoted", diff)
	}
	used.Model.Spec = []byte("{")
	if _, err := registry.ModelOfPromotion("shop", used); !errors.Is(err, registry.ErrCorrupt) {
		t.Errorf("a torn spec: %v", err)
	}
}

// TestModelIDDependsOnWhatDecidesItsRecommendations changes one thing at a time.
func TestModelIDDependsOnWhatDecidesItsRecommendations(t *testing.T) {
	base := registry.Model{
		Name: "n", Preprocessed: storage.Ref{Digest: "e", Size: 1}, Student: storage.Ref{Digest: "s", Size: 1},
		Method: "rdrec", Seed: 1, Spec: spec.Default(),
	}
	id, err := base.ID()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*registry.Model)
		equal  bool
	}{
		"name":     {func(m *registry.Model) { m.Name = "other" }, true},
		"table":    {func(m *registry.Model) { m.Table.Digest = "t" }, true},
		"examples": {func(m *registry.Model) { m.Preprocessed.Digest = "other" }, false},
		"student":  {func(m *registry.Model) { m.Student.Digest = "other" }, false},
		"fusion":   {func(m *registry.Model) { m.Fusion = storage.Ref{Digest: "mix", Size: 1} }, false},
		"method":   {func(m *registry.Model) { m.Method = "pod" }, false},
		"beams":    {func(m *registry.Model) { m.Spec.Evaluate.NumBeams++ }, false},
	} {
		m := base
		c.change(&m)
		if got, err := m.ID(); err != nil || (got == id) != c.equal {
			t.Errorf("another %s: the equal id: %t, %v", name, got == id, err)
		}
	}
}
