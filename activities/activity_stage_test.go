package activities_test

import (
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/activities"
)

// TestStagesOfEveryActivity checks the stages of every registered activity; those that are not
// listed belong to no stage.
func TestStagesOfEveryActivity(t *testing.T) {
	t.Parallel()
	want := map[string][]string{
		"Import":           {"import"},
		"PlanDistillation": {"distill"},
		"DistillShard":     {"distill"},
		"MergeRationales":  {"distill"},
		"Preprocess":       {"preprocess"},
		"Pretrain":         {"pretrain"},
		"Evaluate":         {"evaluate", "evaluate-shard"},
		"MergePredictions": {"evaluate"},
		"RankBaselines":    {"baseline"},
		"TrainSasrec":      {"sasrec", "bsarec"},
		"Fuse":             {"fuse"},
		"CheckEntailment":  {"entailment"},
		"PlanExport":       {"export"},
		"ExportShard":      {"export-shard"},
		"MergeExport":      {"export"},
		"FormatExport":     {"export-format"},
	}
	registered := reflect.TypeFor[*activities.Activities]()
	for i := range registered.NumMethod() {
		name := registered.Method(i).Name
		if diff := cmp.Diff(want[name], activities.StagesOf(name)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		delete(want, name)
	}
	for name := range want {
		t.Errorf("no activity is registered as %s", name)
	}
}
