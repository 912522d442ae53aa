package workflows_test

import (
	"context"
	"flag"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/activities"
	"rdrec/internal/spec"
	"rdrec/storage"
	"rdrec/workflows"
)

var update = flag.Bool("update", false, "write the golden files")

// TestFingerprintsArePinned holds the fingerprint of every stage of one workflow of each run to
// the committed ones. A renamed Go field changes none of them. Whoever changes one on purpose
// discards every cached stage of that name: run with -update, and say so in CHANGELOG.md.
func TestFingerprintsArePinned(t *testing.T) {
	const golden = "testdata/fingerprints.golden"
	var lines []string
	for _, run := range []string{"paper", "clean", "ablation", "nightly", "export"} {
		lookedUp := pinnedRuns()[run](t)
		slices.Sort(lookedUp)
		for _, line := range slices.Compact(lookedUp) {
			lines = append(lines, run+" "+line)
		}
	}
	got := strings.Join(lines, "\n") + "\n"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Error(diff)
	}
}

// pinnedRuns runs one workflow of each kind and returns the stages that it looked up, each with its
// fingerprint.
func pinnedRuns() map[string]func(*testing.T) []string {
	runExperiment := func(t *testing.T, s spec.Spec) []string {
		t.Helper()
		w := newWorkflowEnv(t)
		w.env.ExecuteWorkflow(workflows.Experiment, workflows.ExperimentInput{Spec: s})
		if err := w.env.GetWorkflowError(); err != nil {
			t.Fatal(err)
		}
		return w.lookedUp
	}
	return map[string]func(*testing.T) []string{
		"paper": func(t *testing.T) []string {
			t.Helper()
			s := experiment("rdrec", "pod", "p5")
			s.Baselines = append(s.Baselines, spec.SASRec)
			return runExperiment(t, s)
		},
		"clean": func(t *testing.T) []string {
			t.Helper()
			s := experiment("rdrec")
			reviews := spec.DefaultReviews()
			reviews.Path, reviews.Metadata = "reviews.jsonl", "items.jsonl"
			s.Protocol, s.Data.Folder, s.Data.Reviews, s.Data.Indexing = spec.Clean, "", &reviews, spec.Collaborative
			s.Student.Pretrained, s.Train.Precision, s.Train.GradientCheckpointing = "t5", spec.BFloat16, true
			s.Evaluate.Shards, s.Teacher.Constrain = 2, spec.TwoLines
			return runExperiment(t, s)
		},
		"ablation": func(t *testing.T) []string {
			t.Helper()
			s := experiment("rdrec")
			s.Protocol, s.Ablate = spec.Clean, []string{"skip_pads", "constrained"}
			return runExperiment(t, s)
		},
		"nightly": func(t *testing.T) []string {
			t.Helper()
			n := newNightlyEnv(t)
			n.verdict(t)
			return n.lookedUp
		},
		"export": exportedStages,
	}
}

// exportedStages runs an export of 1,000 users and returns the stages that it looked up.
func exportedStages(t *testing.T) []string {
	t.Helper()
	w := newWorkflowEnv(t)
	w.env.RegisterWorkflow(workflows.Export)
	w.mock("PlanExport", func(context.Context, activities.ExportInput) (activities.ExportPlan, error) {
		return activities.ExportPlan{Users: 1000}, nil
	})
	for _, name := range []string{"ExportShard", "MergeExport", "FormatExport"} {
		w.mock(name, func(_ context.Context, in any) (storage.Ref, error) { return w.record(name, in), nil })
	}
	w.mock("PublishExport", func(context.Context, activities.PublishExportInput) error { return nil })
	in := workflows.ExportInput{Format: "csv"}
	in.Model.Name, in.Model.Method, in.Model.Seed, in.Model.Spec = "demo/1", "rdrec", 1, experiment("rdrec")
	in.Model.Preprocessed, in.Model.Student = storage.Ref{Digest: "data", Size: 1}, storage.Ref{
		Digest: "student", Size: 1,
	}
	in.Top, in.Explain = 10, true
	w.env.ExecuteWorkflow(workflows.Export, in)
	if err := w.env.GetWorkflowError(); err != nil {
		t.Fatal(err)
	}
	return w.lookedUp
}

// TestPayloadsHaveExplicitKeys walks every type that a workflow or an activity takes or returns. An
// exported field without a JSON name of its own would name a key of payloads and fingerprints by
// accident.
func TestPayloadsHaveExplicitKeys(t *testing.T) {
	seen := map[reflect.Type]bool{}
	work := reflect.TypeFor[*activities.Activities]()
	for method := range work.Methods() {
		checkSignature(t, seen, method.Type)
	}
	for _, f := range []any{
		workflows.Experiment, workflows.Trial, workflows.Distillation, workflows.Nightly, workflows.Export,
		workflows.Recommend, workflows.Promotion, workflows.Plan,
	} {
		checkSignature(t, seen, reflect.TypeOf(f))
	}
	if len(seen) < 50 {
		t.Errorf("only %d types were reached", len(seen))
	}
}

func checkSignature(t *testing.T, seen map[reflect.Type]bool, f reflect.Type) {
	t.Helper()
	for in := range f.Ins() {
		checkKeys(t, seen, in)
	}
	for out := range f.Outs() {
		checkKeys(t, seen, out)
	}
}

// checkKeys reports fields without a JSON name in a type of this module, and in what it is made of.
func checkKeys(t *testing.T, seen map[reflect.Type]bool, typ reflect.Type) {
	t.Helper()
	switch typ.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		checkKeys(t, seen, typ.Elem())
		return
	case reflect.Struct:
	default:
		return
	}
	if seen[typ] || !strings.HasPrefix(typ.PkgPath(), "rdrec/") || typ == reflect.TypeFor[activities.Activities]() {
		return
	}
	seen[typ] = true
	for field := range typ.Fields() {
		tag := field.Tag.Get("json")
		name, _, _ := strings.Cut(tag, ",")
		if field.IsExported() && !field.Anonymous && name == "" {
			t.Errorf("%s.%s has no JSON name", typ, field.Name)
		}
		if name != "-" {
			checkKeys(t, seen, field.Type)
		}
	}
}

// TestEveryStageHasAnActivity: without one, a stage shows no progress.
func TestEveryStageHasAnActivity(t *testing.T) {
	work, covered := reflect.TypeFor[*activities.Activities](), map[string]bool{}
	for method := range work.Methods() {
		for _, stage := range activities.StagesOf(method.Name) {
			covered[stage] = true
		}
	}
	for stage := range workflows.StageVersions() {
		if !covered[stage] {
			t.Errorf("no activity does the work of stage %q", stage)
		}
	}
}
