package activities_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rdrec/activities"
	"rdrec/internal/metric"
	"rdrec/internal/report"
	"rdrec/internal/spec"
	"rdrec/registry"
	"rdrec/storage"
)

// finished records a run r1 with two methods, two seeds and an ablation.
func (s *inboxEnv) finished(workflow string) registry.RunRecord {
	s.t.Helper()
	in := registry.RunRecord{
		Spec: spec.Default(), Dataset: s.putArtifact("d", "d"), Preprocessed: s.putArtifact("e", "e"),
	}
	in.Spec.Methods = []string{"rdrec", "pod"}
	in.Spec.Data.Accumulated = &spec.Accumulated{Reviews: s.putArtifact("r", "r")}
	in.NightlyRun = &registry.NightlyRun{
		Counts:     report.NightlyCounts{Rows: 1},
		Metrics:    []metric.Score{{Metric: "HR@1"}},
		Comparison: &registry.Comparison{P: 0.5},
	}
	for _, trial := range []registry.TrialResult{
		{Method: "rdrec", Variant: "skip_pads off", Seed: 1},
		{Method: "rdrec", Seed: 2},
		{Method: "rdrec", Seed: 3},
		{Method: "pod", Seed: 4},
	} {
		trial.Model = s.putArtifact("m", fmt.Sprint(trial.Seed))
		in.Trials = append(in.Trials, trial)
	}
	record, err := json.Marshal(in)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.Bucket.PutRun(s.t.Context(), workflow, "r1", storage.RunRecord, record); err != nil {
		s.t.Fatal(err)
	}
	return in
}

// TestARunsModelIsItsFirstStudent names none, one and another method, and runs that have none.
func TestARunsModelIsItsFirstStudent(t *testing.T) {
	s := newInboxEnv(t)
	in := s.finished("exp")
	find := func(name, method string) (registry.Model, error) {
		return registry.FindModel(t.Context(), s.Bucket, name, method)
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
				Method:       c.want,
				Seed:         c.seed,
			}
			equal(t, name+" "+c.method, want, got)
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
	if err := s.Bucket.PutRun(t.Context(), "torn", "r1", storage.RunRecord, []byte("{")); err != nil {
		t.Fatal(err)
	}
	var corrupt *storage.CorruptError
	if _, err := find("torn", ""); !errors.As(err, &corrupt) || corrupt.Key != "runs/torn/r1/run.json" {
		t.Errorf("a torn record: %v", err)
	}
	if err := s.Bucket.PutRun(t.Context(), "empty", "r1", storage.RunRecord, []byte("{}")); err != nil {
		t.Fatal(err)
	}
	if _, err := find("empty", ""); err == nil {
		t.Error("a run without methods has a model")
	}
}

// TestAPromotedModelComesFirst has a name that is a run's, too.
func TestAPromotedModelComesFirst(t *testing.T) {
	s := newInboxEnv(t)
	s.finished("shop")
	used := s.promote(s.ingest(nil), "weights")
	used.Table = s.putArtifact("t", "t")
	got, err := registry.FindModel(t.Context(), s.Bucket, "shop", "")
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
	equal(t, "promoted", want, got)
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

// TestPeopleChooseARunOrAPromotion has a name without, with one and with three promotions.
func TestPeopleChooseARunOrAPromotion(t *testing.T) {
	s := newInboxEnv(t)
	in := s.finished("exp")
	choose := func(c activities.ChooseModelInput) (activities.PromoteInput, error) {
		c.Name = "shop"
		return run[activities.PromoteInput](s, s.ChooseModel, c)
	}
	for what, c := range map[string]activities.ChooseModelInput{"the model before": {}, "promotion 1": {To: 1}} {
		_, err := choose(c)
		s.isInvalid(what+" where there is none", err)
	}
	ofRun, err := choose(activities.ChooseModelInput{Run: "exp"})
	if err != nil || ofRun.Previous != 0 || len(ofRun.Promotion.Model.Spec) == 0 {
		t.Fatalf("chose %+v, %v", ofRun, err)
	}
	ofRun.Promotion.Model.Spec = nil
	want := registry.Promotion{
		Reviews: in.Spec.Data.Accumulated.Reviews, Dataset: in.Dataset, Preprocessed: in.Preprocessed,
		Model: registry.PromotedModel{
			Weights: in.Trials[1].Model, Method: "rdrec", Size: in.Spec.Student.Size, Protocol: in.Spec.Protocol,
			Seed: in.Spec.Seed,
		},
		Counts: &in.NightlyRun.Counts, Metrics: in.NightlyRun.Metrics, Comparison: in.NightlyRun.Comparison,
	}
	equal(t, "a run's model", want, ofRun.Promotion)
	_, err = choose(activities.ChooseModelInput{Run: "nosuch"})
	s.isInvalid("a run that is not there", err)

	for k := range 3 {
		s.promote(activities.IngestResult{Promoted: registry.Promotion{Number: k}}, fmt.Sprint("weights ", k))
	}
	if got, err := choose(activities.ChooseModelInput{Run: "exp/r1"}); err != nil || got.Previous != 3 {
		t.Errorf("beside promotion 3: %+v, %v", got, err)
	}
	for to, want := range map[int]int{0: 2, 1: 1, 2: 2} {
		got, err := choose(activities.ChooseModelInput{To: to})
		if err != nil || got.Previous != 3 || got.Promotion.Number != want || got.Promotion.RollbackTo != want ||
			got.Promotion.Kind != registry.Rollback {
			t.Errorf("back to %d: %+v, %v; want promotion %d", to, got, err, want)
		}
	}
	for _, to := range []int{3, 4, -1} {
		_, err := choose(activities.ChooseModelInput{To: to})
		s.isInvalid(fmt.Sprint("promotion ", to), err)
	}
}

// TestCorruptNightlyRunIsNamed counts it among those that are read.
func TestCorruptNightlyRunIsNamed(t *testing.T) {
	s := newInboxEnv(t)
	for number, text := range []string{"{}", "{", "{}"} {
		if err := s.Bucket.PutNightlyRun(t.Context(), "shop", number+1, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	for last, want := range map[int]string{
		3: "record 2 of the last 3 nightly runs", 2: "record 1 of the last 2 nightly runs",
	} {
		_, err := registry.ReadNightlyRuns(t.Context(), s.Bucket, "shop", last)
		if !errors.Is(err, registry.ErrCorrupt) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("the last %d: %v, want %q", last, err, want)
		}
	}
	if runs, err := registry.ReadNightlyRuns(t.Context(), s.Bucket, "shop", 1); err != nil || len(runs) != 1 {
		t.Errorf("the last one: %v, %v", runs, err)
	}
	if _, err := registry.ReadNightlyPage(t.Context(), s.Bucket, "shop", 3, time.Now()); !errors.Is(
		err,
		registry.ErrCorrupt,
	) {
		t.Errorf("their page: %v", err)
	}
}

// TestNightlyPage has a row for each, and the last run's metric.
func TestNightlyPage(t *testing.T) {
	s := newInboxEnv(t)
	s.promote(s.ingest(nil), "weights")
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for number, record := range []string{
		`{"number":1,"verdict":"idle"}`,
		`{"number":2,"verdict":"rejected","reasons":["why"],"promotion":1,"ingested":[{"name":"a"},{"name":"b"}],` +
			`"seconds":7,"html":"runs/w/r/report.html",` +
			`"counts":{"new_rows":1,"new_bad":2,"rows":3,"users":4,"items":5,"new_users":6,"new_items":7,` +
			`"new_rationales":8,"new_parsed":9,` +
			`"requests":10,"tokens":11},"metric":"HR@5","metrics":[{"metric":"HR@1","value":1},{"metric":"HR@5",` +
			`"value":0.5,"interval":{"low":0.25,"high":0.75}}],` +
			`"comparison":{"difference":0.1,"interval":{"low":-0.1,"high":0.2},"p":0.3}}`,
	} {
		if err := s.Bucket.PutNightlyRun(t.Context(), "shop", number+1, []byte(record)); err != nil {
			t.Fatal(err)
		}
	}
	page, err := registry.ReadNightlyPage(t.Context(), s.Bucket, "shop", 2, now)
	if err != nil || len(page.Rows) != 2 || page.InUse != 1 || page.Metric != "HR@5" || !page.Made.Equal(now) ||
		page.Name != "shop" {
		t.Fatalf("%+v, %v", page, err)
	}
	if idle := page.Rows[0]; idle.Number != 1 || idle.Score != nil || idle.Difference != nil || idle.Report != "" {
		t.Errorf("the idle run: %+v", idle)
	}
	row := page.Rows[1]
	counts := []int{
		row.NewRows,
		row.NewBad,
		row.Rows,
		row.Users,
		row.Items,
		row.NewUsers,
		row.NewItems,
		row.NewRationales,
		row.NewParsed,
		row.Requests,
		row.Tokens,
	}
	equal(t, "counts", []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, counts)
	equal(t, "figures", []float64{0.5, 0.25, 0.75, 7},
		[]float64{row.Score.Value, row.Score.Interval.Low, row.Score.Interval.High, row.Seconds})
	difference := &metric.Difference{Mean: 0.1, Interval: metric.Interval{Low: -0.1, High: 0.2}, P: 0.3}
	equal(t, "difference", difference, row.Difference)
	if row.Files != 2 || row.Promotion != 1 || row.Verdict != "rejected" ||
		row.Report != filepath.Join(s.root, "runs/w/r/report.html") {
		t.Errorf("%+v", row)
	}
}

// TestAnotherSourceIsDrawnFromItsBeginning changes the path, the table and the column.
func TestAnotherSourceIsDrawnFromItsBeginning(t *testing.T) {
	s := newInboxEnv(t)
	s.Importer = &fakeSource{watermarks: []string{"1", "2"}}
	ingest := func(source spec.Source) int {
		t.Helper()
		out, err := run[spec.Ingested](
			s, s.IngestSource, activities.IngestSourceInput{Name: "shop", Inbox: "inbox", Source: source},
		)
		if err != nil {
			t.Fatal(err)
		}
		return out.Rows
	}
	for _, c := range []struct {
		source spec.Source
		want   int
	}{
		{spec.Source{Path: "a", Watermark: "c"}, 2},
		{spec.Source{Path: "a", Watermark: "c"}, 0},
		{spec.Source{Path: "b", Watermark: "c"}, 2},
		{spec.Source{Path: "b", Table: "t", Watermark: "c"}, 2},
		{spec.Source{Path: "b", Table: "t", Watermark: "c"}, 0},
		{spec.Source{Path: "b", Table: "t", Watermark: "d"}, 2},
	} {
		if got := ingest(c.source); got != c.want {
			t.Errorf("%+v: %d rows, want %d", c.source, got, c.want)
		}
	}
}

// TestTheDataAreIdentifiedByNameAndContent has files whose names, contents and borders change.
func TestTheDataAreIdentifiedByNameAndContent(t *testing.T) {
	s := newInboxEnv(t)
	identify := func(data spec.Data) (string, error) {
		id, err := run[registry.Identity](s, s.Identify, activities.IdentifyInput{Data: data})
		return id.Data, err
	}
	seen := map[string]string{}
	for name, files := range map[string]map[string]string{
		"itself": {"a": "1", "b": "2"}, "content": {"a": "1", "b": "3"}, "name": {"a": "1", "c": "2"},
		"border": {"a": "1b 1\n2"}, "less": {"a": "1"},
	} {
		dir := t.TempDir()
		for file, text := range files {
			if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		id, err := identify(spec.Data{Folder: dir})
		if err != nil {
			t.Fatal(err)
		}
		if other, found := seen[id]; found {
			t.Errorf("%s and %s are the same", name, other)
		}
		seen[id] = name
		if again, err := identify(spec.Data{Reviews: &spec.Reviews{Path: filepath.Join(dir, "*")}}); err != nil ||
			again != id {
			t.Errorf("%s: as reviews %q, %v", name, again, err)
		}
		stored := &spec.Accumulated{Reviews: spec.Ref{Digest: "r"}}
		if got, err := identify(spec.Data{Reviews: &spec.Reviews{}, Accumulated: stored}); err != nil || got != "r" {
			t.Errorf("accumulated: %q, %v", got, err)
		}
		titled := spec.Data{Reviews: &spec.Reviews{Metadata: filepath.Join(dir, "*")}, Accumulated: stored}
		if got, err := identify(titled); err != nil || got != "r"+id {
			t.Errorf("accumulated with titles: %q, %v", got, err)
		}
		titled.Reviews.Metadata = filepath.Join(dir, "nosuch")
		_, err = identify(titled)
		s.isInvalid("titles that are not there", err)
	}
}

// TestADifferenceNamesItsFilesInOrder compares artifacts of many files.
func TestADifferenceNamesItsFilesInOrder(t *testing.T) {
	b := newTestEnv(t)
	first, second, want := map[string]string{
		"same":              "x",
		"distillation.json": "1",
	}, map[string]string{
		"same":              "x",
		"distillation.json": "2",
	}, []string{}
	for i := range 9 {
		name := fmt.Sprint("f", i)
		switch want = append(want, name); i % 3 {
		case 0:
			first[name] = "1"
		case 1:
			second[name] = "2"
		default:
			first[name], second[name] = "1", "2"
		}
	}
	rows, err := registry.CompareRuns(context.Background(), b.bucket,
		registry.RunRecord{Rationales: b.putArtifact("r", first)}, registry.RunRecord{
			Rationales: b.putArtifact("r", second),
		})
	if err != nil || len(rows) != 1 || rows[0].Equal || rows[0].Name != "rationales" {
		t.Fatalf("%+v, %v", rows, err)
	}
	if diff := cmp.Diff(want, rows[0].Files); diff != "" {
		t.Error(diff)
	}
	equal, timed := map[string]string{}, map[string]string{"distillation.json": "3"}
	for i := range 20 {
		equal[fmt.Sprint("f", i)], timed[fmt.Sprint("f", i)] = "x", "x"
	}
	rows, err = registry.CompareRuns(
		context.Background(),
		b.bucket,
		registry.RunRecord{
			Rationales: b.putArtifact("r", equal),
		},
		registry.RunRecord{Rationales: b.putArtifact("r", timed)},
	)
	if err != nil || len(rows) != 1 || !rows[0].Equal || len(rows[0].Files) > 0 {
		t.Errorf("only times differ: %+v, %v", rows, err)
	}
}
